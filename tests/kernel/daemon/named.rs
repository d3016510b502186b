//! A namespace that is deleted and created again under the same name while a director works in it.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::DIRECTOR;
use crate::lab::{Host, Lan, Outcome, Process, eventually};

const WEB: &str = "
version = 1
[service.web]
listen = \"tcp://10.0.0.1:80\"
forward = \"nat\"
servers = [{ name = \"app1\", address = \"10.0.1.1\" }]
";

struct Desk<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    name: String,
}

impl Desk<'_> {
    fn command(&self, program: &str, line: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env("DIRECTOR_STATE_DIR", self.directory.path().join("state"))
            .env_remove("DIRECTOR_SOCKET");
        command
    }

    fn verb(&self, line: &str) -> Outcome {
        self.host.command(self.command(DIRECTOR, line), b"")
    }

    /// The same for the namespace of this name.
    fn named(&self, line: &str) -> Outcome {
        self.verb(&format!("--netns {} {line}", self.name))
    }

    fn start(&self, program: &str, line: &str, log: &str) -> Process {
        let log = fs::File::create(self.directory.path().join(log)).unwrap();
        let mut command = self.command(program, line);
        command.stdout(Stdio::null()).stderr(log);
        self.host.spawn_command(command)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap()
    }

    fn made_anew(&self) {
        self.host.run(&format!("ip netns del {}", self.name));
        self.made();
    }

    fn made(&self) {
        self.host.run(&format!("ip netns add {}", self.name));
        // Without it, IPVS considers no address unicast.
        self.host
            .run(&format!("ip -netns {} link set lo up", self.name));
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.host.attempt(&format!("ip netns del {}", self.name));
    }
}

#[test]
#[ignore = "needs the lab"]
fn the_director_of_a_namespace_that_is_gone_does_not_answer_for_the_new_one() {
    let net = Lan::nat().real_servers(1).build();
    let desk = Desk {
        host: &net.director,
        directory: tempfile::tempdir().unwrap(),
        name: format!("{}-named", net.director.netns().name()),
    };
    let name = &desk.name;
    fs::write(desk.directory.path().join("web.toml"), WEB).unwrap();
    desk.made();
    let socket = format!("/run/director/netns-{name}.sock");

    // A director that was not started for the name, and therefore lives on.
    let words = format!("netns exec {name} {DIRECTOR} run web.toml --socket {socket}");
    let mut old = desk.start("ip", &words, "old.log");
    eventually("the old one answers", || {
        assert_eq!(old.ended(), None, "{}", desk.log("old.log"));
        desk.named("status").success().then_some(())
    });
    desk.made_anew();
    for line in ["status", "events", "drain web app1", "reload"] {
        let outcome = desk.named(line);
        assert_eq!(outcome.code, 4, "{line}: {outcome}");
        let process = format!("(process {}", old.id());
        for part in ["no director is running in this network namespace", &process] {
            assert!(outcome.stderr.contains(part), "{line}: {outcome}");
        }
    }
    // It can be queried by its socket, and reports what happened to its namespace.
    let status = eventually("it has noticed", || {
        let status = desk.verb(&format!("--socket {socket} status"));
        assert!(status.success(), "{status}");
        status.stdout.contains("TROUBLE").then_some(status.stdout)
    });
    let said = format!("network namespace `{name}` was deleted");
    assert!(status.contains(&said), "{status}");
    assert!(!status.contains("drained"), "{status}");

    // A new one can start, and has the socket from then on.
    let run = format!("--netns {name} run web.toml");
    let mut new = desk.start(DIRECTOR, &run, "new.log");
    eventually("the new one answers", || {
        assert_eq!(new.ended(), None, "{}", desk.log("new.log"));
        desk.named("status").success().then_some(())
    });
    old.signal(Signal::SIGTERM);
    assert_eq!(eventually("the old one ends", || old.ended()), 0);
    // It is the only server.
    assert!(desk.named("drain web app1 --force").success());

    // The new one was started for the name, and stops when that refers to another namespace.
    desk.made_anew();
    assert_eq!(eventually("the new one ends", || new.ended()), 1);
    let log = desk.log("new.log");
    assert!(log.contains("was deleted and created again"), "{log}");
    assert_eq!(desk.named("status").code, 4);
}

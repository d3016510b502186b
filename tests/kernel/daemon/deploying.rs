//! Verbs that wait, the guard at the last usable server, and what is read after a verb.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::ailing::Ailing;
use super::operator::{done, verb};
use super::{DIRECTOR, Daemon, SERVICE};
use crate::lab::{Host, Lan, Process, Tcp, V4, eventually, paced_ms};

const CHECKED: &str = "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"rr\"
check = { type = \"tcp\", interval = \"200ms\", timeout = \"1s\", rise = 2, fall = 2 }
servers = [\"10.2.0.11\", \"10.2.0.12\"]
";

/// A verb that runs in the background.
struct Waits<'d, 'h> {
    daemon: &'d Daemon<'h>,
    process: Process,
    said: String,
}

impl<'d, 'h> Waits<'d, 'h> {
    fn start(daemon: &'d Daemon<'h>, line: &str) -> Self {
        let said = format!("{}.said", line.replace([' ', '=', '.', '/', ':'], "-"));
        let file = fs::File::create(daemon.path(&said)).unwrap();
        let mut command = Command::new(DIRECTOR);
        command
            .args(line.split_whitespace())
            .current_dir(daemon.directory.path())
            .env("DIRECTOR_STATE_DIR", daemon.path("state"))
            .env("DIRECTOR_SOCKET", "control.sock")
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Self {
            daemon,
            process: daemon.host.spawn_command(command),
            said,
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.daemon.path(&self.said)).unwrap()
    }

    /// Waits until it has said something; it has not ended by then.
    #[track_caller]
    fn says(&mut self, part: &str) {
        eventually(part, || {
            let said = self.said();
            assert_eq!(self.process.ended(), None, "{said}\n{}", self.daemon.log());
            said.contains(part).then_some(())
        });
    }

    #[track_caller]
    fn ends(mut self, code: i32, part: &str) {
        let ended = eventually("it ends", || self.process.ended());
        let said = self.said();
        assert_eq!(ended, code, "{said}\n{}", self.daemon.log());
        assert!(said.contains(part), "{part}: {said}");
    }
}

fn serve(host: &Host) -> Ailing {
    Ailing::start(host, 80)
}

#[test]
#[ignore = "needs the lab"]
fn thirty_of_thirty_reloads_are_in_the_status_that_follows() {
    let net = Lan::nat().real_servers(2).build();
    let daemon = Daemon::start(&net.director, CHECKED);
    for round in 0..30_u32 {
        let weight = 2 + round;
        let server = format!("{{ address = \"10.2.0.12\", weight = {weight} }}");
        daemon.write(&CHECKED.replace("\"10.2.0.12\"", &server));
        if round % 2 == 0 {
            let both = format!("{DIRECTOR} reload && {DIRECTOR} status --format json");
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &both])
                .current_dir(daemon.directory.path())
                .env("DIRECTOR_SOCKET", "control.sock");
            let outcome = net.director.command(shell, b"");
            assert!(outcome.success(), "{outcome}");
            let said = format!("\"declared_weight\": {weight}");
            let short = said.replace(": ", ":");
            let shown = outcome.stdout.contains(&said) || outcome.stdout.contains(&short);
            assert!(shown, "round {round}: {outcome}");
        } else {
            daemon.post("/v1/reload", &json!({}));
            let status = daemon.get("/v1/status").unwrap();
            let servers = &status["services"][0]["servers"];
            assert_eq!(servers[1]["declared_weight"], weight, "round {round}");
        }
    }
    daemon.write("version = 1\n[service.web]\n");
    let refused = verb(&daemon, "reload");
    assert_eq!(refused.code, 1, "{refused}");
    let status = done(&daemon, "status");
    assert!(status.contains("REJECTED"), "{status}");
}

#[test]
#[ignore = "needs the lab"]
fn an_undrain_waits_for_the_checks_and_says_so() {
    let net = Lan::nat().real_servers(2).build();
    let (_first, second) = (serve(net.real(1)), serve(net.real(2)));
    let daemon = Daemon::start(&net.director, CHECKED);
    daemon.weights(SERVICE, "1=1 2=1");
    done(&daemon, "drain 10.2.0.12 --wait");
    drop(second);
    // On a slow machine it may still be pending by then.
    let late = Waits::start(&daemon, "undrain 10.2.0.12 --wait=4s");
    late.ends(3, "; nothing was taken back");
    let mut waits = Waits::start(&daemon, "undrain web 10.2.0.12:80 --wait --timeout 60s");
    waits.says("waiting for tcp://10.1.0.100:80 10.2.0.12:80: down (connection refused)");
    let _second = serve(net.real(2));
    waits.ends(0, "Up.");
    assert_eq!(super::weights(&net.director, SERVICE), "1=1 2=1");

    done(&daemon, "disable 10.2.0.12 --wait=30s");
    let enabled = verb(&daemon, "enable 10.2.0.12 --wait=30s");
    assert!(enabled.success(), "{enabled}");
    for part in ["pending (put back, and not checked since)", "Up."] {
        assert!(enabled.stderr.contains(part), "{enabled}");
    }
    assert_eq!(super::weights(&net.director, SERVICE), "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn without_checks_there_is_nothing_to_wait_for() {
    let net = Lan::nat().real_servers(2).build();
    let start = CHECKED.find("check = ").unwrap();
    let end = start + CHECKED[start..].find('\n').unwrap();
    let file = CHECKED.replace(&CHECKED[start..end], "");
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, "1=1 2=1");
    done(&daemon, "drain web 10.2.0.11");
    let outcome = verb(&daemon, "undrain web 10.2.0.11 --wait=0s");
    assert_eq!((outcome.code, &*outcome.stderr), (0, "Up.\n"), "{outcome}");
    assert_eq!(super::weights(&net.director, SERVICE), "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_backup_server_is_back_when_its_checks_pass() {
    let net = Lan::nat().real_servers(3).build();
    let (_first, _second, third) = (serve(net.real(1)), serve(net.real(2)), serve(net.real(3)));
    let daemon = Daemon::start(
        &net.director,
        &format!("{CHECKED}backup = [\"10.2.0.13\"]\n"),
    );
    daemon.weights(SERVICE, "1=1 2=1");
    done(&daemon, "drain web 10.2.0.13");
    drop(third);
    let late = Waits::start(&daemon, "undrain web 10.2.0.13 --wait=2s");
    late.ends(3, "timed out after 2s");
    let _third = serve(net.real(3));
    done(&daemon, "undrain web 10.2.0.13 --wait=60s");
    assert_eq!(
        super::weights(&net.director, SERVICE),
        "1=1 2=1",
        "it is not needed"
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_wait_outlives_a_restart_of_the_director() {
    let net = Lan::nat().real_servers(2).build();
    let (_first, second) = (serve(net.real(1)), serve(net.real(2)));
    let mut daemon = Daemon::start(&net.director, CHECKED);
    daemon.weights(SERVICE, "1=1 2=1");
    done(&daemon, "drain web 10.2.0.12");
    drop(second);
    let said = daemon.path("said");
    let mut waits = {
        let file = fs::File::create(&said).unwrap();
        let mut command = Command::new(DIRECTOR);
        command
            .args(["undrain", "web", "10.2.0.12", "--wait=100s"])
            .current_dir(daemon.directory.path())
            .env("DIRECTOR_SOCKET", "control.sock")
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        net.director.spawn_command(command)
    };
    let says = |part: &str| {
        eventually(part, || {
            let text = fs::read_to_string(&said).unwrap();
            text.contains(part).then_some(text)
        })
    };
    says("waiting for tcp://10.1.0.100:80 10.2.0.12:80");
    daemon.kill();
    says("waiting for the director to answer (");
    daemon.launch();
    std::thread::sleep(paced_ms(1_000));
    assert_eq!(
        waits.ended(),
        None,
        "{}",
        fs::read_to_string(&said).unwrap()
    );
    let _second = serve(net.real(2));
    let code = eventually("it ends", || waits.ended());
    assert_eq!(
        code,
        0,
        "{}\n{}",
        fs::read_to_string(&said).unwrap(),
        daemon.log()
    );
    daemon.weights(SERVICE, "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_leaves_the_file_ends_the_wait_for_its_checks() {
    let net = Lan::nat().real_servers(2).build();
    let _first = serve(net.real(1));
    let daemon = Daemon::start(&net.director, CHECKED);
    daemon.weights(SERVICE, "1=1");
    let mut waits = Waits::start(&daemon, "undrain 10.2.0.12 --wait=100s");
    waits.says("10.2.0.12:80: down");
    daemon.write(&CHECKED.replace(", \"10.2.0.12\"", ""));
    done(&daemon, "reload");
    waits.ends(1, "`10.2.0.12` is no longer in the file");
}

#[test]
#[ignore = "needs the lab"]
fn a_drain_waits_for_all_services_of_a_machine_and_another_operator_may_end_it() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    let file = format!(
        "{CHECKED}[service.other]\nlisten = \"tcp://10.1.0.100:81\"\nforward = \"nat\"\n\
         servers = [\"10.2.0.11:80\", \"10.2.0.12:80\"]\n"
    );
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, "1=1 2=1");
    let held: Vec<_> = [80, 81, 80, 81]
        .into_iter()
        .map(|port| {
            let mut held = net.client(1).connect(Tcp, net.service(V4, port)).unwrap();
            let by = held.ask().unwrap();
            (by, held)
        })
        .collect();
    let of_second = held.iter().filter(|(by, _)| by == "real2").count();
    assert_eq!(of_second, 2, "round robin");

    let mut waits = Waits::start(&daemon, "drain 10.2.0.12 --wait=100s");
    waits.says("waiting for 2 connections of 2 servers to end");
    for service in [SERVICE, "tcp://10.1.0.100:81"] {
        assert_eq!(super::weights(&net.director, service), "1=1 2=0");
    }
    done(&daemon, "undrain other 10.2.0.12");
    waits.ends(1, "the drain of tcp://10.1.0.100:81 10.2.0.12:80 has ended");
    let late = Waits::start(&daemon, "disable 10.2.0.12 --wait=1s");
    late.ends(3, "(connections left: 2); the maintenance continues");
    let mut waits = Waits::start(&daemon, "disable 10.2.0.12 --wait=100s --active");
    waits.says("waiting for 2 active connections of 2 servers to end");
    drop(held);
    // They are inactive for two minutes from now on.
    waits.ends(0, "Drained.");
}

#[test]
#[ignore = "needs the lab"]
fn the_last_usable_server_stays_in_unless_forced() {
    let net = Lan::nat().real_servers(2).build();
    let (_first, second) = (serve(net.real(1)), serve(net.real(2)));
    let daemon = Daemon::start(&net.director, CHECKED);
    daemon.weights(SERVICE, "1=1 2=1");
    drop(second);
    daemon.weights(SERVICE, "1=1 2=0");
    let said = "refused: web (tcp://10.1.0.100:80) would be left without a usable server \
                (10.2.0.12:80 is down); nothing was changed; use --force to override";
    for line in [
        "drain web 10.2.0.11",
        "drain 10.2.0.11",
        "disable 10.2.0.11",
        "weight web 10.2.0.11 0",
    ] {
        let outcome = verb(&daemon, line);
        assert_eq!(outcome.code, 1, "{line}: {outcome}");
        assert_eq!(outcome.stderr, format!("director: {said}\n"), "{line}");
        assert_eq!(super::weights(&net.director, SERVICE), "1=1 2=0", "{line}");
    }
    let answer: Value = daemon.post("/v1/drain", &json!({ "server": "10.2.0.11" }));
    assert_eq!(
        answer,
        json!({ "error": { "kind": "last-server", "message": said } })
    );
    let events = done(&daemon, "events");
    assert!(!events.contains("drained"), "{events}");
    let forced = done(&daemon, "drain web 10.2.0.11 --force");
    assert!(
        forced.contains("forced: web (tcp://10.1.0.100:80) is left without"),
        "{forced}"
    );
    assert_eq!(super::weights(&net.director, SERVICE), "1=0 2=0");
}

//! director and FRR's vrrpd: version 3 over IPv4.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::{Link, VIRTUAL, becomes, counter, file, has};
use crate::daemon::Daemon;
use crate::lab::{Host, Process, eventually};

/// vrrpd and the zebra that it needs, on a host. The address is on a macvlan interface, which FRR
/// takes down while it is backup.
struct Frr<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    processes: Vec<Process>,
}

impl<'h> Frr<'h> {
    fn start(host: &'h Host, priority: u8) -> Self {
        host.ip(&format!(
            "link add vrrp4-51 link eth0 type macvlan mode bridge
link set vrrp4-51 address 00:00:5e:00:01:33
addr add {VIRTUAL}/32 dev vrrp4-51
link set vrrp4-51 up
"
        ));
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "interface eth0
 vrrp 51 version 3
 vrrp 51 priority {priority}
 vrrp 51 advertisement-interval 200
 vrrp 51 ip {VIRTUAL}
"
        );
        fs::write(directory.path().join("vrrpd.conf"), text).unwrap();
        fs::write(directory.path().join("zebra.conf"), "").unwrap();
        // It gives up root's rights, and keeps its sockets there.
        let user = User::from_name("frr").unwrap().unwrap();
        for path in [".", "vrrpd.conf", "zebra.conf"] {
            let path = directory.path().join(path);
            std::os::unix::fs::chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .unwrap();
        }
        let mut frr = Self {
            host,
            directory,
            processes: Vec::new(),
        };
        frr.launch();
        frr
    }

    fn launch(&mut self) {
        for name in ["zebra", "vrrpd"] {
            let process = self.run(name);
            self.processes.push(process);
            eventually(&format!("{name} answers"), || {
                self.directory
                    .path()
                    .join(format!("{name}.vty"))
                    .exists()
                    .then_some(())
            });
        }
    }

    fn run(&self, name: &str) -> Process {
        let path = |end: &str| self.directory.path().join(format!("{name}.{end}"));
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path("log"))
            .unwrap();
        let mut command = Command::new(format!("/usr/lib/frr/{name}"));
        command
            .args(["--log", "stdout"])
            .arg("-f")
            .arg(path("conf"))
            .arg("-i")
            .arg(path("pid"))
            .arg("-z")
            .arg(self.directory.path().join("zserv.api"))
            .arg("--vty_socket")
            .arg(self.directory.path())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        self.host.spawn_command(command)
    }

    /// Its role, in its own words.
    fn shows(&self) -> String {
        let directory = self.directory.path().display();
        let line = format!("vtysh --vty_socket {directory} -d vrrpd -c show\\ vrrp");
        let mut command = Command::new("vtysh");
        command
            .arg("--vty_socket")
            .arg(self.directory.path())
            .args(["-d", "vrrpd", "-c", "show vrrp"]);
        let outcome = self.host.command(command, b"");
        assert!(outcome.success(), "{line}: {outcome}");
        outcome.stdout
    }

    #[track_caller]
    fn becomes(&self, role: &str) {
        eventually(&format!("FRR is {role}"), || {
            let shown = self.shows();
            let mut lines = shown.lines().filter(|line| line.contains("Status (v4)"));
            lines.next()?.contains(role).then_some(())
        });
    }

    fn kill(&mut self) {
        for mut process in self.processes.drain(..).rev() {
            process.signal(Signal::SIGKILL);
            eventually("FRR has ended", || process.ended());
        }
        for name in ["zebra", "vrrpd"] {
            fs::remove_file(self.directory.path().join(format!("{name}.vty"))).unwrap();
        }
    }
}

impl Drop for Frr<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["zebra", "vrrpd"] {
                let log = self.directory.path().join(format!("{name}.log"));
                eprintln!(
                    "{name}'s log:\n{}",
                    fs::read_to_string(log).unwrap_or_default()
                );
            }
        }
    }
}

const SETTINGS: &str = "interval = \"200ms\"\npreempt = true";

#[test]
#[ignore = "needs the lab"]
fn director_above_frr() {
    let link = Link::new();
    let frr = Frr::start(&link.b, 100);
    frr.becomes("Master");
    let mut director = Daemon::start(&link.a, &file(150, SETTINGS));
    becomes(&director, "active");
    frr.becomes("Backup");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    director.kill();
    frr.becomes("Master");
    director.launch();
    becomes(&director, "active");
    frr.becomes("Backup");
    crate::daemon::operator::done(&director, "failover yield front --wait");
    frr.becomes("Master");
    becomes(&director, "backup");
    eventually("it has let go", || (!has(&link.a, VIRTUAL)).then_some(()));
    assert_eq!(counter(&director, "discarded"), 0, "{}", director.log());
}

#[test]
#[ignore = "needs the lab"]
fn director_below_frr() {
    let link = Link::new();
    let director = Daemon::start(&link.a, &file(90, SETTINGS));
    becomes(&director, "active");
    let mut frr = Frr::start(&link.b, 100);
    frr.becomes("Master");
    becomes(&director, "backup");
    eventually("it has let go", || (!has(&link.a, VIRTUAL)).then_some(()));
    frr.kill();
    becomes(&director, "active");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    frr.launch();
    frr.becomes("Master");
    becomes(&director, "backup");
    assert_eq!(counter(&director, "discarded"), 0, "{}", director.log());
}

//! FRR's vrrpd, and what `matrix.rs` does not try with it: crashes and a planned switchover.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::matrix::{Program, Row, Way};
use super::{Link, VIRTUAL, becomes, counter, file, has, peer};
use crate::daemon::Daemon;
use crate::lab::{Family, Host, Process, V4, eventually};

/// vrrpd and the zebra that it needs, on a host. The address is on a macvlan interface, which FRR
/// takes down while it is backup.
pub(super) struct Frr<'h> {
    host: &'h Host,
    family: Family,
    directory: tempfile::TempDir,
    processes: Vec<Process>,
}

impl<'h> Frr<'h> {
    /// As a row of the matrix says.
    pub(super) fn start_as(host: &'h Host, row: Row) -> Self {
        let (text, batch) = peer::frr(row);
        host.ip(&batch);
        let directory = tempfile::tempdir().unwrap();
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
            family: row.family,
            directory,
            processes: Vec::new(),
        };
        frr.launch();
        frr
    }

    pub(super) fn launch(&mut self) {
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
    pub(super) fn becomes(&self, role: &str) {
        let line = match self.family {
            Family::V4 => "Status (v4)",
            Family::V6 => "Status (v6)",
        };
        eventually(&format!("FRR is {role}"), || {
            let shown = self.shows();
            let mut lines = shown.lines().filter(|row| row.contains(line));
            lines.next()?.contains(role).then_some(())
        });
    }

    fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    pub(super) fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    fn end(&mut self, signal: Signal) {
        for mut process in self.processes.drain(..).rev() {
            process.signal(signal);
            eventually("FRR has ended", || process.ended());
        }
        for name in ["zebra", "vrrpd"] {
            // Killed, it leaves it.
            let _ = fs::remove_file(self.directory.path().join(format!("{name}.vty")));
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

const ROW: Row = Row {
    program: Program::Frr,
    version: vrrp::Version::V3,
    family: V4,
    way: Way::Multicast,
};

const SETTINGS: &str = "interval = \"200ms\"\npreempt = true";

#[test]
#[ignore = "needs the lab"]
fn director_above_frr() {
    let link = Link::new();
    let frr = Frr::start_as(&link.b, ROW);
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
    let mut frr = Frr::start_as(&link.b, ROW);
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

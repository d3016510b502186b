//! Failover between directors, and between director and keepalived, with real packets.
//!
//! ```text
//!   client 10.0.0.9 ──┐
//!   a      10.0.0.1 ──┼── one link; virtual address 10.0.0.100
//!   b      10.0.0.2 ──┘
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod accept;
mod bad_input;
mod faults;
mod frr;
mod leases;
mod loss;
mod many;
mod matrix;
mod pair;
mod peer;
mod raw;
mod restart;
mod rfc_checksum;
mod storms;
mod switchover;
mod sync;
mod verbs;
mod virtual_mac;

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::daemon::Daemon;
use crate::lab::{Host, Link, Process, eventually, probe};

/// The virtual address of most tests.
const VIRTUAL: &str = "10.0.0.100";

/// Whether a host has the address.
fn has(host: &Host, address: &str) -> bool {
    let found = host.run("ip -o addr show");
    found.split_whitespace().any(|word| {
        word.split_once('/')
            .is_some_and(|(plain, _)| plain == address)
    })
}

/// Waits until exactly this host of both has the address.
#[track_caller]
fn holds(holder: &Host, other: &Host, address: &str) {
    eventually(&format!("only {} has {address}", holder.name()), || {
        (has(holder, address) && !has(other, address)).then_some(())
    });
}

/// The role of director's section.
fn role(daemon: &Daemon<'_>) -> String {
    let status = daemon.get("/v1/status").expect("the director answers");
    status["failover"][0]["role"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// A counter of director's section.
fn counter(daemon: &Daemon<'_>, name: &str) -> u64 {
    // A section that has just been declared has none yet.
    eventually(&format!("the counter `{name}` is there"), || {
        daemon.get("/v1/status")?["failover"][0]["counters"][name].as_u64()
    })
}

/// Waits until director has sent this many more adverts.
#[track_caller]
fn sends(daemon: &Daemon<'_>, more: u64) {
    let start = counter(daemon, "sent");
    eventually("adverts go on", || {
        (counter(daemon, "sent") >= start + more).then_some(())
    });
}

/// Waits until director's section has this role.
#[track_caller]
fn becomes(daemon: &Daemon<'_>, expected: &str) {
    daemon.becomes("the role", &expected.to_owned(), || role(daemon));
}

/// A file with one section.
fn file(priority: u8, more: &str) -> String {
    format!(
        "version = 1
[failover.front]
id = 51
interface = \"eth0\"
priority = {priority}
addresses = [\"{VIRTUAL}\"]
{more}
"
    )
}

/// keepalived on a host.
struct Keepalived {
    directory: tempfile::TempDir,
    process: Process,
}

impl Keepalived {
    fn start(host: &Host, instance: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let text = format!("vrrp_instance front {{\n{instance}\n}}\n");
        fs::write(path("keepalived.conf"), text).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut command = Command::new("/usr/sbin/keepalived");
        command
            .args([
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--vrrp",
                "--use-file",
            ])
            .arg(path("keepalived.conf"))
            .arg("--pid")
            .arg(path("pid"))
            .arg("--vrrp_pid")
            .arg(path("vrrp"))
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log);
        let process = host.spawn_command(command);
        Self { directory, process }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        eventually("keepalived has ended", || self.process.ended());
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("keepalived's log:\n{}", self.log());
        }
    }
}

/// Two directors with these settings, the first one active.
#[track_caller]
fn active_pair<'l>(link: &'l Link, settings: &str) -> (Daemon<'l>, Daemon<'l>) {
    let a = Daemon::start(&link.a, &file(150, settings));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &file(100, settings));
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    (a, b)
}

/// Waits until the log says this.
#[track_caller]
fn logs(daemon: &Daemon<'_>, part: &str) {
    eventually(&format!("the log says `{part}`"), || {
        daemon.log().contains(part).then_some(())
    });
}

/// Probes the virtual address during this, and an address of `a` that never moves beside it: on a
/// machine that is too busy for the probes, both lose some.
#[track_caller]
fn loses_no_more_than_a_fixed_address(link: &Link, during: impl FnOnce()) {
    let mut fixed = None;
    let probed = probe::probe(&link.client, VIRTUAL, &[&link.a, &link.b], || {
        // The same sockets answer.
        fixed = Some(probe::probe(&link.client, "10.0.0.1", &[], during));
    });
    let fixed = fixed.unwrap();
    assert!(probed.sent > 50, "{probed:?}");
    assert!(
        probed.outage() <= fixed.outage() * 2,
        "{VIRTUAL}: {probed:?}; 10.0.0.1: {fixed:?}"
    );
}

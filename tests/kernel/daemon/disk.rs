//! A state directory on a file system that is full, read-only, or no longer there.

use std::fs;
use std::path::PathBuf;

use super::operator::{WEB, done, verb};
use super::{Daemon, SERVICE};
use crate::lab::{Host, Lan, Tcp, eventually};

/// A small file system for the state directory, unmounted when dropped.
pub(crate) struct Disk<'h> {
    host: &'h Host,
    path: PathBuf,
}

impl<'h> Disk<'h> {
    /// Sixteen pages.
    pub(crate) fn below(daemon: &Daemon<'h>) -> Self {
        let (host, path) = (daemon.host, daemon.path("state"));
        fs::create_dir(&path).unwrap();
        let shown = path.display();
        host.run(&format!(
            "mount -t tmpfs -o size=64k,mode=0700 tmpfs {shown}"
        ));
        Self { host, path }
    }

    pub(crate) fn fill(&self) {
        let filler = self.path.join("filler");
        let outcome = self.host.attempt(&format!(
            "dd if=/dev/zero of={} bs=4096 count=100",
            filler.display()
        ));
        assert!(outcome.stderr.contains("No space left"), "{outcome}");
    }

    fn make_room(&self) {
        fs::remove_file(self.path.join("filler")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // There may be a second mount on top.
        self.host
            .attempt(&format!("umount -l {}", self.path.display()));
        self.host
            .attempt(&format!("umount -l {}", self.path.display()));
    }
}

fn trouble(daemon: &Daemon<'_>) -> Option<String> {
    let status = daemon.get("/v1/status")?;
    status["trouble"].as_str().map(str::to_owned)
}

#[test]
#[ignore = "needs the lab"]
fn a_full_disk_is_said_to_the_operator_and_nothing_is_lost_when_there_is_room_again() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::idle(&net.director, WEB);
    let disk = Disk::below(&daemon);
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=3");
    disk.fill();

    for (line, weights) in [
        ("drain web 10.2.0.11 --reason new-disks", "1=0 2=1 3=3"),
        ("weight web 10.2.0.12 7", "1=0 2=7 3=3"),
        ("disable app3", "1=0 2=7 3=0"),
    ] {
        let outcome = verb(&daemon, line);
        assert_eq!(outcome.code, 5, "{line}: {outcome}");
        for part in ["in force, but not on disk", "No space left on device"] {
            assert!(outcome.stderr.contains(part), "{line}: {outcome}");
        }
        daemon.weights(SERVICE, weights);
    }
    let body = serde_json::json!({ "service": "web", "server": "10.2.0.11" });
    let answer = daemon.post("/v1/drain", &body);
    assert!(answer["not_kept"].is_string(), "{answer}");
    let status = done(&daemon, "status");
    let said = "TROUBLE: operators' settings are not on disk";
    assert!(status.contains(said), "{status}");

    // A file that changes nothing in the kernel takes effect, and the answer says what is missing.
    daemon.write(&WEB.replace("weight = 3", "weight = 4"));
    let outcome = verb(&daemon, "reload");
    assert_eq!(outcome.code, 5, "{outcome}");
    // A file that cannot take effect has no mistakes.
    let other = WEB.replace("weight = 3", "weight = 4");
    daemon.write(&other.replace("\"sh\"", "\"rr\""));
    let outcome = verb(&daemon, "reload");
    assert_eq!(outcome.code, 1, "{outcome}");
    for part in ["No space left on device", "retrying every 5s"] {
        assert!(outcome.stderr.contains(part), "{outcome}");
    }
    let status = done(&daemon, "status");
    assert!(!status.contains("REJECTED"), "{status}");
    assert!(
        status.contains("the newer file is not in force"),
        "{status}"
    );

    // It starts and works too, with what it had on disk before.
    daemon.kill();
    daemon.launch();
    assert!(trouble(&daemon).is_some());
    let outcome = verb(&daemon, "disable app3");
    assert_eq!(outcome.code, 5, "{outcome}");

    disk.make_room();
    eventually("all of it is on disk", || {
        trouble(&daemon).is_none().then_some(())
    });
    let events = done(&daemon, "events");
    assert!(
        events.contains("not-kept") && events.contains("on disk again"),
        "{events}"
    );
    daemon.kill();
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=0");
    done(&daemon, "enable app3");
    daemon.weights(SERVICE, "1=1 2=1 3=4");
}

#[test]
#[ignore = "needs the lab"]
fn a_file_system_that_became_read_only_is_said_and_the_director_starts_on_it() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::idle(&net.director, WEB);
    let disk = Disk::below(&daemon);
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1 3=3");
    let shown = disk.path.display();
    // A second mount on top, as the first has files open for writing. It is made elsewhere: the
    // history opens files at any moment.
    let side = daemon.path("side");
    fs::create_dir(&side).unwrap();
    let side = side.display();
    for command in [
        format!("mount --bind {shown} {side}"),
        format!("mount -o remount,bind,ro {side}"),
        format!("mount --bind {side} {shown}"),
        format!("umount -l {side}"),
    ] {
        net.director.run(&command);
    }
    for _ in 0..2 {
        let outcome = verb(&daemon, "drain web 10.2.0.11");
        assert_eq!(outcome.code, 5, "{outcome}");
        assert!(
            outcome.stderr.contains("Read-only file system"),
            "{outcome}"
        );
        daemon.weights(SERVICE, "1=0 2=1 3=3");
        daemon.kill();
        daemon.launch();
        daemon.weights(SERVICE, "1=1 2=1 3=3");
    }
    assert_eq!(verb(&daemon, "drain web 10.2.0.11").code, 5);
    net.director
        .run(&format!("mount -o remount,bind,rw {shown}"));
    eventually("it is on disk", || trouble(&daemon).is_none().then_some(()));
    daemon.kill();
    daemon.launch();
    daemon.weights(SERVICE, "1=0 2=1 3=3");
}

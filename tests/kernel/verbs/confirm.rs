//! `--confirm-within`: rolled back unless confirmed, whatever happens to the terminal that applied
//! it.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{DIRECTOR, Desk, exists, lone};
use crate::lab::{Host, eventually};

const OWN: &str = "tcp://10.0.0.1:80";

/// A service that stays, changed in every way, one that is removed and one that is added; sysctls
/// and timeouts too.
fn two_versions(desk: &Desk<'_>) {
    let before = r#"
version = 1
[kernel]
timeouts = { tcp = "10m" }
expire_nodest_conn = false
[defaults]
forward = "nat"
drain = "0s"
[service.web]
listen = "tcp://10.0.0.1:80"
servers = ["10.0.1.1", "10.0.1.2"]
[service.old]
listen = "udp://10.0.0.1:53"
servers = ["10.0.1.5"]
persistence = "5m"
"#;
    let after = r#"
version = 1
[kernel]
timeouts = { tcp = "11m" }
expire_nodest_conn = true
[defaults]
forward = "nat"
drain = "0s"
[service.web]
listen = "tcp://10.0.0.1:80"
scheduler = "rr"
servers = [{ address = "10.0.1.1", weight = 5 }, "10.0.1.3"]
[service.new]
listen = "tcp://10.0.0.1:443"
servers = ["10.0.1.1"]
"#;
    desk.write("before.toml", before);
    desk.write("after.toml", after);
    desk.applied("before.toml");
}

fn unconfirmed(desk: &Desk<'_>) -> Option<PathBuf> {
    desk.state("unconfirmed.json")
}

fn wait_until_undone(desk: &Desk<'_>) {
    eventually("it is undone", || unconfirmed(desk).is_none().then_some(()));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_undone_by_itself() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    let said = desk.ends("apply --yes --confirm-within 1s after.toml", 0);
    assert!(said.stderr.contains("director confirm"), "{said}");
    assert!(said.stderr.contains("Applied"), "{said}");
    wait_until_undone(&desk);
    assert_eq!(desk.tables(), before);
    desk.nothing_to_do("before.toml");
    desk.fails("confirm", &["nothing to confirm"]);
    // What it created is no longer owned, and what it was to forget is owned.
    desk.write("none.toml", "version = 1\n");
    desk.forced("none.toml");
    assert!(desk.tables().services.is_empty());
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_kept_when_confirmed() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    desk.done("apply --yes --confirm-within 30m after.toml");
    let after = desk.tables();
    // Meanwhile no other change is accepted.
    for line in [
        "apply --yes before.toml",
        "apply --yes after.toml",
        "flush --yes",
        "adopt --all",
        "disown --all",
    ] {
        desk.fails(line, &["director confirm", " left"]);
    }
    desk.done("confirm");
    desk.fails("confirm", &["nothing to confirm"]);
    assert_eq!(desk.tables(), after);
    desk.nothing_to_do("after.toml");
    desk.applied("before.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nothing_to_do_is_nothing_to_confirm() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    desk.done("apply --yes --confirm-within 1m before.toml");
    assert_eq!(unconfirmed(&desk), None);
    desk.applied("after.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_failure_is_nothing_to_confirm() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    desk.write(
        "wrong.toml",
        "version = 1\n[service.x]\nlisten = \"tcp://10.0.0.9:1\"\nscheduler = \"kernel:nonesuch\"\nservers = [\"10.0.1.1\"]\n",
    );
    desk.fails(
        "apply --yes --force --confirm-within 1m wrong.toml",
        &["nonesuch"],
    );
    assert_eq!(unconfirmed(&desk), None);
    assert_eq!(desk.tables(), before);
}

/// A shell that applies and lives on, in a process group of its own, like a log-in shell.
fn login(desk: &Desk<'_>, host: &Host, line: &str) -> crate::lab::Process {
    let script = format!("{DIRECTOR} {line} && touch applied && exec sleep 100");
    let mut shell = desk.command("sh", &["-c", &script]);
    shell
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host.spawn_command(shell)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_undone_when_the_session_is_gone() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    let mut shell = login(&desk, &host, "apply --yes --confirm-within 2s after.toml");
    let applied = desk.directory.path().join("applied");
    eventually("it is applied", || exists(&applied).then_some(()));
    let group = Pid::from_raw(i32::try_from(shell.id()).unwrap());
    killpg(group, Signal::SIGHUP).unwrap();
    eventually("the session ends", || shell.ended());
    wait_until_undone(&desk);
    assert_eq!(desk.tables(), before);
    desk.nothing_to_do("before.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_undone_when_the_run_was_killed_in_the_middle() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    // Everything is sent but the ledger is not written; the journal remains; the rollback is known
    // exactly but not written.
    for kill in [
        "inject=rename:signal=SIGKILL:when=3",
        "inject=unlink:signal=SIGKILL:when=1",
        "inject=rename:signal=SIGKILL:when=4",
    ] {
        let words = [
            "-o",
            "trace",
            "-e",
            kill,
            DIRECTOR,
            "apply",
            "--yes",
            "--confirm-within",
            "1s",
            "after.toml",
        ];
        let outcome = host.command(desk.command("strace", &words), b"");
        assert_eq!(outcome.code, 128 + 9, "{outcome}");
        wait_until_undone(&desk);
        assert_eq!(desk.tables(), before, "{kill}");
        let planned = desk.ends("plan before.toml", 0);
        assert!(!planned.stderr.contains("ended halfway"), "{planned}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_undone_by_the_next_run_when_no_guard_is_left() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    desk.done("apply --yes --confirm-within 2s after.toml");
    kill(guard_of(&desk), Signal::SIGKILL).unwrap();
    desk.write("none.toml", "version = 1\n");
    // Refused before the deadline, rolled back after it; only then the new request is carried out.
    eventually("it is over", || {
        desk.director("adopt --all").success().then_some(())
    });
    assert_eq!(unconfirmed(&desk), None);
    assert_eq!(desk.tables(), before);
    desk.nothing_to_do("before.toml");
}

/// The guard process of this desk.
fn guard_of(desk: &Desk<'_>) -> Pid {
    let place = desk.directory.path().to_str().unwrap();
    let is_guard = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(place) && line.trim_end_matches('\0').ends_with("guard")
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    let mut pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Pid::from_raw(pids.find(is_guard).expect("there is a guard"))
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_that_left_does_not_stop_it() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    let before = desk.tables();
    // Both streams are pipes whose reader is gone.
    let script = format!(
        "{{ {DIRECTOR} apply --yes --confirm-within 1s after.toml; echo $? >code; }} 2>&1 | true"
    );
    let outcome = host.command(desk.command("sh", &["-c", &script]), b"");
    assert!(outcome.success(), "{outcome}");
    let code = std::fs::read_to_string(desk.directory.path().join("code")).unwrap();
    assert_eq!(code.trim(), "0");
    wait_until_undone(&desk);
    assert_eq!(desk.tables(), before);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_is_not_for_drains_that_are_waited_for() {
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    desk.fails(
        "apply --yes --drain-wait --confirm-within 1m after.toml",
        &["--drain-wait", "--confirm-within"],
    );
    assert!(desk.tables().has(OWN));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_could_not_be_undone_is_said_until_it_is_set_right() {
    const NEW: &str = "tcp://10.0.0.1:443";
    let host = lone();
    let desk = Desk::on(&host);
    two_versions(&desk);
    desk.done("apply --yes --confirm-within 2s after.toml");
    // What was created is gone before it can be rolled back.
    host.ipvsadm("-D -t 10.0.0.1:443\n");
    wait_until_undone(&desk);
    eventually("it is put down", || desk.state("remains.json"));
    for line in ["plan before.toml", "plan --format json before.toml"] {
        let outcome = desk.director(line);
        for part in ["except for", "cannot roll back", NEW] {
            assert!(outcome.stderr.contains(part), "{line}: {outcome}");
        }
        assert_eq!(outcome.stderr.matches("except for").count(), 1);
    }
    desk.ends("apply --yes before.toml", 0);
    let planned = desk.ends("plan before.toml", 0);
    assert!(!planned.stderr.contains("roll"), "{planned}");
    // Everything else was rolled back anyway.
    assert!(desk.tables().has(OWN));
    assert!(!desk.tables().has(NEW));
}

//! Two runs at a time: one is held halfway, while others run.

use std::fs;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DIRECTOR, Desk, lone, web};
use crate::lab::{Process, eventually};

const SERVICE: &str = "tcp://10.0.0.1:80";

/// A run that has made its changes and stops before the ledger is renamed into place. (The first
/// renamed file is the journal.)
fn held<'h>(desk: &Desk<'h>, file: &str) -> (Process, Pid) {
    let stop = "inject=rename:signal=SIGSTOP:when=2";
    let words = ["-o", "trace", "-e", stop, DIRECTOR, "apply", "--yes", file];
    let mut strace = desk.command("strace", &words);
    strace.stdout(Stdio::null()).stderr(Stdio::null());
    let strace = desk.host.spawn_command(strace);
    let trace = desk.directory.path().join("trace");
    eventually("it stops", || {
        let trace = fs::read_to_string(&trace).ok()?;
        trace.contains("stopped by SIGSTOP").then_some(())
    });
    let journal = fs::read(desk.state("journal.json").unwrap()).unwrap();
    let journal: serde_json::Value = serde_json::from_slice(&journal).unwrap();
    let pid = i32::try_from(journal["pid"].as_i64().unwrap()).unwrap();
    (strace, Pid::from_raw(pid))
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_second_refuses_or_waits_and_names_the_first() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web(SERVICE, r#""10.0.1.1""#, ""));
    desk.write("two.toml", &web(SERVICE, r#""10.0.1.1", "10.0.1.2""#, ""));
    let (mut first, pid) = held(&desk, "one.toml");
    let made = desk.tables();
    assert!(made.has(SERVICE));

    let holder = format!("process {pid}");
    for timeout in ["0s", "300ms"] {
        let line = format!("apply --yes --lock-timeout {timeout} two.toml");
        desk.fails(&line, &["another director holds the lock", &holder]);
    }
    assert_eq!(desk.tables(), made, "nothing was done");

    // A reader does not wait, and does not take it for an interrupted run.
    let planned = desk.ends("plan two.toml", 2);
    let said = format!("process {pid} is halfway through");
    assert!(planned.stderr.contains(&said), "{planned}");
    desk.done("export");

    let mut second = desk.command(
        DIRECTOR,
        &["apply", "--yes", "--lock-timeout", "1m", "two.toml"],
    );
    second.stdout(Stdio::null()).stderr(Stdio::null());
    let mut second = host.spawn_command(second);
    // While the first is held, the second cannot proceed.
    desk.ends("plan two.toml", 2);
    assert_eq!(second.ended(), None);
    assert_eq!(desk.tables(), made);
    kill(pid, Signal::SIGCONT).unwrap();
    assert_eq!(eventually("the first is done", || first.ended()), 0);
    assert_eq!(eventually("then the second", || second.ended()), 0);
    desk.nothing_to_do("two.toml");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_that_dies_gives_the_lock_back() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web(SERVICE, r#""10.0.1.1""#, ""));
    let (mut first, pid) = held(&desk, "one.toml");
    kill(pid, Signal::SIGKILL).unwrap();
    eventually("it ends", || first.ended());
    let planned = desk.ends("plan one.toml", 0);
    let said = format!("(process {pid}) ended halfway");
    assert!(planned.stderr.contains(&said), "{planned}");
    desk.done("apply --yes --lock-timeout 0s one.toml");
    let planned = desk.ends("plan one.toml", 0);
    assert!(!planned.stderr.contains("ended halfway"), "{planned}");
}

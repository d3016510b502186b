//! A run that is stopped, not ended: others see that it is at work.

use nix::sys::signal::Signal;

use super::{DIRECTOR, Desk, lone, web};
use crate::lab::eventually;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_run_in_the_middle_is_not_called_interrupted() {
    let host = lone();
    let desk = Desk::on(&host);
    desk.write("one.toml", &web("tcp://10.0.0.1:80", r#""10.0.1.1""#, ""));
    // It stops before the ledger is renamed into place: the journal was the first.
    let stop = "inject=rename:signal=SIGSTOP:when=2";
    let words = [
        "-o", "trace", "-e", stop, DIRECTOR, "apply", "--yes", "one.toml",
    ];
    let mut strace = host.spawn_command(desk.command("strace", &words));
    let journal = eventually("the journal", || {
        desk.tables()
            .has("tcp://10.0.0.1:80")
            .then(|| desk.state("journal.json"))
            .flatten()
    });
    let journal = std::fs::read_to_string(journal).unwrap();
    let journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    let pid = journal["pid"].as_i64().unwrap();

    let planned = desk.director("plan one.toml");
    let said = format!("process {pid} is in the middle of");
    assert!(planned.stderr.contains(&said), "{planned}");
    desk.fails(
        "apply --yes --lock-timeout 0s one.toml",
        &[&format!("process {pid}")],
    );

    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGCONT).unwrap();
    assert_eq!(eventually("it goes on", || strace.ended()), 0);
    desk.nothing_to_do("one.toml");
}

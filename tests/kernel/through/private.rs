//! The private services are invisible, and none remains.

use std::process::Command;

use ipvs::{Operation, ServiceKey};

use super::bench::{Bench, DR, PORT, Way};
use crate::lab::{Host, Lan, Outcome, Tcp, V4};

const FILE: &str = r#"
version = 1

[service.web]
listen = "tcp://10.1.0.100:80"
forward = "dr"
scheduler = "rr"
servers = ["10.1.0.11"]
"#;

/// Runs `director` on a host, its state in a directory.
fn director(host: &Host, state: &tempfile::TempDir, args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command
        .args(args)
        .env("DIRECTOR_STATE_DIR", state.path())
        .current_dir(state.path());
    host.command(command, b"")
}

fn with_leftovers() -> (Bench, tempfile::TempDir) {
    let mut bench = Bench::new(Lan::dr().build(), DR);
    let targets = [1, 2, 3].map(|number| bench.target(Tcp, V4, number, Way::Through));
    bench.open(&targets);
    assert_eq!(bench.reconcile().len(), 6, "a service and a server each");
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("director.toml"), FILE).unwrap();
    (bench, state)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn plans_and_exports_do_not_show_them_and_adopt_does_not_take_them() {
    let (bench, state) = with_leftovers();
    assert_eq!(bench.private().len(), 3);
    let host = &bench.net.director;
    for args in [
        &["plan", "director.toml"][..],
        &["export"],
        &["export", "--format", "json"],
        &["export", "--format", "ipvsadm"],
    ] {
        let shown = director(host, &state, args);
        let all = format!("{}{}", shown.stdout, shown.stderr);
        assert!(
            !all.contains("fwmark") && !all.contains("-f "),
            "{args:?}: {all}"
        );
    }
    let adopted = director(host, &state, &["adopt", "--all"]);
    assert!(adopted.success(), "{adopted}");
    let disowned = director(host, &state, &["disown", "--all"]);
    assert!(disowned.success(), "{disowned}");
    assert_eq!(bench.private().len(), 3, "looking changes nothing");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn apply_and_flush_clear_away_what_a_killed_daemon_left() {
    for args in [
        &["apply", "--yes", "director.toml"][..],
        &["flush", "--yes"],
    ] {
        let (bench, state) = with_leftovers();
        // Another program's service with such a mark is not private, and stays.
        bench
            .net
            .director
            .ipvsadm("-A -f 1828716550 -s wlc\n-a -f 1828716550 -r 10.1.0.12 -g\n");
        let done = director(&bench.net.director, &state, args);
        assert!(done.success(), "{args:?}: {done}");
        assert!(done.stderr.contains("removed 3 private services"), "{done}");
        assert!(bench.private().is_empty());
        let list = bench.net.director.run("ipvsadm -Ln");
        assert!(list.contains("1828716550"), "{list}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_director_that_comes_back_goes_on_with_the_same_marks() {
    let (mut bench, _state) = with_leftovers();
    let before = bench.private();
    bench.restart();
    let kept = [2, 3].map(|number| bench.target(Tcp, V4, number, Way::Through));
    bench.open(&kept);
    let done = bench.reconcile();
    let gone: Vec<_> = done
        .iter()
        .map(|operation| match operation {
            Operation::DeleteService(key) => before[key].clone(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(gone, [[bench.net.server(V4, 1, PORT).ip()]]);
    let after = bench.private();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|(key, servers)| before[key] == *servers));
    assert_eq!(bench.reconcile(), [], "nothing is left to do");
    bench.open(&[]);
    assert_eq!(bench.reconcile().len(), 2);
    assert!(bench.private().is_empty());
}

/// With another mark, and therefore other ports: while it was missing, the packets of its checks
/// went to any server of the ordinary service.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_deleted_private_service_comes_back_under_another_mark() {
    let (mut bench, _state) = with_leftovers();
    let before = bench.private();
    let (key, servers) = before.iter().next().unwrap();
    let ServiceKey::Fwmark { mark, .. } = key else {
        panic!("{key}");
    };
    bench.net.director.run(&format!("ipvsadm -D -f {mark}"));
    assert_eq!(bench.reconcile().len(), 2);
    let after = bench.private();
    assert_eq!(after.len(), 3);
    assert!(!after.contains_key(key) && after.values().any(|after| after == servers));
}

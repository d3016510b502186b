//! Servers that leave while a connection lives, over several runs of the program.

use std::fs;
use std::process::Stdio;

use super::{DIRECTOR, Desk, web};
use crate::lab::{Connection, Lan, Tcp, V4, eventually};

const SERVICE: &str = "tcp://10.1.0.100:80";
const FIRST: &str = "10.2.0.11:80";

fn farm(desk: &Desk<'_>, drain: &str) {
    let drain = format!("scheduler = \"rr\"\ndrain = \"{drain}\"");
    desk.write(
        "both.toml",
        &web(SERVICE, r#""10.2.0.11", "10.2.0.12""#, &drain),
    );
    desk.write("second.toml", &web(SERVICE, r#""10.2.0.12""#, &drain));
    desk.applied("both.toml");
}

/// A connection to the first server.
fn connection(net: &Lan) -> Connection {
    let asked = (0..2).find_map(|_| {
        let mut connection = net.client(1).connect(Tcp, net.service(V4, 80)).unwrap();
        (connection.ask().unwrap() == "real1").then_some(connection)
    });
    asked.expect("round robin comes round")
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn it_keeps_its_connection_and_goes_when_that_ends() {
    let net = Lan::nat().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    let desk = Desk::on(&net.director);
    farm(&desk, "10m");
    let mut open = connection(&net);

    let planned = desk.ends("plan second.toml", 2).stdout;
    assert!(
        planned.contains("1 connection lives on, at most 600s"),
        "{planned}"
    );
    let said = desk.ends("apply --yes second.toml", 0);
    assert!(said.stderr.contains("Draining: 1 server"), "{said}");
    assert_eq!(desk.tables().weight(SERVICE, FIRST), Some(0));
    assert_eq!(open.ask().as_deref(), Ok("real1"));

    // Nothing is left to do, and it says what it waits for.
    let planned = desk.done("plan second.toml");
    assert!(planned.contains("draining: 10.2.0.11:80"), "{planned}");
    assert!(planned.contains("1 open"), "{planned}");
    assert!(planned.contains("Nothing to do"), "{planned}");
    desk.done("apply --yes second.toml");
    assert_eq!(
        desk.tables().weight(SERVICE, FIRST),
        Some(0),
        "nor is it deleted"
    );
    let ledger = fs::read_to_string(desk.state("ledger.json").unwrap()).unwrap();
    assert!(ledger.contains("until_ms"), "{ledger}");

    let mut waiting = desk.command(DIRECTOR, &["apply", "--yes", "--drain-wait", "second.toml"]);
    waiting.stdout(Stdio::null()).stderr(Stdio::null());
    let mut waiting = net.director.spawn_command(waiting);
    assert_eq!(open.ask().as_deref(), Ok("real1"));
    assert_eq!(waiting.ended(), None, "it waits");
    // From its next packet on, it is forgotten after a second; a closed or reset one would be
    // remembered for longer.
    net.director.run("ipvsadm --set 1 0 0");
    assert_eq!(open.ask().as_deref(), Ok("real1"));
    assert_eq!(eventually("the drain ends", || waiting.ended()), 0);
    assert_eq!(desk.tables().weight(SERVICE, FIRST), None);
    desk.nothing_to_do("second.toml");
    let ledger = fs::read_to_string(desk.state("ledger.json").unwrap()).unwrap();
    assert!(!ledger.contains("until_ms"), "{ledger}");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn its_time_runs_from_one_process_to_the_next() {
    let net = Lan::nat().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    let desk = Desk::on(&net.director);
    farm(&desk, "3s");
    let mut open = connection(&net);
    desk.done("apply --yes second.toml");
    assert_eq!(open.ask().as_deref(), Ok("real1"));
    let deadline = || {
        let ledger = fs::read_to_string(desk.state("ledger.json").unwrap()).unwrap();
        let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
        ledger["drains"][0]["until_ms"].as_u64()
    };
    let first = deadline();
    assert!(first.is_some());
    eventually("the deadline", || {
        desk.done("apply --yes second.toml");
        let left = deadline();
        assert!(
            left.is_none() || left == first,
            "it was put off to {left:?}"
        );
        desk.tables().weight(SERVICE, FIRST).is_none().then_some(())
    });
    assert_eq!(deadline(), None);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_that_comes_back_serves_again() {
    let net = Lan::nat().real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    let desk = Desk::on(&net.director);
    farm(&desk, "10m");
    let mut open = connection(&net);
    desk.done("apply --yes second.toml");
    assert_eq!(desk.tables().weight(SERVICE, FIRST), Some(0));
    desk.applied("both.toml");
    assert_eq!(desk.tables().weight(SERVICE, FIRST), Some(1));
    assert_eq!(open.ask().as_deref(), Ok("real1"));
    // The old deadline is forgotten: a later drain has its full time.
    let ledger = fs::read_to_string(desk.state("ledger.json").unwrap()).unwrap();
    assert!(!ledger.contains("until_ms"), "{ledger}");
}

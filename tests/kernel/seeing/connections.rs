//! `director connections`: the kernel's table with the names of the file.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::lab::{Family, Lan, Outcome, Protocol, eventually};

const FILE: &str = r#"
version = 1
[service.web]
listen = "tcp://10.1.0.100:80"
forward = "nat"
scheduler = "rr"
check = false
servers = [{ name = "one", address = "10.2.0.11" }, { name = "two", address = "10.2.0.12" }]
"#;

fn run(net: &Lan, daemon: &Daemon<'_>, options: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command.arg("connections").args(options);
    command.arg("--socket").arg(daemon.path("control.sock"));
    net.director.command(command, &[])
}

fn rows(net: &Lan, daemon: &Daemon<'_>, options: &[&str]) -> Vec<Value> {
    let options = [options, &["--format", "json"]].concat();
    let outcome = run(net, daemon, &options);
    assert!(outcome.success(), "{outcome}");
    let lines = outcome.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
#[ignore = "needs the lab"]
fn connections_are_listed_filtered_and_counted_with_names() {
    let net = Lan::nat().real_servers(2).addresses(5).build();
    let _servers = net.serve(Protocol::Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    let client = net.client(1);
    let addresses = client.addresses(Family::V4);
    // The n-th address has n connections.
    let service = net.service(Family::V4, 80);
    let mut held = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        let ask = client.ask(Protocol::Tcp, service).times(number + 1);
        held.extend(ask.from([*address]).connect_all().unwrap());
    }
    // Connections of other tests move these in the kernel's table: a reading may see one twice.
    let all = eventually("every connection is listed once", || {
        let all = rows(&net, &daemon, &[]);
        (all.len() == held.len()).then_some(all)
    });
    let by_server = all.iter().fold(BTreeMap::new(), |mut by, row| {
        assert_eq!(row["service"], "web", "{row}");
        assert_eq!(row["listen"], "tcp://10.1.0.100:80", "{row}");
        assert_eq!(row["state"], "ESTABLISHED", "{row}");
        *by.entry(row["server_name"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
        by
    });
    assert_eq!(by_server.values().sum::<usize>(), held.len());
    assert_eq!(by_server.len(), 2);

    let counts = |options: &[&str], expected: usize| {
        eventually(&format!("{options:?} has {expected} rows"), || {
            (rows(&net, &daemon, options).len() == expected).then_some(())
        });
    };
    let third = addresses[2].to_string();
    counts(&["--client", &third], 3);
    counts(&["--client", "10.1.0.0/16"], held.len());
    counts(&["--client", "10.9.0.0/16"], 0);
    counts(&["--server", "one"], by_server["one"]);
    counts(&["--server", "10.2.0.12"], by_server["two"]);
    counts(&["--server", "10.2.0.12:80"], by_server["two"]);
    counts(&["--server", "10.2.0.12:81"], 0);
    counts(&["--service", "web", "--state", "established"], held.len());
    counts(&["--state", "fin_wait"], 0);
    counts(&["--limit", "2"], 2);

    let top = eventually("every connection is counted once", || {
        let top = rows(&net, &daemon, &["--top", "clients", "--limit", "1"]).remove(0);
        (top["entries"] == held.len()).then_some(top)
    });
    assert_eq!(top["top"][0]["client"], addresses[4].to_string(), "{top}");
    assert_eq!(top["top"][0]["entries"], 5);
    assert_eq!(
        (&top["entries"], &top["different"]),
        (&held.len().into(), &5.into())
    );
    let text = run(&net, &daemon, &["--top", "servers"]).stdout;
    assert!(text.contains("one 10.2.0.11:80"), "{text}");
    eventually("a line for each, and one of titles", || {
        let text = run(&net, &daemon, &[]).stdout;
        assert!(text.starts_with("PROTOCOL  CLIENT"), "{text}");
        (text.lines().count() == held.len() + 1).then_some(())
    });

    let unknown = run(&net, &daemon, &["--service", "wob"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("no service `wob`"), "{unknown}");
}

//! A start takes over existing services, and a stop leaves them as requested.

use std::thread;

use super::{Daemon, SERVICE, asked_during, failed, weights};
use crate::lab::{Lan, Tcp, V4, eventually, paced_ms};

const WEB: &str = "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"rr\"
drain = \"1m\"
check = { type = \"tcp\", interval = \"200ms\", timeout = \"1s\" }
servers = [\"10.2.0.11\", \"10.2.0.12\"]
";

#[test]
#[ignore = "needs the lab"]
fn tables_that_ipvsadm_made_are_adopted_as_they_are() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    net.balance(Tcp, V4, 80, "-s rr", "-m");
    let client = net.client(1);
    let mut held = client.connect(Tcp, net.service(V4, 80)).unwrap();
    let to = held.ask().unwrap();
    let ask = client.ask(Tcp, net.service(V4, 80));
    // The kernel adds up its counters only every two seconds (`estimation_timer`).
    let counted = || -> Vec<u64> {
        let shown = net.director.run("ipvsadm -Ln --stats --exact");
        let servers = shown.lines().filter(|line| line.contains("10.2.0."));
        let third = servers.map(|line| line.split_whitespace().nth(2).unwrap().parse().unwrap());
        third.collect()
    };
    eventually("the connection is counted", || {
        (counted().iter().sum::<u64>() == 1).then_some(())
    });
    let tables = net.director.run("ipvsadm -Sn");
    let daemon = Daemon::start(&net.director, WEB);
    let asked = asked_during(&ask, 1, || thread::sleep(paced_ms(2_000)));
    let log = daemon.log();
    assert_eq!(net.director.run("ipvsadm -Sn"), tables, "{log}");
    let failed = failed(&asked);
    assert!(failed.is_empty(), "{failed:?}\n{log}");
    assert_eq!(held.ask(), Ok(to), "the connection goes on\n{log}");
    // Counters restart at 0 if a server is deleted and created again.
    let expected = 1 + u64::try_from(asked.len()).unwrap();
    eventually(
        "all connections are counted, on from where the count was",
        || {
            let counted = counted();
            (counted.len() == 2 && counted.iter().sum::<u64>() == expected).then_some(())
        },
    );
}

#[test]
#[ignore = "needs the lab"]
fn stopped_with_keep_the_tables_stay() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::start(&net.director, WEB);
    daemon.weights(SERVICE, "1=1 2=1");
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let asked = asked_during(&ask, 1, || {
        assert_eq!(daemon.stop(), 0, "{}", daemon.log());
        thread::sleep(paced_ms(300));
    });
    let failed = failed(&asked);
    assert!(failed.is_empty(), "{failed:?}\n{}", daemon.log());
    assert_eq!(weights(&net.director, SERVICE), "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn stopped_with_drain_it_waits_for_the_last_connection() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    net.director.run("ipvsadm -A -t 10.1.0.101:81 -s rr");
    let mut daemon = Daemon::start_with(&net.director, WEB, &["--on-stop", "drain"]);
    daemon.weights(SERVICE, "1=1 2=1");
    let client = net.client(1);
    let mut held = client.connect(Tcp, net.service(V4, 80)).unwrap();
    let to = held.ask().unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    let number = to.trim_start_matches("real");
    // The server with the connection waits for its end; the other has nothing to wait for.
    let is_drained = || {
        let now = weights(&net.director, SERVICE);
        let is_zero = now.contains(&format!("{number}=0")) && !now.contains("=1");
        is_zero.then_some(())
    };
    eventually("no new connections", is_drained);
    thread::sleep(paced_ms(1_000));
    assert_eq!(held.ask(), Ok(to), "{}", daemon.log());
    held.reset().unwrap();
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    let left = net.director.run("ipvsadm -Sn");
    assert_eq!(left.trim(), "-A -t 10.1.0.101:81 -s rr", "{}", daemon.log());
}

#[test]
#[ignore = "needs the lab"]
fn stopped_with_flush_only_what_is_not_its_own_is_left() {
    let net = Lan::nat().real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    net.director.run("ipvsadm -A -t 10.1.0.101:81 -s rr");
    let mut daemon = Daemon::start_with(&net.director, WEB, &["--on-stop", "flush"]);
    daemon.weights(SERVICE, "1=1 2=1");
    let _held = net.client(1).connect(Tcp, net.service(V4, 80)).unwrap();
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    let left = net.director.run("ipvsadm -Sn");
    assert_eq!(left.trim(), "-A -t 10.1.0.101:81 -s rr", "{}", daemon.log());
}

//! The library's examples at work.

use std::time::Duration;

use ipvs::{Operation, Service, ServiceKey, Weight};

use crate::lab::{Family::V4, Lan, Protocol::Tcp, eventually};
use crate::library_rig::{connect, inside, run};

#[allow(dead_code, reason = "its main reads the command line")]
#[path = "../../crates/ipvs/examples/balance.rs"]
mod balance;
#[allow(dead_code, reason = "its main reads the command line")]
#[path = "../../crates/ipvs/examples/drain.rs"]
mod drain;
#[allow(dead_code, reason = "its main writes to stdout")]
#[path = "../../crates/ipvs/examples/list.rs"]
mod list;
#[allow(dead_code, reason = "its main does not end")]
#[path = "../../crates/ipvs/examples/watch.rs"]
mod watch;

fn words(line: &str) -> impl Iterator<Item = String> {
    line.split_whitespace().map(str::to_owned)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn balance_makes_a_farm_and_changes_it() {
    inside(|| {
        balance::run(words("192.0.2.10:80 10.0.0.11:8080 10.0.0.12:8080")).expect("it is made");
        let saved = run("ipvsadm -Sn", "");
        assert!(saved.contains("-A -t 192.0.2.10:80 -s wlc"), "{saved}");
        assert!(saved.contains("-r 10.0.0.11:8080 -m -w 1"), "{saved}");
        balance::run(words("192.0.2.10:80 10.0.0.12:8080 10.0.0.13:8080")).expect("it is changed");
        let saved = run("ipvsadm -Sn", "");
        assert!(!saved.contains("10.0.0.11"), "{saved}");
        assert!(
            saved.contains("10.0.0.12") && saved.contains("10.0.0.13"),
            "{saved}"
        );
        let error = balance::run(words("192.0.2.10:80 224.0.0.1:80")).expect_err("not unicast");
        assert!(error.to_string().contains("unicast"), "{error}");
        assert!(balance::run(words("")).is_err(), "it needs arguments");
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn list_shows_the_farm() {
    let listed = inside(|| {
        balance::run(words("[2001:db8::10]:80 [2001:db8:1::11]:80")).expect("it is made");
        let mut out = Vec::new();
        list::run(&mut out).expect("it can be listed");
        String::from_utf8(out).expect("it is text")
    });
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("IPVS 1."), "{listed}");
    assert_eq!(lines[1], "tcp://[2001:db8::10]:80 wlc, 0 connections");
    assert_eq!(
        lines[2],
        "  -> [2001:db8:1::11]:80      nat   weight 1     active 0      inactive 0"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn watch_sees_what_changes_and_nothing_else() {
    let seen = inside(|| {
        balance::run(words("192.0.2.10:80 10.0.0.11:80 10.0.0.12:80")).expect("it is made");
        let mut client = connect();
        let before = watch::read(&mut client).expect("it can be read");
        let again = watch::read(&mut client).expect("it can be read");
        let mut out = Vec::new();
        watch::report(&before, &again, &mut out).expect("a vector takes it");
        assert!(out.is_empty());
        let web = ServiceKey::tcp([192, 0, 2, 10], 80);
        let servers = client.servers(&web).expect("they can be read");
        let changes = [
            Operation::AddService(Service::new(
                ServiceKey::udp([192, 0, 2, 10], 53),
                Service::RR,
            )),
            Operation::DeleteServer(web, servers[0].server.key),
            Operation::UpdateServer(web, servers[1].server.weight(Weight::ZERO)),
        ];
        assert!(client.execute(&changes).is_complete());
        let now = watch::read(&mut client).expect("it can be read");
        watch::report(&before, &now, &mut out).expect("a vector takes it");
        String::from_utf8(out).expect("it is text")
    });
    let marks: Vec<&str> = seen.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(
        marks,
        [
            "+ udp://192.0.2.10:53",
            "~ tcp://192.0.2.10:80 -> 10.0.0.11:80",
            "- tcp://192.0.2.10:80 -> 10.0.0.12:80",
        ]
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn drain_waits_for_the_last_connection() {
    let net = Lan::nat().real_servers(1).build();
    let _serving = net.serve(Tcp, 80);
    let (service, server) = (net.service(V4, 80), net.server(V4, 1, 80));
    let line = format!("{service} {server}");
    net.director
        .enter(|| balance::run(words(&line)).map_err(|error| error.to_string()))
        .expect("it is made");
    let mut connection = net.client(1).connect(Tcp, service).expect("it is there");
    connection.ask().expect("it answers");
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| {
            net.director.enter(|| {
                let pause = Duration::from_millis(50);
                drain::run(words(&line), pause).map_err(|error| error.to_string())
            })
        });
        let listed = || net.director.run("ipvsadm -Sn");
        eventually("weight 0", || listed().contains("-w 0").then_some(()));
        let refused = net.client(1).ask(Tcp, service).run();
        assert_eq!(refused.to_string(), "refused=1", "no new client");
        assert_eq!(
            connection.ask().as_deref(),
            Ok("real1"),
            "the old one goes on"
        );
        assert!(!draining.is_finished());
        // A reset leaves nothing that would have to time out.
        connection.reset().expect("it can be reset");
        draining
            .join()
            .expect("it does not panic")
            .expect("it is drained");
    });
    assert!(
        !net.director.run("ipvsadm -Sn").contains("-a"),
        "the server is gone"
    );
}

//! Which servers are found to fail, and that no server answers for another.

use director::check::through::InterfaceReport;
use ipvs::{ForwardMethod, Tunnel, TunnelFlags};

use super::bench::{Bench, DR, Method, PORT, Way};
use crate::lab::{Family, GUE_PORT, Lan, Protocol, Tcp, Udp, V4, V6, eventually};

fn tun(tunnel: Tunnel) -> Method {
    Method {
        forward: ForwardMethod::Tunnel,
        tunnel,
    }
}

fn virtual_line(bench: &Bench, verb: &str, family: Family) -> String {
    let length = if family == V4 { 32 } else { 128 };
    let address = bench.net.virtual_address(family);
    format!("addr {verb} {address}/{length} dev lo\n")
}

/// Each server in turn, and two at a time, lose the virtual address: these and no others are found,
/// by a check that receives the wrong name if another one answers for them.
fn finds_who_forgot(bench: &mut Bench, protocol: Protocol, family: Family) {
    let _serving = bench.net.serve(protocol, PORT);
    assert_eq!(bench.well(protocol, family), [true; 3]);
    for forgot in [&[2][..], &[1, 3]] {
        for number in forgot {
            let line = virtual_line(bench, "del", family);
            bench.net.real(*number).ip(&line);
        }
        let wanted = [1, 2, 3].map(|number| !forgot.contains(&number));
        assert_eq!(bench.well(protocol, family), wanted, "without {forgot:?}");
        // A check of their own addresses does not notice.
        let direct = [1, 2, 3].map(|number| bench.target(protocol, family, number, Way::Direct));
        for seen in bench.check(&direct, 1) {
            assert!(seen.passed, "{seen:?}");
        }
        for number in forgot {
            let line = virtual_line(bench, "add", family);
            bench.net.real(*number).ip(&line);
        }
        assert_eq!(bench.well(protocol, family), [true; 3]);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn who_forgot_the_address_is_found_by_direct_routing() {
    for family in Family::BOTH {
        for protocol in [Tcp, Udp] {
            let mut bench = Bench::new(Lan::dr().build(), DR);
            finds_who_forgot(&mut bench, protocol, family);
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn who_forgot_the_address_is_found_through_a_tunnel() {
    let gue = Tunnel::gue(GUE_PORT, TunnelFlags::NONE);
    for (family, protocol, tunnel) in [
        (V4, Tcp, Tunnel::IPIP),
        (V6, Tcp, Tunnel::IPIP),
        (V4, Udp, gue),
    ] {
        let mut bench = Bench::new(Lan::tun().build(), tun(tunnel));
        finds_who_forgot(&mut bench, protocol, family);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn answers_are_let_in_and_no_longer_than_needed() {
    const SYSCTL: &str = "net.ipv4.conf.eth0.accept_local";
    let mut bench = Bench::new(Lan::dr().build(), DR);
    let _serving = bench.net.serve(Tcp, PORT);
    let target = bench.target(Tcp, V4, 1, Way::Through);
    bench.open(std::slice::from_ref(&target));
    bench.reconcile();
    let [seen] = &bench.check(std::slice::from_ref(&target), 1)[..] else {
        panic!("one target");
    };
    assert!(!seen.passed, "the answer is a martian: {seen:?}");
    let set = InterfaceReport::Set {
        interface: "eth0".to_owned(),
    };
    assert_eq!(bench.prepare(), [set]);
    assert_eq!(bench.prepare(), [], "once is enough");
    assert_eq!(bench.net.director.read_sysctl(SYSCTL), "1");
    let seen = bench.check(std::slice::from_ref(&target), 2);
    assert!(seen[0].passed, "{seen:?}");
    bench.restore();
    assert_eq!(bench.net.director.read_sysctl(SYSCTL), "0");
    // What an operator has set is not reset.
    bench.net.director.sysctl(SYSCTL, "1");
    assert_eq!(bench.prepare(), []);
    bench.restore();
    assert_eq!(bench.net.director.read_sysctl(SYSCTL), "1");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_strict_source_check_is_told_of_where_it_hurts() {
    let mut bench = Bench::new(Lan::dr().build(), DR);
    let _serving = bench.net.serve(Tcp, PORT);
    let target = bench.target(Tcp, V4, 1, Way::Through);
    bench.open(std::slice::from_ref(&target));
    bench.reconcile();
    bench
        .net
        .director
        .sysctl("net.ipv4.conf.eth0.rp_filter", "1");
    // On the interface itself the address does no harm.
    assert_eq!(bench.prepare().len(), 1);
    assert!(bench.check(std::slice::from_ref(&target), 2)[0].passed);
    bench
        .net
        .director
        .ip("addr del 10.1.0.100/32 dev eth0\naddr add 10.1.0.100/32 dev lo\n");
    let strict = InterfaceReport::Strict {
        interface: "eth0".to_owned(),
        address: [10, 1, 0, 100].into(),
    };
    assert_eq!(bench.prepare(), [strict]);
    assert!(!bench.check(std::slice::from_ref(&target), 1)[0].passed);
    bench
        .net
        .director
        .sysctl("net.ipv4.conf.eth0.rp_filter", "2");
    assert_eq!(bench.prepare(), []);
    assert!(bench.check(std::slice::from_ref(&target), 2)[0].passed);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_are_not_disturbed() {
    let mut bench = Bench::new(Lan::dr().build(), DR);
    let _serving = bench.net.serve(Tcp, PORT);
    bench.net.balance(Tcp, V4, PORT, "-s rr", "-g");
    let service = bench.net.service(V4, PORT);
    let targets = [1, 2, 3].map(|number| bench.target(Tcp, V4, number, Way::Through));
    bench.open(&targets);
    bench.reconcile();
    bench.prepare();
    let mut open = bench.net.client(1).connect(Tcp, service).unwrap();
    let before = open.ask().unwrap();
    let client = bench.net.client(1).ask(Tcp, service).times(30);
    let (answers, seen) = std::thread::scope(|scope| {
        let checks = scope.spawn(|| bench.check(&targets, 5));
        (client.run(), checks.join().unwrap())
    });
    assert!(seen.iter().all(|seen| seen.passed), "{seen:?}");
    for number in 1..=3 {
        assert_eq!(answers.by(&format!("real{number}")), 10, "{answers}");
    }
    assert_eq!(open.ask().unwrap(), before);
    // The service has seen its clients, and none of the checks. The kernel adds up its counters
    // every two seconds (`estimation_timer`).
    eventually("31 connections are counted", || {
        let stats = bench.net.director.run("ipvsadm -Ln --stats");
        let mut rows = stats
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.get(1) == Some(&"10.1.0.100:80"))?;
        (row[2] == "31").then_some(())
    });
}

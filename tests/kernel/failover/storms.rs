//! What comes again and again: reloads, flushes of addresses, an interface that is deleted and made
//! again; and a disk that is full.

use super::{
    Link, VIRTUAL, active_pair, becomes, counter, file, has, holds,
    loses_no_more_than_a_fixed_address, role, sends,
};
use crate::daemon::Daemon;
use crate::daemon::disk::Disk;
use crate::daemon::operator::verb;
use crate::lab::{Host, eventually};

const SETTINGS: &str = "interval = \"100ms\"\npreempt = true";

#[test]
#[ignore = "needs the lab"]
fn a_hundred_reloads_change_no_role_and_lose_no_packet() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    // Each one has something to do: another weight, on both sides.
    let with = |priority, weight: u32| {
        let service = format!(
            "[service.web]\nlisten = \"tcp://{VIRTUAL}:80\"\nforward = \"nat\"\n\
             servers = [{{ address = \"10.0.0.9\", weight = {weight} }}]\n"
        );
        file(priority, SETTINGS) + &service
    };
    loses_no_more_than_a_fixed_address(&link, || {
        for round in 1..=50 {
            for (daemon, priority) in [(&a, 150), (&b, 100)] {
                daemon.write(&with(priority, round));
                let answer = daemon.post("/v1/reload", &serde_json::json!({}));
                assert!(answer["error"].is_null(), "{answer}");
            }
        }
    });
    for (daemon, role, times) in [(&a, "active", 1), (&b, "backup", 0)] {
        assert_eq!(super::role(daemon), role, "{}", daemon.log());
        assert_eq!(counter(daemon, "became_active"), times, "{}", daemon.log());
    }
    assert_eq!(counter(&a, "conflicts"), 0);
    for host in [&link.a, &link.b] {
        let table = host.run("ipvsadm -Sn");
        assert!(
            table.contains("-w 50"),
            "the last file is in force: {table}"
        );
    }
}

/// As networkd does when it is restarted, and cleans the interface of what it has not made.
#[test]
#[ignore = "needs the lab"]
fn addresses_that_are_flushed_come_back_and_move_when_it_does_not_end() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    let flushes = |times: usize| {
        for _ in 0..times {
            eventually("the address is there", || {
                has(&link.a, VIRTUAL).then_some(())
            });
            // Once each: `flush` goes on for ten rounds while the address comes back.
            link.a.run("ip address del 10.0.0.100/32 dev eth0");
        }
    };
    flushes(3);
    holds(&link.a, &link.b, VIRTUAL);
    sends(&a, 5);
    assert_eq!(counter(&b, "became_active"), 0, "{}", a.log());
    // It does not end: the other one may be luckier.
    eventually("the other one takes over", || {
        link.a.attempt("ip address flush to 10.0.0.100 dev eth0");
        (role(&b) == "active").then_some(())
    });
    becomes(&a, "backup");
    holds(&link.b, &link.a, VIRTUAL);
    let said = "another program removed 10.0.0.100 from `eth0`; director put it back; it happens \
                again and again, so director hands over if a peer is there";
    assert!(a.log().contains(said), "{}", a.log());
}

/// All addresses go, those of the machine too, and come back.
#[test]
#[ignore = "needs the lab"]
fn a_machine_that_loses_all_addresses_and_gets_them_back_recovers() {
    let link = Link::new();
    let (a, b) = active_pair(&link, SETTINGS);
    for times in 1..=3 {
        link.a.run("ip -4 address flush dev eth0");
        becomes(&a, "fault");
        becomes(&b, "active");
        let log = a.log();
        let why = "interface `eth0` has no IPv4 address to send adverts from";
        assert!(log.contains(why), "{log}");
        assert!(!has(&link.a, VIRTUAL), "{log}");
        link.a.run("ip address add 10.0.0.1/24 dev eth0");
        becomes(&a, "active");
        becomes(&b, "backup");
        holds(&link.a, &link.b, VIRTUAL);
        assert_eq!(counter(&b, "became_active"), times);
    }
}

/// A macvlan interface on each side, which can be deleted.
fn edge(host: &Host, number: u8) {
    host.ip(&format!(
        "link add edge0 link eth0 type macvlan mode bridge
addr add 10.7.0.{number}/24 dev edge0
link set edge0 up
"
    ));
}

#[test]
#[ignore = "needs the lab"]
fn an_interface_that_is_deleted_moves_its_addresses_and_gets_them_back() {
    let link = Link::new();
    let on_edge = |priority| {
        file(priority, SETTINGS)
            .replace("eth0", "edge0")
            .replace(VIRTUAL, "10.7.0.100")
    };
    edge(&link.a, 1);
    edge(&link.b, 2);
    let a = Daemon::start(&link.a, &on_edge(150));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &on_edge(100));
    becomes(&b, "backup");
    for times in 1..=3 {
        link.a.run("ip link del edge0");
        becomes(&a, "fault");
        becomes(&b, "active");
        edge(&link.a, 1);
        becomes(&a, "active");
        becomes(&b, "backup");
        holds(&link.a, &link.b, "10.7.0.100");
        assert_eq!(counter(&b, "became_active"), times);
    }
}

/// A switchover; where its hold cannot be written, the exit code says so.
fn moves(daemon: &Daemon) {
    let moved = verb(daemon, "failover switchover front --wait");
    assert!(matches!(moved.code, 0 | 5), "{moved}");
}

#[test]
#[ignore = "needs the lab"]
fn a_full_disk_delays_no_advert_and_no_takeover() {
    let link = Link::new();
    let mut a = Daemon::idle(&link.a, &file(150, SETTINGS));
    let mut b = Daemon::idle(&link.b, &file(100, SETTINGS));
    let disks = [Disk::below(&a), Disk::below(&b)];
    a.launch();
    becomes(&a, "active");
    b.launch();
    becomes(&b, "backup");
    disks.iter().for_each(Disk::fill);
    let sent = counter(&a, "sent");
    moves(&a);
    holds(&link.b, &link.a, VIRTUAL);
    moves(&a);
    holds(&link.a, &link.b, VIRTUAL);
    assert!(counter(&a, "sent") > sent);
    // A setting that should be on disk: one warning, and nothing else happens.
    let weight = "[service.web]\nlisten = \"tcp://10.0.0.100:80\"\nforward = \"nat\"\n\
                  servers = [\"10.0.0.9\"]\n";
    a.write(&(file(150, SETTINGS) + weight));
    eventually("it is said", || {
        a.log().contains("No space left on device").then_some(())
    });
    sends(&a, 20);
    assert_eq!((role(&a).as_str(), role(&b).as_str()), ("active", "backup"));
    a.kill();
    becomes(&b, "active");
    holds(&link.b, &link.a, VIRTUAL);
    a.launch();
    becomes(&a, "active");
    becomes(&b, "backup");
    holds(&link.a, &link.b, VIRTUAL);
    for daemon in [&a, &b] {
        let warnings = daemon.log().matches("No space left on device").count();
        // For the hold of a switchover, for the file, and for the start after the crash.
        assert!(warnings <= 4, "{warnings} warnings:\n{}", daemon.log());
    }
}

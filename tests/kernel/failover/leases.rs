//! Addresses as leases: renewed, put back, left to the next process, never taken from others.

use super::{Link, VIRTUAL, becomes, file, has};
use crate::daemon::Daemon;
use crate::lab::{Host, eventually};

/// The line of an address.
fn line(host: &Host, address: &str) -> Option<String> {
    let found = host.run("ip -o addr show");
    let mut lines = found
        .lines()
        .filter(|line| line.contains(&format!(" {address}/")));
    lines.next().map(str::to_owned)
}

fn events(daemon: &Daemon<'_>) -> String {
    daemon.log()
}

#[test]
#[ignore = "needs the lab"]
fn an_address_that_is_deleted_comes_back() {
    let link = Link::new();
    let daemon = Daemon::start(&link.a, &file(150, ""));
    becomes(&daemon, "active");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    link.a.run(&format!("ip addr del {VIRTUAL}/32 dev eth0"));
    eventually("the address is back", || {
        has(&link.a, VIRTUAL).then_some(())
    });
    eventually("an event", || {
        events(&daemon)
            .contains("another program removed 10.0.0.100")
            .then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn an_address_that_was_there_before_is_left_alone() {
    let link = Link::new();
    link.a.run(&format!("ip addr add {VIRTUAL}/24 dev eth0"));
    let before = line(&link.a, VIRTUAL).unwrap();
    let mut daemon = Daemon::start(&link.a, &file(150, ""));
    becomes(&daemon, "active");
    eventually("an event", || {
        events(&daemon).contains("was there before").then_some(())
    });
    assert_eq!(line(&link.a, VIRTUAL), Some(before.clone()));
    daemon.stop();
    assert_eq!(line(&link.a, VIRTUAL), Some(before));
}

#[test]
#[ignore = "needs the lab"]
fn a_lease_ends_with_a_killed_process_and_stays_for_a_restarted_one() {
    let link = Link::new();
    // A lease of this interval also outlives a start on a slow machine.
    let mut daemon = Daemon::start(&link.a, &file(150, "interval = \"2s\""));
    becomes(&daemon, "active");
    eventually("the address", || has(&link.a, VIRTUAL).then_some(()));
    let lease = line(&link.a, VIRTUAL).unwrap();
    assert!(lease.contains("sec"), "it ends by itself: {lease}");
    daemon.kill();
    assert!(has(&link.a, VIRTUAL), "it outlives the process");
    eventually("the kernel has removed it", || {
        (!has(&link.a, VIRTUAL)).then_some(())
    });
    daemon.launch();
    becomes(&daemon, "active");
    daemon.stop();
    assert!(has(&link.a, VIRTUAL));
    daemon.launch();
    becomes(&daemon, "active");
    assert!(daemon.log().contains("continues for the previous process"));
}

#[test]
#[ignore = "needs the lab"]
fn an_interface_that_is_made_again_gets_its_addresses_back() {
    let link = Link::new();
    link.a
        .ip("link add dummy7 up type dummy\naddr add 10.7.0.1/24 dev dummy7\n");
    let file = "version = 1
[failover.front]
id = 7
interface = \"dummy7\"
interval = \"100ms\"
addresses = [\"10.7.0.100\"]
";
    let daemon = Daemon::start(&link.a, file);
    becomes(&daemon, "active");
    link.a.run("ip link del dummy7");
    becomes(&daemon, "fault");
    link.a
        .ip("link add dummy7 up type dummy\naddr add 10.7.0.1/24 dev dummy7\n");
    becomes(&daemon, "active");
    eventually("the address", || has(&link.a, "10.7.0.100").then_some(()));
}

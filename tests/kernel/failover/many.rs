//! Sections with more than one address: more than fit a message, routes, groups, opposite priorities.

use super::{Link, VIRTUAL, becomes, file, has, holds};
use crate::daemon::Daemon;
use crate::lab::{Host, eventually};

const SETTINGS: &str = "interval = \"100ms\"\npreempt = true";

/// How many addresses of 10.9.0.0/16 a host has.
fn count(host: &Host) -> usize {
    let found = host.run("ip -o -4 addr show dev eth0");
    found.lines().filter(|line| line.contains(" 10.9.")).count()
}

fn has_route(host: &Host) -> bool {
    host.run("ip route show 198.51.100.0/24")
        .contains("via 10.0.0.9")
}

#[test]
#[ignore = "needs the lab"]
fn more_addresses_than_fit_a_message_and_a_route_move_together() {
    let link = Link::new();
    let many: Vec<String> = (0..300_u16)
        .map(|number| format!("\"10.9.{}.{}\"", number / 100, number % 100 + 1))
        .collect();
    let with = |priority| {
        let addresses = format!("[\"{VIRTUAL}\", {}]", many.join(", "));
        let routes = "routes = [{ to = \"198.51.100.0/24\", via = \"10.0.0.9\" }]";
        file(priority, &format!("{SETTINGS}\n{routes}"))
            .replace(&format!("[\"{VIRTUAL}\"]"), &addresses)
    };
    let mut a = Daemon::start(&link.a, &with(150));
    becomes(&a, "active");
    let b = Daemon::start(&link.b, &with(100));
    becomes(&b, "backup");
    eventually("all are on a", || (count(&link.a) == 300).then_some(()));
    assert!(has_route(&link.a) && !has_route(&link.b));
    a.kill();
    becomes(&b, "active");
    eventually("all are on b", || (count(&link.b) == 300).then_some(()));
    eventually("the route is on b", || has_route(&link.b).then_some(()));
    a.launch();
    becomes(&a, "active");
    eventually("all have moved", || {
        (count(&link.a) == 300 && count(&link.b) == 0).then_some(())
    });
    eventually("the route, too", || {
        (has_route(&link.a) && !has_route(&link.b)).then_some(())
    });
    assert!(!b.log().contains("they differ"), "{}", b.log());
}

#[test]
#[ignore = "needs the lab"]
fn a_group_moves_as_one_when_one_of_its_links_fails() {
    let link = Link::new();
    for host in [&link.a, &link.b] {
        let number = if host.name() == "a" { 1 } else { 2 };
        host.ip(&format!(
            "link add inside up type dummy\naddr add 10.7.0.{number}/24 dev inside\n"
        ));
    }
    // The inside link is one of its own on each side, so only its fault counts.
    let group = "
[[failover.front.members]]
id = 52
interface = \"inside\"
addresses = [\"10.7.0.100\"]
peers = [\"10.7.0.1\", \"10.7.0.2\"]
";
    let with = |priority| file(priority, SETTINGS) + group;
    let a = Daemon::start(&link.a, &with(150));
    becomes(&a, "active");
    for address in [VIRTUAL, "10.7.0.100"] {
        eventually(address, || has(&link.a, address).then_some(()));
    }
    let b = Daemon::start(&link.b, &file(100, SETTINGS));
    becomes(&b, "backup");
    link.a.run("ip link set inside down");
    becomes(&a, "fault");
    becomes(&b, "active");
    holds(&link.b, &link.a, VIRTUAL);
    link.a.run("ip link set inside up");
    becomes(&a, "active");
    holds(&link.a, &link.b, VIRTUAL);
    eventually("the inside one", || {
        has(&link.a, "10.7.0.100").then_some(())
    });
}

#[test]
#[ignore = "needs the lab"]
fn one_file_makes_an_active_active_pair() {
    let link = Link::new();
    let file = "version = 1
[failover.one]
id = 51
interface = \"eth0\"
interval = \"100ms\"
addresses = [\"10.0.0.101\"]
[failover.two]
id = 52
interface = \"eth0\"
interval = \"100ms\"
addresses = [\"10.0.0.102\"]
[machine.a]
failover.one.priority = 150
failover.two.priority = 100
[machine.b]
failover.one.priority = 100
failover.two.priority = 150
";
    let mut a = Daemon::start_with(&link.a, file, &["--machine", "a"]);
    let _b = Daemon::start_with(&link.b, file, &["--machine", "b"]);
    holds(&link.a, &link.b, "10.0.0.101");
    holds(&link.b, &link.a, "10.0.0.102");
    a.kill();
    holds(&link.b, &link.a, "10.0.0.101");
    assert!(has(&link.b, "10.0.0.102"));
    a.launch();
    holds(&link.a, &link.b, "10.0.0.101");
    holds(&link.b, &link.a, "10.0.0.102");
}

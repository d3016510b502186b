//! Failover sections, address sections and machines, as the daemon gets them.

mod announced;
mod edits;
mod machines;
mod peers;
mod virtual_mac;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use director_config::state::Sysctl;
use director_config::state::failover::{
    AnnouncedFollow, AnnouncedVia, Change, Effect, Failover, Failovers, FollowBy, OnDeath,
    TrackEffect, Tracked, VirtualRouter, changes, splits,
};
use director_config::state::health::{Damping, Threshold};
use director_config::{self as config, Environment, Memory, Parsed, Style};
use ipvs::{DaemonRole, SyncId};
use vrrp::machine::Preempt;
use vrrp::{Family, Priority, Version, VirtualRouterId};

fn parsed(text: &str, environment: &Environment) -> Parsed {
    let text = format!("version = 1\n{text}");
    let files = Memory::from_iter([("a.toml", text.into_bytes())]);
    let parsed = config::load_from(Path::new("a.toml"), &files, environment);
    assert_eq!(parsed.errors(), 0, "{}", parsed.render(Style::Plain));
    parsed
}

fn read(text: &str) -> Failovers {
    parsed(text, &Environment::default()).failovers.unwrap()
}

fn on(machine: &str, text: &str) -> Failovers {
    let environment = Environment::default().on_machine(machine);
    parsed(text, &environment).failovers.unwrap()
}

fn only(found: &Failovers) -> &Failover {
    assert_eq!(found.failovers.len(), 1);
    &found.failovers[0]
}

fn addresses(router: &VirtualRouter) -> Vec<String> {
    let addresses = router.addresses.iter();
    addresses
        .map(|held| format!("{}/{}", held.address, held.prefix))
        .collect()
}

/// The section of the README and of the manual.
const FRONT: &str = r#"
[service.web]
listen = ["tcp://192.0.2.10:80", "tcp://[2001:db8::10]:80"]
servers = ["10.0.0.11", "2001:db8:1::11"]
check = "tcp"

[service.dns]
listen = "udp://192.0.2.10:53"
servers = ["10.0.0.11:53"]
check = { type = "dns", name = "example.org" }

[failover.front]
id = 51
interface = "eth0"
priority = 150
addresses = ["192.0.2.10", "2001:db8::10"]
interval = "100ms"
peers = ["10.0.0.2"]
preempt = { after = "10s" }
follow = { services = ["web", "dns"], step = 20 }
track = [{ interface = "eth1" }, { file = "/run/maintenance", step = 60 }]
"#;

#[test]
fn addresses_of_both_families_make_two_routers_with_one_id() {
    let found = read(FRONT);
    let front = only(&found);
    assert_eq!(front.priority, Priority(150));
    assert_eq!(front.preempt, Preempt::After(Duration::from_secs(10)));
    let [v4, v6] = &front.routers[..] else {
        panic!("{:?}", front.routers)
    };
    assert_eq!((v4.family, v6.family), (Family::V4, Family::V6));
    assert_eq!((v4.id.get(), v6.id.get()), (51, 51));
    assert_eq!(v4.interval.duration(), Duration::from_millis(100));
    assert_eq!(v4.peers, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
    assert!(!v6.is_unicast());
    assert_eq!(addresses(v4), ["192.0.2.10/32"]);
    // RFC 9568, 5.2.9: the first address is link-local.
    assert_eq!(
        addresses(v6),
        ["fe80::200:5eff:fe00:233/128", "2001:db8::10/128"]
    );
    assert!(v6.addresses[0].derived && !v6.addresses[1].derived);
}

#[test]
fn a_link_local_address_of_the_file_comes_first() {
    let found = read(
        r#"
        [failover.front]
        id = 51
        interface = "eth0"
        addresses = ["2001:db8::10/64", { address = "fe80::9", advertised = false }, "fe80::10"]
        "#,
    );
    let router = &only(&found).routers[0];
    assert_eq!(
        addresses(router),
        ["fe80::10/128", "2001:db8::10/64", "fe80::9/128"]
    );
    let advertised: Vec<_> = router.advertised().map(|one| one.to_string()).collect();
    assert_eq!(advertised, ["fe80::10", "2001:db8::10"]);
}

#[test]
fn the_pair_of_every_keepalived_tutorial_can_be_written() {
    let found = read(
        r#"
        [failover.VI_1]
        id = 51
        version = 2
        password = "1111"
        interface = "eth0"
        addresses = "192.0.2.10/24"
        "#,
    );
    let pair = only(&found);
    assert_eq!(pair.priority, Priority::DEFAULT);
    assert_eq!(pair.preempt, Preempt::After(Duration::ZERO));
    assert_eq!(pair.on_death, OnDeath::Release);
    let router = &pair.routers[0];
    assert_eq!(router.version, Version::V2);
    assert_eq!(router.auth.number(), 1);
    assert_eq!(addresses(router), ["192.0.2.10/24"]);
}

#[test]
fn members_are_further_routers_of_the_same_section() {
    let found = read(
        r#"
        [failover.nat]
        id = 51
        interface = "eth0"
        addresses = ["192.0.2.10"]
        interval = "50ms"
        peers = ["198.51.100.2"]
        members = [{ id = 52, interface = "eth1", addresses = ["10.0.0.1", "fd00::1"] }]
        "#,
    );
    let nat = only(&found);
    let routers: Vec<_> = nat
        .routers
        .iter()
        .map(|router| (router.id.get(), &*router.interface, router.family))
        .collect();
    assert_eq!(
        routers,
        [
            (51, "eth0", Family::V4),
            (52, "eth1", Family::V4),
            (52, "eth1", Family::V6)
        ]
    );
    // The inside network has other peers; the times are the group's.
    assert!(nat.routers[0].is_unicast() && !nat.routers[1].is_unicast());
    assert!(
        nat.routers
            .iter()
            .all(|router| router.interval.centiseconds() == 5)
    );
    let interfaces: Vec<_> = nat.interfaces().map(|name| &**name).collect();
    assert_eq!(interfaces, ["eth0", "eth1"]);
}

#[test]
fn a_thousand_addresses_are_more_than_fit_a_message_and_allowed() {
    let all: Vec<_> = (0..1000)
        .map(|n| format!("\"10.9.{}.{}\"", n / 200, n % 200 + 1))
        .collect();
    let text = format!(
        "[failover.many]\nid = 1\ninterface = \"eth0\"\naddresses = [{}]",
        all.join(", ")
    );
    assert_eq!(only(&read(&text)).routers[0].addresses.len(), 1000);
}

#[test]
fn the_priority_falls_by_steps_and_no_further_than_the_floor() {
    let found = read(FRONT);
    let front = only(&found);
    let follow = front.follow.as_ref().unwrap();
    assert_eq!(follow.by, FollowBy::Services);
    for (out, lowered) in [(0, 0), (1, 20), (2, 40)] {
        assert_eq!(follow.lowered(out, 2), lowered);
    }
    for (lowered, priority) in [(0, 150), (60, 90), (149, 1), (150, 1), (70_000, 1)] {
        assert_eq!(front.lowered(lowered), Priority(priority), "{lowered}");
    }
    assert_eq!(front.most_lowered(), 100);
    let tracked: Vec<_> = front.track.iter().map(|track| track.effect).collect();
    assert_eq!(tracked, [TrackEffect::Fault, TrackEffect::Lower(60)]);
    assert!(matches!(&front.track[0].what, Tracked::Interface(name) if &**name == "eth1"));
}

#[test]
fn each_share_of_servers_that_is_down_costs_a_step() {
    let text = FRONT.replace(
        "step = 20 }",
        "by = \"servers\", every = \"25%\", step = 10 }",
    );
    let found = read(&text);
    let follow = only(&found).follow.as_ref().unwrap();
    for (out, all, lowered) in [
        (0, 8, 0),
        (1, 8, 0),
        (2, 8, 10),
        (7, 8, 30),
        (8, 8, 40),
        (0, 0, 0),
    ] {
        assert_eq!(follow.lowered(out, all), lowered, "{out} of {all}");
    }
    assert_eq!(follow.most(), 40);
}

#[test]
fn an_owner_keeps_its_priority() {
    let found = read(
        "[failover.own]\nid = 1\ninterface = \"eth0\"\naddresses = [\"192.0.2.1\"]\npriority = 255",
    );
    assert!(only(&found).is_owner());
    assert_eq!(only(&found).lowered(200), Priority::OWNER);
}

#[test]
fn a_single_director_holds_addresses_without_vrrp() {
    for text in [
        "[address]\ninterface = \"eth0\"\naddresses = [\"192.0.2.10/24\"]",
        "[address.address]\ninterface = \"eth0\"\naddresses = \"192.0.2.10/24\"",
    ] {
        let found = read(text);
        assert!(found.failovers.is_empty());
        let [held] = &found.held[..] else {
            panic!("{text}: {:?}", found.held)
        };
        assert_eq!((&*held.name, &*held.interface), ("address", "eth0"));
        assert_eq!(held.addresses[0].prefix, 24);
        // No other director would take them over.
        assert_eq!(held.on_death, OnDeath::Keep);
    }
}

#[test]
fn one_word_makes_both_sync_daemons_with_settings_that_suit_them() {
    let both = |text| parsed(text, &Environment::default()).desired.unwrap();
    let word = both("sync = \"eth1\"");
    assert_eq!(
        word,
        both("sync = { role = \"both\", interface = \"eth1\" }")
    );
    let daemons = word.daemons.unwrap();
    let roles: Vec<_> = daemons.keys().copied().collect();
    assert_eq!(roles, [DaemonRole::Master, DaemonRole::Backup]);
    assert!(daemons.values().all(|daemon| &daemon.interface == "eth1"));
    let sysctls = &word.kernel.sysctls;
    assert_eq!(sysctls[&Sysctl::SyncThreshold], "3 0");
    assert_eq!(sysctls[&Sysctl::SyncRefreshPeriod], "10");
    assert_eq!(sysctls[&Sysctl::SloppyTcp], "1");
    // What the file sets stays.
    let own = both("sync = \"eth1\"\n[kernel]\nsync_threshold = [5, 100]\nsloppy_tcp = false");
    assert_eq!(own.kernel.sysctls[&Sysctl::SyncThreshold], "5 100");
    assert_eq!(own.kernel.sysctls[&Sysctl::SloppyTcp], "0");
    // One role alone sets nothing.
    let master = both("sync = { role = \"master\", interface = \"eth1\" }");
    assert!(master.kernel.sysctls.is_empty());
}

#[test]
fn a_relay_has_both_daemons_on_lo_that_do_not_hear_each_other() {
    let relay = "sync = { role = \"relay\", interface = \"lo\", id = 7 }
[peer.lb1]
address = \"10.0.0.1\"
key_file = \"/etc/director/peer.key\"
";
    let parsed = parsed(relay, &Environment::default());
    assert!(parsed.failovers.unwrap().relays);
    let desired = parsed.desired.unwrap();
    let daemons = desired.daemons.unwrap();
    let [master, backup] = [DaemonRole::Master, DaemonRole::Backup].map(|role| daemons[&role]);
    assert!(&master.interface == "lo" && &backup.interface == "lo");
    assert_eq!((master.sync_id, backup.sync_id), (SyncId(7), SyncId(7)));
    assert_eq!((master.port, backup.port), (8850, 0));
    // No message has two connections.
    assert_eq!(master.max_length, 1);
    assert_eq!(desired.kernel.sysctls[&Sysctl::SyncThreshold], "3 0");
    assert_eq!(desired.kernel.sysctls[&Sysctl::SyncPorts], "1");
}

#[test]
fn every_id_has_its_own_link_local_address() {
    let derived = |id| VirtualRouter::derived_link_local(VirtualRouterId::new(id).unwrap());
    assert_eq!(derived(1).to_string(), "fe80::200:5eff:fe00:201");
    assert_eq!(derived(255).to_string(), "fe80::200:5eff:fe00:2ff");
}

#[test]
fn accept_false_needs_nft() {
    let text = format!("version = 1\n{FRONT}\naccept = false\n");
    let warnings = |files: Memory| {
        let parsed = config::load_from(Path::new("a.toml"), &files, &Environment::default());
        parsed.render(Style::Plain)
    };
    let without = Memory::from_iter([("a.toml", text.clone())]);
    let shown = warnings(without);
    for part in [
        "warning[file-missing]: `accept = false` needs the program `nft`, which is not on this machine",
        "install the package nftables; the kernel needs nf_tables, too",
        "reach the machine's own programs",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let with = Memory::from_iter([("a.toml", text), ("/usr/sbin/nft", String::new())]);
    assert!(!warnings(with).contains("nft"));
}

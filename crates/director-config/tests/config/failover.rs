//! Failover sections, address sections and machines, as the daemon gets them.

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

/// An active-active pair: one file for both machines.
const CROSSED: &str = r#"
    [failover.one]
    id = 51
    interface = "eth0"
    addresses = ["192.0.2.10"]

    [failover.two]
    id = 52
    interface = "eth0"
    addresses = ["192.0.2.20"]

    [machine.lb1]
    failover.one.priority = 150
    failover.two.priority = 100

    [machine.lb2]
    failover.one = { priority = 100, interface = "ens3" }
    failover.two = { priority = 150, interface = "ens3" }
"#;

#[test]
fn one_file_makes_an_active_active_pair() {
    let values = |machine: &str| {
        let found = on(machine, CROSSED);
        let values = found.failovers.iter().map(|failover| {
            (
                failover.priority.0,
                failover.routers[0].interface.to_string(),
            )
        });
        (found.machine.clone(), values.collect::<Vec<_>>())
    };
    let expected = |name: &str, values: [(u8, &str); 2]| {
        (
            Some(Arc::from(name)),
            values.map(|(n, name)| (n, name.to_owned())).to_vec(),
        )
    };
    let lb1 = expected("lb1", [(150, "eth0"), (100, "eth0")]);
    let lb2 = expected("lb2", [(100, "ens3"), (150, "ens3")]);
    assert_eq!(values("lb1"), lb1);
    assert_eq!(values("lb2"), lb2);
    // The full name of a host, in any case.
    assert_eq!(values("LB2.example.org"), lb2);
}

#[test]
fn the_exact_name_goes_before_the_short_one() {
    let text = r#"
        [failover.one]
        id = 51
        interface = "eth0"
        addresses = ["192.0.2.10"]
        [machine.lb1.failover.one]
        priority = 1
        [machine."lb1.example.org".failover.one]
        priority = 2
    "#;
    assert_eq!(only(&on("lb1.example.org", text)).priority, Priority(2));
    assert_eq!(only(&on("lb1.example.com", text)).priority, Priority(1));
}

#[test]
fn a_variable_makes_the_difference_as_well() {
    let text = "[failover.one]\nid = 51\ninterface = \"eth0\"\naddresses = [\"192.0.2.10\"]\n\
                priority = \"${PRIORITY}\"";
    let environment = Environment::from_iter([("PRIORITY", "120")]);
    let found = parsed(text, &environment).failovers.unwrap();
    assert_eq!(only(&found).priority, Priority(120));
}

#[test]
fn sections_may_be_in_included_files() {
    let files = Memory::from_iter(
        [
            (
                "a.toml",
                "version = 1\ninclude = \"b.toml\"\n[machine.lb1.failover.one]\npriority = 9",
            ),
            (
                "b.toml",
                "[failover.one]\nid = 51\ninterface = \"eth0\"\naddresses = \"192.0.2.10\"",
            ),
        ]
        .map(|(name, text)| (name, text.as_bytes().to_vec())),
    );
    let environment = Environment::default().on_machine("lb1");
    let parsed = config::load_from(Path::new("a.toml"), &files, &environment);
    assert_eq!(parsed.diagnostics, [], "{}", parsed.render(Style::Plain));
    assert_eq!(only(&parsed.failovers.unwrap()).priority, Priority(9));
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

/// What an edit of [`FRONT`] does, as printed; those that split the pair are marked.
fn edit(from: &str, to: &str) -> Vec<String> {
    assert!(FRONT.contains(from), "{from}");
    let found = changes(&read(FRONT), &read(&FRONT.replacen(from, to, 1)));
    let text = |change: &Change| match change.effect {
        Effect::Splits => format!("! {change}"),
        _ => change.to_string(),
    };
    found.iter().map(text).collect()
}

#[test]
fn an_edit_says_what_moves() {
    assert!(edit("priority = 150", "priority = 150").is_empty());
    assert_eq!(
        edit("priority = 150", "priority = 120"),
        [
            "[failover.front]: the priority falls from 150 to 120: this edit moves 192.0.2.10, \
             2001:db8::10 to the other director if its priority is higher"
        ]
    );
    assert_eq!(
        edit(
            "\"2001:db8::10\"]\ninterval",
            "\"2001:db8::10\", \"192.0.2.11\"]\ninterval"
        ),
        ["[failover.front]: adds 192.0.2.11 to router 51"]
    );
    assert_eq!(
        edit("\"100ms\"", "\"200ms\""),
        ["[failover.front]: router 51 sends every 200 ms instead of every 100 ms"]
    );
    assert_eq!(
        edit("after = \"10s\"", "after = \"20s\""),
        ["[failover.front]: other settings change; no address moves by that"]
    );
    let removed = changes(&read(FRONT), &Failovers::default());
    assert_eq!(
        removed[0].text,
        "removed: this director gives up 192.0.2.10, 2001:db8::10"
    );
}

#[test]
fn an_edit_that_would_split_the_pair_is_marked() {
    for (from, to, text) in [
        (
            "id = 51",
            "id = 52",
            "the id changes from 51 to 52 on `eth0`: a director with the old id does not hear this \
             one",
        ),
        (
            "peers = [\"10.0.0.2\"]",
            "",
            "router 51 changes from unicast to multicast: its peers listen for unicast",
        ),
        (
            "peers = [\"10.0.0.2\"]",
            "peers = [\"10.0.0.3\"]",
            "router 51 no longer hears 10.0.0.2, and none of its peers stays",
        ),
    ] {
        let found = edit(from, to);
        let expected = format!("! [failover.front]: {text}");
        assert!(found.contains(&expected), "{found:#?}");
    }
    let v2 = |more: &str| {
        read(&format!(
            "[failover.old]\nid = 1\ninterface = \"eth0\"\naddresses = \"192.0.2.1\"\n{more}"
        ))
    };
    let plain = v2("version = 2");
    for other in [
        "version = 3",
        "version = 2\npassword = \"a\"",
        "version = 2\ninterval = \"2s\"",
    ] {
        assert_eq!(splits(&changes(&plain, &v2(other))).len(), 1, "{other}");
    }
    // A third director joins.
    assert!(
        splits(&changes(
            &read(FRONT),
            &read(&FRONT.replace("\"10.0.0.2\"", "\"10.0.0.2\", \"10.0.0.3\""))
        ))
        .is_empty()
    );
}

#[test]
fn the_example_is_the_file_of_both_directors() {
    for (name, front, shop) in [("lb1", 150, 100), ("lb2", 100, 150)] {
        let environment = Environment::default().on_machine(name);
        let parsed = config::load(Path::new("../../examples/failover.toml"), &environment);
        assert_eq!(parsed.render(Style::Plain), "", "{name}");
        let found = parsed.failovers.unwrap();
        assert_eq!(found.get("front").unwrap().priority, Priority(front));
        assert_eq!(found.get("shop").unwrap().priority, Priority(shop));
    }
}

const ANNOUNCED: &str = r#"
[service.web]
listen = ["tcp://192.0.2.10:80", "tcp://[2001:db8::10]:80"]
servers = ["10.0.0.11", "2001:db8:1::11"]
check = "tcp"

[announce.front]
addresses = ["192.0.2.10", "2001:db8::10/128"]
"#;

#[test]
fn an_announcement_needs_its_addresses_only() {
    let found = read(ANNOUNCED);
    assert!(!found.is_empty() && !found.hold_addresses());
    let [front] = &found.announced[..] else {
        panic!("{found:?}");
    };
    let addresses: Vec<_> = front.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.10", "2001:db8::10"]);
    assert_eq!(&*front.interface, "director0");
    assert_eq!(front.via, AnnouncedVia::Address);
    assert_eq!(front.follow, AnnouncedFollow::default());
    assert_eq!(front.damping, Some(Damping::default()));
    assert_eq!(front.linger, Duration::from_secs(10));
}

#[test]
fn machines_announce_with_metrics_of_their_own() {
    let text = format!(
        "{ANNOUNCED}via = \"route\"\nfallback_metric = 900\nfollow = {{ need = 2 }}\n\
         [machine.b.announce.front]\nmetric = 300\nfollow = {{ by = \"servers\", need = \"75%\" }}\n"
    );
    let via = |metric| AnnouncedVia::Route {
        table: 254,
        metric,
        fallback: Some(900),
    };
    let (here, there) = (read(&text), on("b", &text));
    assert_eq!(here.announced[0].via, via(100));
    assert_eq!(here.announced[0].follow.need, Threshold::Count(2));
    assert_eq!(there.announced[0].via, via(300));
    assert!(there.announced[0].follow.servers);
}

#[test]
fn an_edit_of_an_announcement_says_what_routers_see() {
    let edited = |from: &str, to: &str| {
        let after = ANNOUNCED.replace(from, to);
        assert_ne!(after, ANNOUNCED);
        let found = changes(&read(ANNOUNCED), &read(&after));
        let found = found
            .iter()
            .map(|change| (change.effect, change.to_string()));
        found.collect::<Vec<_>>()
    };
    let moves = |text: &str| (Effect::Moves, format!("[announce.front]: {text}"));
    assert_eq!(
        edited(", \"2001:db8::10/128\"]", ", \"192.0.2.11\"]"),
        [
            moves("announces 192.0.2.11 as well"),
            moves("withdraws 2001:db8::10")
        ]
    );
    assert_eq!(
        edited("/128\"]\n", "\"]\nvia = \"route\"\n"),
        [moves(
            "addresses on `director0` become routes in table 254, metric 100; the routing daemon \
             has to be told"
        )]
    );
    assert_eq!(
        edited("/128\"]\n", "\"]\nlinger = \"1s\"\n"),
        [(
            Effect::None,
            "[announce.front]: other settings change; no address moves by that".to_owned()
        )]
    );
    let (without, _) = ANNOUNCED.split_once("[announce.front]").unwrap();
    let gone = changes(&read(ANNOUNCED), &read(without));
    assert_eq!(
        gone[0].text,
        "removed: this director withdraws 192.0.2.10, 2001:db8::10"
    );
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

#[test]
fn a_virtual_mac_has_an_interface_for_each_family() {
    let text = format!("{FRONT}\nvirtual_mac = true\n");
    let found = read(&text);
    let found: Vec<_> = only(&found)
        .routers
        .iter()
        .map(|router| {
            (
                router.virtual_interface().unwrap().to_string(),
                router.mac(),
            )
        })
        .collect();
    let expected = [
        ("vrrp.51".to_owned(), [0, 0, 0x5e, 0, 1, 51]),
        ("vrrp6.51".to_owned(), [0, 0, 0x5e, 0, 2, 51]),
    ];
    assert_eq!(found, expected);
    let without = read(FRONT);
    assert_eq!(only(&without).routers[0].virtual_interface(), None);
}

#[test]
fn an_id_has_one_virtual_mac_on_a_machine() {
    let section = |name: &str, interface: &str, address: &str| {
        format!(
            "[failover.{name}]\nid = 51\ninterface = \"{interface}\"\n\
             addresses = [\"{address}\"]\nvirtual_mac = true\n"
        )
    };
    let text = format!(
        "version = 1\n{}{}",
        section("out", "eth0", "192.0.2.10"),
        section("in", "eth1", "10.0.0.254")
    );
    let files = Memory::from_iter([("a.toml", text)]);
    let parsed = config::load_from(Path::new("a.toml"), &files, &Environment::default());
    let shown = parsed.render(Style::Plain);
    let part = "two virtual routers have the id 51 with a virtual MAC address";
    assert!(shown.contains(part), "{shown}");
}

//! Failover sections, addresses, and the values of one machine.

mod foreign;
mod tables;

use super::announce::MACHINE_ANNOUNCEMENT;
use super::vocabulary;
use super::{Key, Shape, U32_MAX, key, pattern, patterned, required, text, time, whole, words};

pub(in super::super) use foreign::keepalived;
pub(in super::super) use tables::{
    ANNOUNCE, FAILOVER_NOTIFY, FOLLOW, PEER, PEER_TLS, PREEMPT, TRACK,
};

/// keepalived's names for what `announce` has.
const ANNOUNCE_ALIASES: &[&str] = &[
    "garp",
    "gna",
    "garp_master_delay",
    "garp_master_repeat",
    "garp_master_refresh",
    "garp_master_refresh_repeat",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
    "garp_interval",
    "gna_interval",
    "garp_extra_if",
];

/// What the section and its further members have in common.
fn router(is_required: bool) -> Vec<Key> {
    let must = |key: Key| Key {
        required: is_required,
        ..key
    };
    vec![
        must(key(
            "id",
            whole(1, 255),
            "The id of the virtual router (VRID), the same on all directors, and unique on the \
             link.",
        ))
        .alias(&["virtual_router_id", "vrid", "router_id"]),
        must(key(
            "interface",
            patterned("eth0", pattern::INTERFACE),
            "The interface that sends and receives the adverts, and gets the addresses. While it \
             is down, the section is in fault.",
        ))
        .alias(&["dev", "iface"]),
        must(key(
            "addresses",
            Shape::OneOrMore(Box::new(virtual_address())),
            "The virtual addresses, IPv4 and IPv6. IPv6 makes a virtual router of its own with the \
             same id; if no address of it is link-local, one that follows from the id is added, \
             because the protocol demands it.",
        ))
        .alias(&[
            "address",
            "virtual_ipaddress",
            "virtual_ipaddress_excluded",
            "vip",
            "vips",
        ]),
        key(
            "peers",
            Shape::OneOrMore(Box::new(patterned("10.0.0.2", pattern::ADDRESS))),
            "The other directors' addresses, for unicast. This machine's own address may be in the \
             list. Without it: multicast.",
        )
        .alias(&["unicast_peer", "unicast_peers", "peer"]),
        key(
            "source",
            Shape::OneOrMore(Box::new(patterned("10.0.0.1", pattern::ADDRESS))),
            "The address from which adverts are sent, at most one of each family; by default the \
             interface's first own one, for IPv6 its link-local one.",
        )
        .alias(&["mcast_src_ip", "unicast_src_ip", "src"]),
        key(
            "routes",
            Shape::List(Box::new(Shape::Table(&ROUTE))),
            "Routes that this machine has while it is active.",
        )
        .alias(&["route", "virtual_routes"]),
    ]
}

fn virtual_address() -> Shape {
    Shape::Either(vec![
        patterned("192.0.2.10", pattern::PREFIXED),
        Shape::Table(&VIRTUAL_ADDRESS),
    ])
}

fn on_death(default: &'static str) -> Key {
    key(
        "on_death",
        words(vocabulary::ON_DEATH),
        "What becomes of the addresses when director dies without stopping.",
    )
    .default(default)
}

fn announce() -> Key {
    key(
        "announce",
        Shape::Table(&ANNOUNCE),
        "Gratuitous ARP and unsolicited neighbour advertisements.",
    )
    .alias(ANNOUNCE_ALIASES)
}

/// `[failover.NAME]`; of `[machine.NAME]` without required keys.
fn failover(is_required: bool) -> Vec<Key> {
    let mut keys = router(is_required);
    keys.extend(elections());
    keys.extend(reactions());
    keys
}

/// How the directors find the active one.
fn elections() -> Vec<Key> {
    vec![
        key(
            "priority",
            whole(1, 255),
            "The director with the highest priority is active. 255: it owns the addresses, which \
             are its own ones. Directors with one file get different ones by `[machine.NAME]` or a \
             variable.",
        )
        .default(100)
        .alias(&["prio", "state"]),
        key(
            "interval",
            time(),
            "The time between two adverts: 10ms to 40950ms in steps of 10ms; in version 2 whole \
             seconds up to 255s, the same on all directors.",
        )
        .default("1s")
        .alias(&["advert_int", "advertisement_interval"]),
        key(
            "version",
            whole(2, 3),
            "The version of VRRP; 2 for old peers, IPv4 only.",
        )
        .default(3)
        .alias(&["vrrp_version"]),
        key(
            "preempt",
            Shape::Either(vec![Shape::Bool, Shape::Table(&PREEMPT)]),
            "Whether a director takes over from one of lower priority.",
        )
        .default(true)
        .alias(&["nopreempt", "preempt_delay"]),
        key(
            "password",
            text("${VRRP_PASSWORD}"),
            "The simple password of version 2, at most 8 bytes. It travels in clear text.",
        )
        .alias(&["auth_pass", "authentication", "auth_type"]),
        key(
            "checksum",
            words(vocabulary::CHECKSUMS),
            "The checksum of sent adverts of version 3 over IPv4, about which implementations \
             differ. All forms are accepted.",
        )
        .default("learn")
        .alias(&["checksum_with_ipv4_pseudoheader", "unicast_use_v3_cksum"]),
        key(
            "hop_limit",
            whole(1, 255),
            "The least TTL or hop limit of received adverts. Less than 255 only for unicast peers \
             beyond routers: 255 proves that the sender is on the link.",
        )
        .default(255)
        .alias(&["ttl", "unicast_ttl", "min_ttl"]),
        key(
            "members",
            Shape::List(Box::new(Shape::Table(&MEMBER))),
            "Further virtual routers that are active or backup together with this one, such as \
             that of the inside network for NAT.",
        )
        .alias(&["group", "vrrp_sync_group", "sync_group"]),
    ]
}

/// What it does when something happens.
fn reactions() -> Vec<Key> {
    vec![
        key(
            "follow",
            Shape::Table(&FOLLOW),
            "The priority falls with the health of services.",
        )
        .alias(&["weight"]),
        key(
            "track",
            Shape::OneOrMore(Box::new(Shape::Table(&TRACK))),
            "Interfaces, files and services whose failure lowers the priority or is a fault.",
        )
        .alias(&[
            "track_interface",
            "track_file",
            "track_script",
            "track_process",
            "track_bfd",
        ]),
        key(
            "floor",
            whole(1, 254),
            "`follow` and `track` lower the priority no further than this.",
        )
        .default(1),
        on_death("release"),
        key(
            "accept",
            Shape::Bool,
            "Whether the machine's own programs get packets to the addresses that no service takes. \
             `false`: they are dropped by nftables, except for ICMP echo, ARP and neighbour \
             discovery (Accept_Mode of RFC 9568).",
        )
        .default(true)
        .alias(&["no_accept", "accept_mode"]),
        key(
            "startup",
            time(),
            "After a start, the longest wait for the first verdicts of the checks before the \
             director claims the addresses; at most 1h.",
        )
        .default("30s")
        .alias(&["startup_delay", "vrrp_startup_delay"]),
        key(
            "linger",
            time(),
            "In a planned switchover, how long this director goes on forwarding after the other \
             one has taken over; at most 1m.",
        )
        .default("1s"),
        key(
            "virtual_mac",
            Shape::Bool,
            "Whether the addresses have the MAC address of the virtual router, 00:00:5e:00:01:ID \
             (IPv6: 00:00:5e:00:02:ID), which moves with them. They are then on an interface that \
             director makes, `vrrp.ID` (`vrrp6.ID`), of the kind macvlan.",
        )
        .default(false)
        .alias(&["use_vmac", "vmac"]),
        announce(),
        key(
            "notify",
            Shape::OneOrMore(Box::new(Shape::Table(&FAILOVER_NOTIFY))),
            "Commands to run when the role changes.",
        )
        .alias(&[
            "notify_master",
            "notify_backup",
            "notify_fault",
            "notify_stop",
            "smtp_alert",
        ]),
    ]
}

section!(
    FAILOVER,
    "a failover section",
    "Virtual addresses that two or more directors hold together by VRRP.",
    failover(true)
);

section!(
    MACHINE_FAILOVER,
    "a failover section of a machine",
    "Keys of a failover section with this machine's values.",
    {
        // With these the directors would not belong together any more.
        let mut keys = failover(false);
        keys.retain(|key| !matches!(key.name, "id" | "version"));
        keys
    }
);

section!(
    MEMBER,
    "a member",
    "A further virtual router of the section.",
    router(true)
);

fn address(is_required: bool) -> Vec<Key> {
    let must = |key: Key| Key {
        required: is_required,
        ..key
    };
    vec![
        must(key(
            "interface",
            patterned("eth0", pattern::INTERFACE),
            "The interface that gets the addresses.",
        ))
        .alias(&["dev", "iface"]),
        must(key(
            "addresses",
            Shape::OneOrMore(Box::new(virtual_address())),
            "The addresses, IPv4 and IPv6.",
        ))
        .alias(&["address", "static_ipaddress"]),
        key(
            "routes",
            Shape::List(Box::new(Shape::Table(&ROUTE))),
            "Routes that exist as long as the addresses.",
        )
        .alias(&["route", "static_routes"]),
        on_death("keep"),
        announce(),
    ]
}

section!(
    ADDRESS,
    "an address section",
    "Addresses that this machine holds while director runs, without VRRP.",
    address(true)
);

section!(
    MACHINE_ADDRESS,
    "an address section of a machine",
    "Keys of an address section with this machine's values.",
    address(false)
);

section!(
    MACHINE,
    "a machine section",
    "Values of one machine, over those of the sections.",
    [
        key(
            "failover",
            Shape::Named(&MACHINE_FAILOVER),
            "By the names of failover sections: values that replace theirs on this machine."
        )
        .alias(&["vrrp", "vrrp_instance"]),
        key(
            "address",
            Shape::Named(&MACHINE_ADDRESS),
            "By the names of address sections: values that replace theirs on this machine."
        ),
        key(
            "announce",
            Shape::Named(&MACHINE_ANNOUNCEMENT),
            "By the names of announce sections: values that replace theirs on this machine."
        ),
    ]
);

section!(
    VIRTUAL_ADDRESS,
    "a virtual address",
    "A virtual address with its settings.",
    [
        required(
            "address",
            patterned("192.0.2.10", pattern::PREFIXED),
            "The address, with the length of its prefix if that is not 32 or 128."
        ),
        key(
            "interface",
            patterned("eth1", pattern::INTERFACE),
            "The interface that gets it, if it is another one than the section's."
        )
        .alias(&["dev"]),
        key(
            "label",
            text("eth0:1"),
            "The label of an IPv4 address, at most 15 bytes, for programs that show it."
        ),
        key(
            "advertised",
            Shape::Bool,
            "Whether the adverts name it. All directors need the same list."
        )
        .default(true)
        .alias(&["excluded"]),
    ]
);

section!(
    ROUTE,
    "a route",
    "A route of this machine.",
    [
        required(
            "to",
            patterned("198.51.100.0/24", pattern::DESTINATION),
            "The destination: an address, a prefix or `default`."
        )
        .alias(&["dst", "destination"]),
        key(
            "via",
            patterned("192.0.2.1", pattern::ADDRESS),
            "The next hop."
        )
        .alias(&["gw", "gateway"]),
        key(
            "interface",
            patterned("eth0", pattern::INTERFACE),
            "The outgoing interface."
        )
        .alias(&["dev"]),
        key(
            "source",
            patterned("192.0.2.10", pattern::ADDRESS),
            "The preferred source address."
        )
        .alias(&["src"]),
        key("table", whole(1, U32_MAX), "The routing table.").default(254),
        key(
            "metric",
            whole(0, U32_MAX),
            "The metric; 0 is the kernel's default."
        )
        .default(0)
        .alias(&["priority", "preference"]),
    ]
);

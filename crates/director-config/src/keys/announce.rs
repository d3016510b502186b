//! `[announce.NAME]`: addresses that a routing daemon of this machine announces.

use super::health::{DAMPING, share};
use super::vocabulary;
use super::{INT_MAX, Key, Shape, U32_MAX, key, text, time, whole, words};

/// `[announce.NAME]`; of `[machine.NAME]` without required keys.
fn announcement(is_required: bool) -> Vec<Key> {
    let mut keys = vec![
        Key {
            required: is_required,
            ..key(
                "addresses",
                Shape::OneOrMore(Box::new(text("192.0.2.10"))),
                "The addresses, IPv4 and IPv6. They are announced and withdrawn together.",
            )
        }
        .alias(&["address", "vip", "vips", "prefix", "prefixes"]),
        key(
            "interface",
            text("director0"),
            "The interface that gets the addresses. If there is none of this name, director makes a \
             dummy interface, and removes it when no section needs it.",
        )
        .default("director0")
        .alias(&["dev", "iface", "dummy"]),
        key(
            "via",
            words(vocabulary::ANNOUNCE_VIA),
            "How the routing daemon gets to know the addresses.",
        )
        .default("address"),
    ];
    keys.extend(routes());
    keys.extend(reactions());
    keys
}

/// What only `via = "route"` has.
fn routes() -> Vec<Key> {
    vec![
        key(
            "table",
            whole(1, U32_MAX),
            "With `via = \"route\"`: the routing table.",
        )
        .default(254),
        key(
            "metric",
            whole(1, U32_MAX),
            "With `via = \"route\"`: the metric of the routes.",
        )
        .default(100)
        .alias(&["priority", "preference", "med"]),
        key(
            "fallback_metric",
            whole(1, U32_MAX),
            "With `via = \"route\"`: the metric while too little is healthy, above `metric`. Without \
             it, the routes are withdrawn then.",
        )
        .alias(&["metric_down", "backup_metric", "fallback"]),
    ]
}

/// When it is announced.
fn reactions() -> Vec<Key> {
    vec![
        key(
            "follow",
            Shape::Table(&ANNOUNCE_FOLLOW),
            "What has to be healthy; by default one of the services that listen on the addresses.",
        )
        .alias(&["track", "check", "healthcheck"]),
        key(
            "damping",
            Shape::Either(vec![Shape::Off, Shape::Table(&DAMPING)]),
            "When its health changes too often, it stays withdrawn for a time that doubles each \
             time; `false` for no damping.",
        )
        .alias(&["dampening", "flap"]),
        key(
            "linger",
            time(),
            "How long this director goes on forwarding for the addresses after they were \
             withdrawn, for packets that are underway and for slow routers; at most 1m.",
        )
        .default("10s"),
    ]
}

section!(
    ANNOUNCEMENT,
    "an announce section",
    "Addresses that a BGP or OSPF daemon of this machine announces while their services are \
     healthy.",
    announcement(true)
);

section!(
    MACHINE_ANNOUNCEMENT,
    "an announce section of a machine",
    "Keys of an announce section with this machine's values.",
    announcement(false)
);

section!(
    ANNOUNCE_FOLLOW,
    "an announce section's `follow`",
    "What has to be healthy for the addresses to be announced.",
    [
        key(
            "services",
            Shape::OneOrMore(Box::new(text("web"))),
            "The names of the services; by default those that listen on the addresses."
        )
        .alias(&["service"]),
        key(
            "by",
            words(vocabulary::ANNOUNCE_FOLLOW_BY),
            "What is counted."
        )
        .default("services"),
        key(
            "need",
            Shape::Either(vec![
                words(vocabulary::ANNOUNCE_NEED),
                whole(1, INT_MAX),
                share("50%"),
            ]),
            "How many of them have to be healthy: a word, a number, or a share, rounded up."
        )
        .default("any")
        .alias(&["quorum", "min", "at_least"]),
    ]
);

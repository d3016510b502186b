//! Virtual services, pools and real servers.

use super::super::vocabulary::Word;
use super::allow::allow;
use super::check::checks;
use super::vocabulary;
use super::{
    INT_MAX, Key, Shape, U32_MAX, health, key, open_words, pattern, patterned, required, text,
    time, whole, words,
};

fn inherited() -> Vec<Key> {
    let mut keys = vec![
        key(
            "scheduler",
            Shape::Either(vec![
                open_words(vocabulary::SCHEDULERS),
                Shape::Table(&SCHEDULER),
            ]),
            "How a server is chosen for a new connection; `\"kernel:NAME\"` for one that only your \
             kernel knows.",
        )
        .default("wlc"),
        key(
            "forward",
            words(vocabulary::FORWARD),
            "How packets reach the servers.",
        )
        .default("dr"),
        key(
            "tunnel",
            Shape::Table(&TUNNEL),
            "The encapsulation under `forward = \"tun\"`.",
        ),
        key(
            "persistence",
            Shape::Either(vec![time(), Shape::Off, Shape::Table(&PERSISTENCE)]),
            "How long a client stays with its server after its last connection; `false` for no \
             persistence.",
        )
        .default(false),
        key(
            "drain",
            time(),
            "How long a leaving server keeps its connections; \"0s\" cuts them.",
        )
        .default("30s"),
    ];
    keys.extend(health::inherited());
    keys
}

section!(
    DEFAULTS,
    "`[defaults]`",
    "Defaults for the services of this file, key by key.",
    inherited()
);

pub(in super::super) fn servers() -> Shape {
    Shape::List(Box::new(server()))
}

fn server() -> Shape {
    Shape::Either(vec![
        patterned("10.0.0.11", pattern::SERVER),
        Shape::Table(&SERVER),
    ])
}

section!(
    SERVICE,
    "a service",
    "A virtual service, on one or several addresses.",
    {
        let mut keys = vec![
            required(
                "listen",
                Shape::OneOrMore(Box::new(patterned("tcp://192.0.2.10:80", pattern::LISTEN))),
                "Where it is: protocol://address:port, a range of ports as 8000-8010, no port for all \
              of them (persistent services), or fwmark://7 and fwmark6://7 for marked packets.",
            ),
            key("pool", text("app"), "The pool of its servers."),
            key(
                "servers",
                servers(),
                "Real servers of its own, instead of a pool.",
            )
            .alias(&["real_server", "real", "backends"]),
            key(
                "one_packet",
                Shape::Bool,
                "Each UDP datagram is scheduled separately.",
            )
            .default(false),
            key(
                "as_is",
                Shape::Bool,
                "The service is described as a kernel has it: whatever a kernel can store is at \
                 most a warning, not a mistake.",
            )
            .default(false),
            allow(
                "Codes of warnings that the service causes on purpose. One that does not occur is a \
                 warning itself.",
            ),
        ];
        keys.extend(inherited());
        keys
    }
);

section!(SERVER, "a server", "A real server.", {
    let mut keys = vec![
        key("name", text("app2"), "Its name; its address by default."),
        required(
            "address",
            Shape::OneOrMore(Box::new(patterned("10.0.0.12", pattern::ADDRESS))),
            "Its address, or several: each goes to the listen addresses of its family.",
        ),
    ];
    keys.extend(of_each_server());
    keys
});

/// What a server has besides its name and address, and what a pool says of all servers that it finds.
pub(super) fn of_each_server() -> Vec<Key> {
    vec![
        key(
            "port",
            whole(0, 65535),
            "Its port; the service's by default.",
        ),
        key(
            "weight",
            whole(0, INT_MAX),
            "Its share of the clients; 0 stops new ones.",
        )
        .default(1),
        key(
            "max_connections",
            Shape::Either(vec![whole(0, U32_MAX), Shape::Table(&MAX_CONNECTIONS)]),
            "The most connections: above it the server gets no new ones; 0 for no limit.",
        )
        .default(0),
        key(
            "forward",
            words(vocabulary::FORWARD),
            "How packets reach it; the service's by default.",
        ),
        key(
            "tunnel",
            Shape::Table(&TUNNEL),
            "The encapsulation of its packets; the service's by default.",
        ),
        key(
            "check",
            checks(),
            "Its own checks instead of the service's; missing keys come from the service. `false` \
             for none.",
        )
        .alias(health::CHECK_ALIASES),
        key(
            "initial",
            words(vocabulary::INITIAL),
            "How it starts if it is new; the service's by default.",
        )
        .alias(health::INITIAL_ALIASES),
    ]
}

section!(
    MAX_CONNECTIONS,
    "`max_connections`",
    "Connection thresholds.",
    [
        required(
            "upper",
            whole(0, U32_MAX),
            "The most connections: above it the server gets no new ones; 0 for no limit."
        ),
        key(
            "lower",
            whole(0, U32_MAX),
            "Below it the server gets new connections again; 0 for three quarters of the upper \
             threshold."
        )
        .default(0),
    ]
);

section!(
    SCHEDULER,
    "`scheduler`",
    "A scheduler and its flags.",
    [
        required("name", open_words(vocabulary::SCHEDULERS), "Which one."),
        key(
            "flags",
            Shape::OneOrMore(Box::new(open_words(vocabulary::FLAGS))),
            "Its flags."
        ),
    ]
);

section!(
    PERSISTENCE,
    "`persistence`",
    "How long a client stays with its server, and how it is recognized.",
    [
        key("timeout", time(), "How long after its last connection.").default("6m"),
        key(
            "mask",
            Shape::Either(vec![
                patterned("255.255.255.0", pattern::MASK),
                whole(0, 32)
            ]),
            "IPv4 clients with the same address under this mask (or prefix length) count as one."
        ),
        key(
            "mask6",
            whole(1, 128),
            "IPv6 clients that share this many leading bits count as one."
        ),
        key(
            "engine",
            open_words(vocabulary::ENGINES),
            "The engine, to recognize clients by more than the address; `\"kernel:NAME\"` for one \
             that only your kernel knows."
        ),
        key(
            "enabled",
            Shape::Bool,
            "`false`: the service is not persistent, but the kernel stores these settings; odd."
        ),
    ]
);

section!(
    TUNNEL,
    "`tunnel`",
    "The encapsulation of packets.",
    [
        key(
            "type",
            open_words(vocabulary::TUNNELS),
            "The encapsulation."
        )
        .default("ipip"),
        key("port", whole(0, 65535), "The UDP port for GUE packets."),
        key(
            "checksum",
            Shape::Either(vec![
                Shape::Bool,
                Shape::Word {
                    words: CHECKSUMS,
                    open: false
                }
            ]),
            "Whether the outer packet of GUE and GRE carries a checksum."
        )
        .default(false),
        key(
            "flags",
            whole(0, 65535),
            "The kernel's flag word itself, instead of `checksum`; odd."
        ),
    ]
);

/// The values of `checksum` besides a boolean.
pub(super) const CHECKSUMS: &[Word] = &[Word {
    name: "remote",
    summary: "Remote checksum offload; GUE only.",
    aliases: &[],
    odd: false,
}];

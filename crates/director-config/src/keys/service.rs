//! Virtual services, pools and real servers.

use super::super::vocabulary::Word;
use super::check::checks;
use super::vocabulary;
use super::{
    INT_MAX, Key, Shape, U32_MAX, health, key, open_words, patterned, required, text, time, whole,
    words,
};

fn inherited() -> Vec<Key> {
    let mut keys = vec![
        key(
            "scheduler",
            Shape::Either(vec![
                open_words(vocabulary::SCHEDULERS),
                Shape::Table(&SCHEDULER),
            ]),
            "How a server is chosen for a new connection.",
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
            "How packets are wrapped under `forward = \"tun\"`.",
        ),
        key(
            "persistence",
            Shape::Either(vec![time(), Shape::Off, Shape::Table(&PERSISTENCE)]),
            "How long a client stays with its server after its last connection; `false` for not at all.",
        )
        .default(false),
        key(
            "drain",
            time(),
            "How long a server that leaves keeps its connections; \"0s\" to cut them.",
        )
        .default("30s"),
    ];
    keys.extend(health::inherited());
    keys
}

section!(
    DEFAULTS,
    "`[defaults]`",
    "What the services of this file inherit, key by key.",
    inherited()
);

section!(
    POOL,
    "a pool",
    "A set of real servers that several services share.",
    [required("servers", servers(), "The real servers.")]
);

pub(super) fn servers() -> Shape {
    Shape::List(Box::new(server()))
}

fn server() -> Shape {
    Shape::Either(vec![text("10.0.0.11"), Shape::Table(&SERVER)])
}

section!(
    SERVICE,
    "a service",
    "A virtual service, on one or several addresses.",
    {
        let mut keys = vec![
            required(
                "listen",
                Shape::OneOrMore(Box::new(patterned(
                    "tcp://192.0.2.10:80",
                    r"^(tcp|udp|sctp|fwmark|fwmark6)://|\$",
                ))),
                "Where it is: protocol://address:port, a range of ports as 8000-8010, no port for all \
              of them (persistent services), or fwmark://7 and fwmark6://7 for marked packets.",
            ),
            key("pool", text("app"), "The pool whose servers it has."),
            key(
                "servers",
                servers(),
                "Real servers of its own, instead of a pool.",
            )
            .alias(&["real_server", "real", "backends"]),
            key(
                "one_packet",
                Shape::Bool,
                "Each UDP datagram is scheduled alone.",
            )
            .default(false),
            key(
                "as_is",
                Shape::Bool,
                "The service is described as it stands in a kernel: what the \
            kernel holds, odd as it may be, is a warning and no mistake.",
            )
            .default(false),
        ];
        keys.extend(inherited());
        keys
    }
);

section!(
    SERVER,
    "a server",
    "A real server.",
    [
        key(
            "name",
            text("app2"),
            "What to call it; its address by default."
        ),
        required(
            "address",
            Shape::OneOrMore(Box::new(text("10.0.0.12"))),
            "Its address, or several: each goes to the listen addresses of its family."
        ),
        key(
            "port",
            whole(0, 65535),
            "Its port; the service's by default."
        ),
        key(
            "weight",
            whole(0, INT_MAX),
            "Its share of the clients; 0 for no new ones."
        )
        .default(1),
        key(
            "max_connections",
            Shape::Either(vec![whole(0, U32_MAX), Shape::Table(&MAX_CONNECTIONS)]),
            "With more connections than that it gets no new ones; 0 for no limit."
        )
        .default(0),
        key(
            "forward",
            words(vocabulary::FORWARD),
            "How packets reach it; the service's by default."
        ),
        key(
            "tunnel",
            Shape::Table(&TUNNEL),
            "How packets to it are wrapped; the service's by default."
        ),
        key(
            "check",
            checks(),
            "Checks of its own instead of the service's; what they leave out is the service's. \
             `false` for none."
        )
        .alias(health::CHECK_ALIASES),
        key(
            "initial",
            words(vocabulary::INITIAL),
            "How it begins that was not there before; the service's by default."
        )
        .alias(health::INITIAL_ALIASES),
    ]
);

section!(
    MAX_CONNECTIONS,
    "`max_connections`",
    "Connection thresholds.",
    [
        required(
            "upper",
            whole(0, U32_MAX),
            "With more connections it gets no new ones; 0 for no limit."
        ),
        key(
            "lower",
            whole(0, U32_MAX),
            "Below this it gets new ones again; 0 for three quarters of the upper one."
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
    "How long, and by what, a client stays with its server.",
    [
        key("timeout", time(), "For so long after its last connection.").default("6m"),
        key(
            "mask",
            Shape::Either(vec![text("255.255.255.0"), whole(0, 32)]),
            "IPv4 clients that are equal under this mask (or prefix length) count as one."
        ),
        key(
            "mask6",
            whole(1, 128),
            "IPv6 clients that share so many leading bits count as one."
        ),
        key(
            "engine",
            open_words(vocabulary::ENGINES),
            "By what else than the address to stick."
        ),
        key(
            "enabled",
            Shape::Bool,
            "`false`: the service is not persistent, and yet the kernel keeps these settings; odd."
        ),
    ]
);

section!(
    TUNNEL,
    "`tunnel`",
    "How packets are wrapped.",
    [
        key(
            "type",
            open_words(vocabulary::TUNNELS),
            "The encapsulation."
        )
        .default("ipip"),
        key(
            "port",
            whole(0, 65535),
            "The UDP port that GUE packets go to."
        ),
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

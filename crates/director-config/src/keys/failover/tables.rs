//! The tables within a failover section, and peers.

use crate::keys::health::share;
use crate::keys::vocabulary;
use crate::keys::{Shape, all_of, key, pattern, patterned, required, text, time, whole, words};

section!(
    PREEMPT,
    "`preempt`",
    "A director takes over from one of lower priority.",
    [
        key(
            "after",
            time(),
            "How long it has to outrank the active one first; at most 1h."
        )
        .alias(&["delay", "preempt_delay"]),
        key(
            "when",
            words(vocabulary::PREEMPT_WHEN),
            "Instead of `after`: not before it has the connections of the active one, which a \
             [peer.NAME] sends."
        ),
        key(
            "deadline",
            time(),
            "With `when`: after this time it takes over in any case; 1s to 1h."
        )
        .default("1m"),
    ]
);

section!(
    PEER,
    "a peer",
    "A director of the group. All directors can have the same file: the one with an address of \
     this machine is itself.",
    [
        required(
            "address",
            text("10.0.0.2"),
            "The address on which it listens for its peers, and from which it connects to them."
        ),
        key("port", whole(1, 65535), "The TCP port on which it listens.").default(8849),
        key(
            "key_file",
            text("/etc/director/peer.key"),
            "The absolute path of the key that all directors share: 64 hexadecimal digits, as \
             `openssl rand -hex 32` writes them. This or `tls`."
        )
        .alias(&["key", "secret", "psk"]),
        key(
            "tls",
            Shape::Table(&PEER_TLS),
            "Certificates in place of a key, which both directors verify."
        ),
        key(
            "resync",
            Shape::Either(vec![Shape::Off, time()]),
            "The time between two transfers of its connections into the own table, while it holds \
             addresses that this director does not; 5s to 1d. `false` for none."
        )
        .default("1m"),
    ]
);

section!(
    PEER_TLS,
    "`tls` of a peer",
    "Certificates of the directors of a group. director reads the files again for each connection, and \
     connects again when they change.",
    [
        required(
            "ca",
            text("/etc/director/peers-ca.pem"),
            "The authorities (PEM) that sign the certificates of all directors of the group."
        )
        .alias(&["ca_file", "cafile"]),
        required(
            "certificate",
            text("/etc/director/peer.pem"),
            "This director's certificate (PEM), with its chain."
        )
        .alias(&["cert", "crt"]),
        key(
            "key",
            text("/etc/director/peer-key.pem"),
            "Its key (PEM); by default in the certificate's file."
        )
        .alias(&["private_key"]),
        key(
            "name",
            text("lb2.example.org"),
            "The name or address in the certificate of this peer; `address` by default."
        )
        .alias(&["server_name", "sni"]),
    ]
);

section!(
    FOLLOW,
    "`follow`",
    "The priority falls with the health of services.",
    [
        required(
            "services",
            Shape::OneOrMore(Box::new(text("web"))),
            "The names of the services."
        )
        .alias(&["service"]),
        key("by", words(vocabulary::FOLLOW_BY), "What costs a step.").default("services"),
        key(
            "every",
            share("25%"),
            "With `by = \"servers\"`: each such share of the servers that is down costs a step."
        )
        .default("25%"),
        required(
            "step",
            whole(1, 253),
            "How much the priority falls with each step."
        )
        .alias(&["weight"]),
        key(
            "rise",
            whole(1, 1000),
            "For how many seconds more has to be up before the priority rises."
        )
        .default(2),
        key(
            "fall",
            whole(1, 1000),
            "For how many seconds more has to be down before the priority falls."
        )
        .default(1),
    ]
);

section!(
    TRACK,
    "`track`",
    "Something whose failure lowers the priority or is a fault; one of `interface`, `file` and \
     `service`.",
    [
        key(
            "interface",
            patterned("eth1", pattern::INTERFACE),
            "An interface; fails while it is down or missing."
        )
        .alias(&["dev"]),
        key(
            "file",
            text("/run/maintenance"),
            "An absolute path; fails while the file exists."
        )
        .alias(&["path"]),
        key(
            "service",
            text("web"),
            "A service; fails while it has no usable server, or is below its quorum."
        )
        .alias(&["script"]),
        key(
            "missing",
            Shape::Bool,
            "For a file: fails while the file does not exist."
        )
        .default(false),
        key(
            "step",
            whole(1, 253),
            "How much the priority falls. Without it the failure is a fault: the director gives \
             the addresses up."
        )
        .alias(&["weight"]),
    ]
);

section!(
    ANNOUNCE,
    "`announce`",
    "Gratuitous ARP and unsolicited neighbour advertisements for each address.",
    [
        key(
            "first",
            whole(1, 100),
            "How many in the first burst, on takeover and after a resolved conflict."
        )
        .default(5)
        .alias(&["garp_master_repeat"]),
        key("second", whole(0, 100), "How many in the second burst.").default(5),
        key(
            "after",
            time(),
            "The time between the two bursts, 100ms to 10m."
        )
        .default("5s")
        .alias(&["garp_master_delay"]),
        key(
            "refresh",
            Shape::Either(vec![Shape::Off, time()]),
            "The time between two announcements later on, 1s to 1d; `false` for none."
        )
        .default("1m")
        .alias(&["garp_master_refresh"]),
    ]
);

section!(
    FAILOVER_NOTIFY,
    "a failover's `notify`",
    "A command to run when the role changes.",
    [
        required(
            "command",
            Shape::OneOrMore(Box::new(text("/usr/local/bin/move-address"))),
            "The program and its arguments. Its environment describes the event."
        ),
        key(
            "on",
            Shape::OneOrMore(Box::new(words(vocabulary::FAILOVER_ON))),
            "The events; all by default."
        )
        .default(all_of(vocabulary::FAILOVER_ON)),
        key(
            "timeout",
            time(),
            "The time after which it is killed, 100ms to 1h."
        )
        .default("10s"),
    ]
);

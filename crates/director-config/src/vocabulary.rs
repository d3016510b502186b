//! The words of the service file: schedulers, forwarding methods and the like.

/// A word for a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// Its names in other programs.
    pub(super) aliases: &'static [&'static str],
    /// Not a sensible choice: a kernel may contain it, so the file can express it.
    pub(super) odd: bool,
}

pub(super) const fn word(name: &'static str, summary: &'static str) -> Word {
    Word {
        name,
        summary,
        aliases: &[],
        odd: false,
    }
}

const fn odd(name: &'static str, summary: &'static str) -> Word {
    Word {
        name,
        summary,
        aliases: &[],
        odd: true,
    }
}

impl Word {
    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// The schedulers of Linux up to 6.12, `net/netfilter/ipvs/ip_vs_*.c`.
pub(super) const SCHEDULERS: &[Word] = &[
    word("rr", "Round robin: each server in turn."),
    word("wrr", "Weighted round robin."),
    word("lc", "Least connections."),
    word("wlc", "Least connections in proportion to the weight.").alias(&["leastconn"]),
    word(
        "fo",
        "Fail-over: the available server of the highest weight.",
    ),
    word(
        "ovf",
        "Overflow: the server of the highest weight until it has as many connections as its weight.",
    ),
    word("lblc", "Locality-based least connections, for caches."),
    word(
        "lblcr",
        "Locality-based least connections with replication, for caches.",
    ),
    word("dh", "Hash of the destination address, for caches."),
    word("sh", "Hash of the client's address.").alias(&["source", "iphash", "ip_hash"]),
    word("sed", "Shortest expected delay."),
    word(
        "nq",
        "Never queue: an idle server, or else the shortest expected delay.",
    ),
    word("mh", "Maglev hash of the client's address.").alias(&["maglev"]),
    word(
        "twos",
        "Weighted random: the less loaded of two servers; Linux 6.12.",
    ),
    odd(
        "none",
        "No scheduler: the service refuses every new connection.",
    ),
];

/// Flags of schedulers. `fallback` and `port` have a meaning for `sh` and `mh` only.
pub(super) const FLAGS: &[Word] = &[
    word(
        "fallback",
        "`sh`, `mh`: clients of an unusable server go to another one.",
    )
    .alias(&["sh-fallback", "mh-fallback"]),
    word("port", "`sh`, `mh`: also hash the client's port.").alias(&["sh-port", "mh-port"]),
    word(
        "flag-1",
        "The scheduler's first flag; its meaning depends on the scheduler.",
    ),
    word("flag-2", "The scheduler's second flag."),
    word("flag-3", "The scheduler's third flag."),
];

/// Forwarding methods.
pub(super) const FORWARD: &[Word] = &[
    word(
        "nat",
        "NAT: the destination address is rewritten, and the source of the reply on its way back.",
    )
    .alias(&["masq", "masquerade", "masquerading", "snat", "dnat"]),
    word(
        "dr",
        "Direct routing: the packet goes unchanged to the server's link-layer address.",
    )
    .alias(&["gate", "gatewaying", "route", "direct"]),
    word(
        "tun",
        "Tunnelling: the packet is encapsulated in another one; see `tunnel`.",
    )
    .alias(&["tunnel", "tunneling", "tunnelling", "ipip", "gue", "gre"]),
    odd(
        "local",
        "The packet is for this machine. For the kernel's internal use.",
    ),
    odd(
        "bypass",
        "Bypasses the cache, to the packet's destination. For the kernel's internal use.",
    ),
    odd("method-5", "A number without a meaning."),
    odd("method-6", "A number without a meaning."),
    odd("method-7", "A number without a meaning."),
];

/// Tunnel types.
pub(super) const TUNNELS: &[Word] = &[
    word("ipip", "IP in IP."),
    word("gue", "Generic UDP encapsulation; needs a `port`."),
    word("gre", "Generic routing encapsulation."),
];

/// Persistence engines.
pub(super) const ENGINES: &[Word] = &[word(
    "sip",
    "Recognizes clients by the Call-ID of SIP over \
                                            UDP.",
)];

/// What to do about foreign services.
pub(super) const FOREIGN: &[Word] = &[
    word(
        "keep",
        "Report services that are not in the file, and leave them alone.",
    )
    .alias(&["ignore", "report"]),
    word("remove", "Delete them.").alias(&["delete"]),
];

/// What to do about drift.
pub(super) const DRIFT: &[Word] = &[
    word("repair", "Undo changes by other programs.").alias(&["fix"]),
    word("report", "Report them, and leave them.").alias(&["ignore", "keep"]),
];

/// Roles of sync daemons.
pub(super) const ROLES: &[Word] = &[
    word("master", "Multicasts this director's connections."),
    word("backup", "Receives what masters multicast.").alias(&["slave"]),
    word(
        "both",
        "Both, all the time, whichever director is active: for directors that take over from each \
         other.",
    )
    .alias(&["master-backup", "peer"]),
    word(
        "relay",
        "Both on `lo`; director sends what the master says to its peers, over their channel, so that \
         nothing is multicast.",
    )
    .alias(&["unicast", "channel"]),
];

/// How several checks make one verdict.
pub(super) const COMBINE: &[Word] = &[
    word("all", "All of them have to pass.").alias(&["and"]),
    word("any", "One of them has to pass.").alias(&["or", "one"]),
];

/// What to do with a server that is down.
pub(super) const ON_FAIL: &[Word] = &[
    word(
        "drain",
        "Weight 0; it keeps its connections. Where weight 0 does harm (UDP, `dh`, one-packet, \
         persistence without expire_quiescent_template), it is removed instead.",
    )
    .alias(&["quiesce", "inhibit", "weight-0"]),
    word("remove", "Deleted with its connections.").alias(&["delete"]),
];

/// How a server starts.
pub(super) const INITIAL: &[Word] = &[
    word("up", "In, until its checks have failed `fall` times."),
    word("down", "Out, until its checks have succeeded `rise` times."),
];

/// The events that trigger a command.
pub(super) const NOTIFY_ON: &[Word] = &[
    word("server-up", "A server is up again.").alias(&["up", "notify_up"]),
    word("server-down", "A server is down.").alias(&["down", "notify_down"]),
    word("service-below", "Fewer servers are up than `min_healthy`."),
    word("service-above", "No longer."),
    word(
        "quorum-lost",
        "The servers that are up weigh less than `quorum`.",
    )
    .alias(&["quorum_down"]),
    word("quorum-gained", "They weigh enough again.").alias(&["quorum_up"]),
];

/// What becomes of addresses when the daemon dies.
pub(super) const ON_DEATH: &[Word] = &[
    word(
        "release",
        "The kernel removes them after a few seconds; another director takes over.",
    ),
    word("keep", "They stay, and the kernel goes on forwarding."),
];

/// Checksums of VRRP version 3 over IPv4.
pub(super) const CHECKSUMS: &[Word] = &[
    word(
        "learn",
        "With the pseudo-header, until a peer sends it without.",
    )
    .alias(&["auto"]),
    word("pseudo-header", "With it: keepalived and FRR.").alias(&["pseudoheader"]),
    word("rfc", "Without it, as RFC 9568 says: Cisco and Juniper.").alias(&["message", "plain"]),
];

/// What lowers a priority that follows services.
pub(super) const FOLLOW_BY: &[Word] = &[
    word(
        "services",
        "Each service without a usable server, or below its quorum.",
    )
    .alias(&["service"]),
    word(
        "servers",
        "Each share `every` of the services' servers that is down.",
    )
    .alias(&["server"]),
];

/// What `preempt` waits for.
pub(super) const PREEMPT_WHEN: &[Word] = &[word(
    "synced",
    "This director has the connections of the active one.",
)];

/// How a routing daemon gets to know addresses.
pub(super) const ANNOUNCE_VIA: &[Word] = &[
    word(
        "address",
        "The addresses are on the interface while they are announced: bird's `direct`, FRR's \
         `redistribute connected`.",
    )
    .alias(&["connected", "direct", "addresses"]),
    word(
        "route",
        "A route to each address exists, for bird's `kernel`.",
    )
    .alias(&["kernel", "routes"]),
];

/// What an announcement counts.
pub(super) const ANNOUNCE_FOLLOW_BY: &[Word] = &[
    word(
        "services",
        "Services with a usable server, that are not below their quorum.",
    )
    .alias(&["service"]),
    word("servers", "Servers of the services that are up.").alias(&["server"]),
];

/// How many of them are enough.
pub(super) const ANNOUNCE_NEED: &[Word] = &[
    word("any", "One of them.").alias(&["one", "some"]),
    word("all", "All of them.").alias(&["every"]),
];

/// The events of a failover section that trigger a command.
pub(super) const FAILOVER_ON: &[Word] = &[
    word("active", "This director holds the addresses now.").alias(&["master", "notify_master"]),
    word("backup", "It does not hold them, and listens.").alias(&["slave", "notify_backup"]),
    word(
        "fault",
        "It cannot hold them: an interface is down, or adverts cannot be sent.",
    )
    .alias(&["notify_fault"]),
    word("stopped", "It has stopped.").alias(&["stop", "notify_stop"]),
    word(
        "conflict",
        "Another router is active too, or uses the same id.",
    ),
];

/// What happens to a server that its source no longer lists.
pub(super) const ABSENT: &[Word] = &[
    word(
        "drain",
        "It leaves like one that was deleted from the file: its connections drain.",
    )
    .alias(&["leave"]),
    word("while-healthy", "It stays as long as its checks pass.").alias(&["keep", "while_healthy"]),
    word(
        "remove",
        "It leaves immediately, and its connections break.",
    )
    .alias(&["delete", "cut"]),
];

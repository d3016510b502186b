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
    word("wlc", "Least connections for the weight.").alias(&["leastconn"]),
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
    odd("none", "No scheduler: every new connection is refused."),
];

/// Flags of schedulers. `fallback` and `port` have a meaning for `sh` and `mh` only.
pub(super) const FLAGS: &[Word] = &[
    word(
        "fallback",
        "`sh`, `mh`: a client whose server is unusable goes to another one.",
    )
    .alias(&["sh-fallback", "mh-fallback"]),
    word("port", "`sh`, `mh`: the client's port is hashed too.").alias(&["sh-port", "mh-port"]),
    word(
        "flag-1",
        "The scheduler's first flag, whatever it means to it.",
    ),
    word("flag-2", "The scheduler's second flag."),
    word("flag-3", "The scheduler's third flag."),
];

/// Forwarding methods.
pub(super) const FORWARD: &[Word] = &[
    word(
        "nat",
        "The destination address is rewritten, and the answer's source on its way back.",
    )
    .alias(&["masq", "masquerade", "masquerading", "snat", "dnat"]),
    word(
        "dr",
        "Direct routing: the packet goes to the server's link address as it is.",
    )
    .alias(&["gate", "gatewaying", "route", "direct"]),
    word(
        "tun",
        "Tunnelling: the packet is wrapped in another one, see `tunnel`.",
    )
    .alias(&["tunnel", "tunneling", "tunnelling", "ipip", "gue", "gre"]),
    odd(
        "local",
        "The packet is for this machine. The kernel's own; odd to set.",
    ),
    odd(
        "bypass",
        "Past the cache, to where the packet was addressed. The kernel's own; odd to set.",
    ),
    odd("method-5", "A number without meaning; odd to set."),
    odd("method-6", "A number without meaning; odd to set."),
    odd("method-7", "A number without meaning; odd to set."),
];

/// Tunnel types.
pub(super) const TUNNELS: &[Word] = &[
    word("ipip", "IP in IP."),
    word("gue", "Generic UDP encapsulation; needs a `port`."),
    word("gre", "Generic routing encapsulation."),
];

/// Persistence engines.
pub(super) const ENGINES: &[Word] = &[word("sip", "Sticks by the Call-ID of SIP over UDP.")];

/// What to do about foreign services.
pub(super) const FOREIGN: &[Word] = &[
    word(
        "keep",
        "Report services that are not the file's, and leave them alone.",
    )
    .alias(&["ignore", "report"]),
    word("remove", "Delete them.").alias(&["delete"]),
];

/// What to do about drift.
pub(super) const DRIFT: &[Word] = &[
    word("repair", "Set right what somebody else changed.").alias(&["fix"]),
    word("report", "Say so, and leave it.").alias(&["ignore", "keep"]),
];

/// Roles of sync daemons.
pub(super) const ROLES: &[Word] = &[
    word("master", "Multicasts this director's connections."),
    word("backup", "Takes in what masters multicast.").alias(&["slave"]),
];

/// How several checks make one verdict.
pub(super) const COMBINE: &[Word] = &[
    word("all", "All of them have to pass.").alias(&["and"]),
    word("any", "One that passes is enough.").alias(&["or", "one"]),
];

/// What to do with a server that is down.
pub(super) const ON_FAIL: &[Word] = &[
    word(
        "drain",
        "Weight 0, its connections kept. Where weight 0 does harm (UDP, `dh`, one-packet, \
         persistence without expire_quiescent_template) it is removed all the same.",
    )
    .alias(&["quiesce", "inhibit", "weight-0"]),
    word("remove", "Deleted, its connections with it.").alias(&["delete"]),
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
    word("service-below", "Fewer servers are up than `min_healthy`.").alias(&["quorum_down"]),
    word("service-above", "No longer.").alias(&["quorum_up"]),
];

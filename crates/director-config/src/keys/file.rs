//! The root of a file, and the settings of namespace and daemon.

use super::allow::allow;
use super::announce::ANNOUNCEMENT;
use super::failover::{ADDRESS, FAILOVER, MACHINE, PEER};
use super::vocabulary;
use super::{
    DEFAULTS, POOL, SERVICE, Shape, key, pattern, patterned, required, text, time, whole, words,
};
use crate::state::{Sysctl, SysctlKind};

section!(
    ROOT,
    "a service file",
    "A service file of director.",
    [
        key(
            "$schema",
            text("./director.schema.json"),
            "The location of this file's schema, for editors."
        ),
        required("version", whole(1, 1), "The version of the file format."),
        key(
            "include",
            Shape::OneOrMore(Box::new(text("services.d/*.toml"))),
            "Patterns of further files to read, relative to this file. Each has its own \
             `[defaults]`; `kernel`, `policy`, `daemon` and `sync` are allowed in the root file \
             only."
        ),
        key(
            "kernel",
            Shape::Table(&KERNEL),
            "Settings of the whole network namespace. Missing keys are left alone."
        ),
        key(
            "policy",
            Shape::Table(&POLICY),
            "What to do about objects that the file does not mention."
        ),
        key(
            "sync",
            Shape::Either(vec![
                text("eth0"),
                Shape::OneOrMore(Box::new(Shape::Table(&SYNC)))
            ]),
            "The connection synchronisation daemons to run: an interface for both roles, or \
             daemons. Without this key, running ones are left alone; an empty list stops them."
        )
        .alias(&["lvs_sync_daemon", "sync_daemon"]),
        key(
            "daemon",
            Shape::Table(&DAEMON),
            "Settings of `director run`."
        ),
        key(
            "failover",
            Shape::Named(&FAILOVER),
            "Virtual addresses that several directors hold together, by VRRP."
        )
        .alias(&["vrrp", "vrrp_instance", "vrrp_sync_group", "virtual_router"]),
        key(
            "address",
            Shape::Either(vec![Shape::Named(&ADDRESS), Shape::Table(&ADDRESS)]),
            "Addresses that this machine holds while director runs, without VRRP: by names, or a \
             single section without one."
        )
        .alias(&["addresses", "static_ipaddress", "virtual_ipaddress"]),
        key(
            "peer",
            Shape::Named(&PEER),
            "The directors of the group, this one among them: they tell each other what they hold \
             and serve, and their connections."
        ),
        key(
            "announce",
            Shape::Named(&ANNOUNCEMENT),
            "Addresses that a BGP or OSPF daemon of this machine announces while their services \
             are healthy, for several directors that are active together."
        )
        .alias(&["anycast", "bgp", "ospf", "ecmp"]),
        key(
            "machine",
            Shape::Named(&MACHINE),
            "Values of single machines, by host name: the full one, or the part before its first \
             dot. So all directors can have the same file."
        )
        .alias(&["host", "machines", "hosts"]),
        key(
            "defaults",
            Shape::Table(&DEFAULTS),
            "Defaults for the services of this file."
        ),
        key(
            "pool",
            Shape::Named(&POOL),
            "Sets of real servers that several services share."
        ),
        key("service", Shape::Named(&SERVICE), "The virtual services."),
        allow(
            "Codes of warnings that this file causes on purpose; in the root file, also those of \
             its includes. One that does not occur is a warning itself."
        ),
    ]
);

section!(
    KERNEL,
    "`[kernel]`",
    "Settings of the network namespace.",
    {
        let mut keys = vec![key(
            "timeouts",
            Shape::Table(&TIMEOUTS),
            "How long the kernel keeps idle connections.",
        )];
        keys.extend(Sysctl::ALL.iter().map(|sysctl| {
            let shape = match sysctl.kind() {
                SysctlKind::Flag => Shape::Either(vec![Shape::Bool, whole(0, 1)]),
                SysctlKind::Number { least, most } => whole(least, most),
                SysctlKind::Pair => Shape::Pair,
                SysctlKind::Text => text("0-3"),
            };
            key(sysctl.name(), shape, sysctl.summary())
        }));
        keys
    }
);

section!(
    TIMEOUTS,
    "`timeouts`",
    "How long the kernel keeps idle connections.",
    [
        key(
            "tcp",
            time(),
            "An established TCP connection; the kernel's default is 15m."
        ),
        key(
            "tcp_fin",
            time(),
            "A TCP connection after a FIN; the kernel's default is 2m."
        ),
        key("udp", time(), "A UDP flow; the kernel's default is 5m."),
    ]
);

section!(
    POLICY,
    "`[policy]`",
    "What to do about objects that the file does not mention.",
    [
        key(
            "foreign",
            words(vocabulary::FOREIGN),
            "What to do about services that director neither created nor adopted."
        )
        .default("keep"),
        key(
            "drift",
            words(vocabulary::DRIFT),
            "What to do about changes by other programs to declared services."
        )
        .default("repair"),
        key(
            "max_removed",
            patterned("50%", pattern::SHARE),
            "The largest share of a service's servers that one plan may remove without `--force`. \
             On a reload, the limit of the file in force applies as well."
        )
        .default("50%"),
        key(
            "max_removed_services",
            patterned("50%", pattern::SHARE),
            "The largest share of director's services that one plan may remove without `--force`. \
             On a reload, the limit of the file in force applies as well. The last one always \
             needs it. One that only gets another name, address or grouping does not count."
        )
        .default("50%"),
    ]
);

section!(
    DAEMON,
    "`[daemon]`",
    "Settings of `director run`.",
    [
        key(
            "reconcile",
            time(),
            "How often director compares the kernel's tables with the wanted ones, 100ms to 1d."
        )
        .default("5s"),
        key(
            "check_marks",
            patterned("0x6d000000-0x6d00ffff", pattern::MARKS),
            "The firewall marks of checks through the forwarding path. Services and packet filters \
             must not use them."
        )
        .default("0x6d000000-0x6d00ffff"),
        key(
            "check_ports",
            patterned("20000-29999", pattern::PORTS),
            "The source ports of checks through the forwarding path."
        )
        .default("20000-29999"),
        key(
            "history_size",
            patterned("64MB", pattern::SIZE),
            "How much disk the history may take, 1MB to 1TB; `off` records none. See \
             [history.md](history.md)."
        )
        .default("64MB"),
        key(
            "history_age",
            time(),
            "How long the history keeps what was, 1h to 3650d."
        )
        .default("7d"),
    ]
);

section!(
    SYNC,
    "a sync daemon",
    "A connection synchronisation daemon.",
    [
        required(
            "role",
            words(vocabulary::ROLES),
            "Master, backup, both, or both for director's relay; a namespace has at most one of each."
        ),
        required(
            "interface",
            patterned("eth0", pattern::INTERFACE),
            "The interface that sends or receives the multicasts."
        ),
        key(
            "id",
            whole(0, 255),
            "The group of directors it belongs to. A backup with id 0 listens to every master."
        )
        .default(0),
        key(
            "max_length",
            whole(0, 65507),
            "The longest payload of a sync message in bytes; 0 derives it from the interface's MTU."
        )
        .default(0),
        key(
            "group",
            patterned("224.0.0.81", pattern::MULTICAST),
            "The multicast group."
        )
        .default("224.0.0.81"),
        key("port", whole(1, 65535), "The UDP port.").default(8848),
        key("ttl", whole(1, 255), "The multicasts' time to live.").default(1),
    ]
);

//! The root of a file, and the settings of namespace and daemon.

use super::vocabulary;
use super::{DEFAULTS, POOL, SERVICE, Shape, key, patterned, required, text, time, whole, words};
use crate::state::{Sysctl, SysctlKind};

section!(
    ROOT,
    "a service file",
    "A service file of director.",
    [
        key(
            "$schema",
            text("director.schema.json"),
            "Where the schema of this file is, for editors."
        ),
        required("version", whole(1, 1), "The version of the file's form."),
        key(
            "include",
            Shape::OneOrMore(Box::new(text("services.d/*.toml"))),
            "Patterns of files to read as well, relative to this file. Their `[defaults]` are their \
         own; `kernel`, `policy`, `daemon` and `sync` stand in the root file only."
        ),
        key(
            "kernel",
            Shape::Table(&KERNEL),
            "What holds for the whole network namespace. What is left out is left alone."
        ),
        key(
            "policy",
            Shape::Table(&POLICY),
            "What to do about what the file does not say."
        ),
        key(
            "sync",
            Shape::OneOrMore(Box::new(Shape::Table(&SYNC))),
            "The connection synchronisation daemons that are to run. Left out: those that do are left \
         alone; an empty list: none."
        ),
        key("daemon", Shape::Table(&DAEMON), "How `director run` works."),
        key(
            "defaults",
            Shape::Table(&DEFAULTS),
            "What the services of this file inherit."
        ),
        key(
            "pool",
            Shape::Named(&POOL),
            "Sets of real servers that several services share."
        ),
        key("service", Shape::Named(&SERVICE), "The virtual services."),
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
            "How long idle connections are remembered.",
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
    "How long idle connections are remembered.",
    [
        key(
            "tcp",
            time(),
            "An established TCP connection; 15m where nothing was set."
        ),
        key(
            "tcp_fin",
            time(),
            "A TCP connection after a FIN; 2m where nothing was set."
        ),
        key("udp", time(), "A UDP flow; 5m where nothing was set."),
    ]
);

section!(
    POLICY,
    "`[policy]`",
    "What to do about what the file does not say.",
    [
        key(
            "foreign",
            words(vocabulary::FOREIGN),
            "About services that director neither made nor adopted."
        )
        .default("keep"),
        key(
            "drift",
            words(vocabulary::DRIFT),
            "About changes that somebody else makes to declared services."
        )
        .default("repair"),
        key(
            "max_removed",
            patterned("50%", r"^[0-9]+%$|\$"),
            "The largest share of a service's servers that one plan may take away without `--force`. \
             At a reload the limit of the file in force holds as well."
        )
        .default("50%"),
        key(
            "max_removed_services",
            patterned("50%", r"^[0-9]+%$|\$"),
            "The largest share of director's services that one plan may take away without `--force`. \
             At a reload the limit of the file in force holds as well. \
             The last one always needs it. One that only gets another name, address or grouping does \
             not count."
        )
        .default("50%"),
    ]
);

section!(
    DAEMON,
    "`[daemon]`",
    "How `director run` works.",
    [
        key(
            "reconcile",
            time(),
            "How often the kernel's tables are compared with what they should be, 100ms to 1d."
        )
        .default("5s"),
        key(
            "check_marks",
            patterned(
                "0x6d000000-0x6d00ffff",
                r"^(0x[0-9a-fA-F]+|[0-9]+)-(0x[0-9a-fA-F]+|[0-9]+)$|\$"
            ),
            "The firewall marks that checks through the forwarding path use. No service and no \
             packet filter may use them."
        )
        .default("0x6d000000-0x6d00ffff"),
        key(
            "check_ports",
            patterned("20000-29999", r"^[0-9]+-[0-9]+$|\$"),
            "The source ports that checks through the forwarding path use."
        )
        .default("20000-29999"),
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
            "Master or backup; a namespace has at most one of each."
        ),
        required(
            "interface",
            text("eth0"),
            "The interface that the multicasts leave or come in by."
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
            "Longest payload of a sync message in bytes; 0 takes it from the interface's MTU."
        )
        .default(0),
        key("group", text("224.0.0.81"), "The multicast group.").default("224.0.0.81"),
        key("port", whole(1, 65535), "The UDP port.").default(8848),
        key("ttl", whole(1, 255), "The multicasts' time to live.").default(1),
    ]
);

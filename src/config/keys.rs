//! The keys of the service file, section by section.
//!
//! One table for the decoder (which keys there are, and what to say of another one), for the
//! schema and for the messages about types.

use std::sync::LazyLock;

use crate::state::{Sysctl, SysctlKind};

use super::words::{self, Word};

/// A table of the file with fixed keys.
#[derive(Debug)]
pub(super) struct Section {
    /// What messages call it, such as "a service".
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) keys: &'static LazyLock<Vec<Key>>,
}

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// What can stand behind a key.
#[derive(Debug)]
pub(super) enum Shape {
    /// Any text; an example of it, and a pattern where there is a short one.
    Text {
        example: &'static str,
        pattern: Option<&'static str>,
    },
    Bool,
    /// `false`, to have none of what is inherited.
    Off,
    /// A whole number, both ends included.
    Whole {
        least: i64,
        most: i64,
    },
    /// Two whole numbers.
    Pair,
    /// Words, and other text where `open`.
    Word {
        words: &'static [Word],
        open: bool,
    },
    Table(&'static Section),
    /// A table whose keys are names.
    Named(&'static Section),
    List(Box<Shape>),
    /// One, or a list of them.
    OneOrMore(Box<Shape>),
    Either(Vec<Shape>),
}

const fn key(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key {
        name,
        summary,
        shape,
        required: false,
    }
}

const fn required(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key {
        name,
        summary,
        shape,
        required: true,
    }
}

const fn text(example: &'static str) -> Shape {
    Shape::Text {
        example,
        pattern: None,
    }
}

const fn patterned(example: &'static str, pattern: &'static str) -> Shape {
    Shape::Text {
        example,
        pattern: Some(pattern),
    }
}

const fn time() -> Shape {
    patterned("5m", r"^([0-9]+(ms|s|m|h|d))+$|\$")
}

const fn whole(least: i64, most: i64) -> Shape {
    Shape::Whole { least, most }
}

const fn words(words: &'static [Word]) -> Shape {
    Shape::Word { words, open: false }
}

const fn open_words(words: &'static [Word]) -> Shape {
    Shape::Word { words, open: true }
}

/// The largest number of the kernel's `int` fields.
pub(super) const INT_MAX: i64 = i32::MAX as i64;
/// The largest number of the kernel's `u32` fields.
pub(super) const U32_MAX: i64 = u32::MAX as i64;

macro_rules! section {
    ($section:ident, $name:literal, $summary:literal, $keys:expr) => {
        pub(super) static $section: Section = Section {
            name: $name,
            summary: $summary,
            keys: {
                static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| $keys.into());
                &KEYS
            },
        };
    };
}

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
         own; `kernel`, `policy` and `sync` stand in the root file only."
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
            words(words::FOREIGN),
            "About services that director neither made nor adopted."
        ),
        key(
            "drift",
            words(words::DRIFT),
            "About changes that somebody else makes to declared services."
        ),
        key(
            "max_removed",
            patterned("50%", r"^[0-9]+%$|\$"),
            "The largest share of a service's servers that one plan may take away without `--force`; \
         50% by default."
        ),
    ]
);

section!(
    SYNC,
    "a sync daemon",
    "A connection synchronisation daemon.",
    [
        required(
            "role",
            words(words::ROLES),
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
            "The group of directors it belongs to; 0 by default. A backup with id 0 listens to every master."
        ),
        key(
            "max_length",
            whole(0, 65507),
            "Longest payload of a sync message in bytes; 0, the default, takes it from the interface's MTU."
        ),
        key(
            "group",
            text("224.0.0.81"),
            "The multicast group; 224.0.0.81 by default."
        ),
        key("port", whole(1, 65535), "The UDP port; 8848 by default."),
        key(
            "ttl",
            whole(1, 255),
            "The multicasts' time to live; 1 by default."
        ),
    ]
);

fn inherited() -> Vec<Key> {
    vec![
        key(
            "scheduler",
            Shape::Either(vec![
                open_words(words::SCHEDULERS),
                Shape::Table(&SCHEDULER),
            ]),
            "How a server is chosen for a new connection; wlc by default.",
        ),
        key(
            "forward",
            words(words::FORWARD),
            "How packets reach the servers; dr by default.",
        ),
        key(
            "tunnel",
            Shape::Table(&TUNNEL),
            "How packets are wrapped under `forward = \"tun\"`.",
        ),
        key(
            "persistence",
            Shape::Either(vec![time(), Shape::Off, Shape::Table(&PERSISTENCE)]),
            "How long a client stays with its server after its last connection; `false` for not at all, the default.",
        ),
        key(
            "drain",
            time(),
            "How long a server that leaves keeps its connections; 30s by default, \"0s\" to cut them.",
        ),
    ]
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
    [required(
        "servers",
        Shape::List(Box::new(server())),
        "The real servers."
    ),]
);

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
                Shape::List(Box::new(server())),
                "Real servers of its own, instead of a pool.",
            ),
            key(
                "one_packet",
                Shape::Bool,
                "Each UDP datagram is scheduled alone.",
            ),
            key(
                "as_is",
                Shape::Bool,
                "The service is described as it stands in a kernel: what the \
            kernel holds, odd as it may be, is a warning and no mistake.",
            ),
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
            "Its share of the clients; 1 by default, 0 for no new ones."
        ),
        key(
            "max_connections",
            Shape::Either(vec![whole(0, U32_MAX), Shape::Table(&MAX_CONNECTIONS)]),
            "With more connections than that it gets no new ones; 0, the default, for no limit."
        ),
        key(
            "forward",
            words(words::FORWARD),
            "How packets reach it; the service's by default."
        ),
        key(
            "tunnel",
            Shape::Table(&TUNNEL),
            "How packets to it are wrapped; the service's by default."
        ),
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
            "Below this it gets new ones again; 0, the default, for three quarters of the upper one."
        ),
    ]
);

section!(
    SCHEDULER,
    "`scheduler`",
    "A scheduler and its flags.",
    [
        required("name", open_words(words::SCHEDULERS), "Which one."),
        key(
            "flags",
            Shape::OneOrMore(Box::new(open_words(words::FLAGS))),
            "Its flags."
        ),
    ]
);

section!(
    PERSISTENCE,
    "`persistence`",
    "How long, and by what, a client stays with its server.",
    [
        key(
            "timeout",
            time(),
            "For so long after its last connection; 6m by default."
        ),
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
            open_words(words::ENGINES),
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
            open_words(words::TUNNELS),
            "The encapsulation; ipip by default."
        ),
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
            "Whether the outer packet of GUE and GRE carries a checksum; false by default."
        ),
        key(
            "flags",
            whole(0, 65535),
            "The kernel's flag word itself, instead of `checksum`; odd."
        ),
    ]
);

/// What `checksum` can be besides a boolean.
pub(super) const CHECKSUMS: &[Word] = &[Word {
    name: "remote",
    summary: "Remote checksum offload; GUE only.",
    aliases: &[],
    odd: false,
}];

/// Keys of later versions, wherever they stand: a clearer answer than "unknown key".
pub(super) const LATER: &[&str] = &["check", "on_fail", "slow_start", "dynamic_weight"];

impl Section {
    /// The place of a key in [`Section::keys`].
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.name == name)
    }
}

impl Shape {
    /// What can stand there, for the sentence "expected ...".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text { example, .. } => format!("a string such as \"{example}\""),
            Self::Bool => "true or false".to_owned(),
            Self::Off => "false".to_owned(),
            Self::Whole { least, most } => match (*least, *most) {
                (least, most) if least == most => format!("the number {least}"),
                (least, INT_MAX | U32_MAX) => format!("a whole number from {least}"),
                (least, most) => format!("a whole number from {least} to {most}"),
            },
            Self::Pair => "a list of two whole numbers".to_owned(),
            Self::Word { words, .. } => {
                let usual = words.iter().filter(|word| !word.odd);
                let names: Vec<_> = usual.map(|word| format!("\"{}\"", word.name)).collect();
                one_of(&names[..names.len().min(4)], names.len() > 4)
            }
            Self::Table(section) => {
                let names = section.keys.iter().map(|key| key.name);
                let names = names.filter(|name| !name.starts_with('$'));
                let keys = names.take(3).collect::<Vec<_>>().join(", ");
                format!("a table with keys such as {keys}")
            }
            Self::Named(section) => format!("a table whose keys are names, each {}", section.name),
            Self::List(item) => format!("a list, each item {}", item.describe()),
            Self::OneOrMore(item) => format!("{}, or a list of such", item.describe()),
            Self::Either(shapes) => {
                let shapes: Vec<_> = shapes.iter().map(Self::describe).collect();
                shapes.join(", or ")
            }
        }
    }
}

fn one_of(shown: &[String], more: bool) -> String {
    match shown.split_last() {
        _ if more => format!("a word such as {}", shown.join(", ")),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

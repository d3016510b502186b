//! The keys of the service file, section by section.
//!
//! One table for the decoder (known keys, and messages about unknown ones), the schema and the
//! messages about types.

use std::sync::LazyLock;

use serde_json::Value;

use super::vocabulary::{self, Word};

/// A table of the file with fixed keys.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in messages, such as "a service".
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
    /// The value if omitted, where that is a single value.
    pub(super) default: Option<Value>,
    /// Its names in other programs.
    pub(super) aliases: &'static [&'static str],
}

impl Key {
    pub(crate) fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    pub(crate) fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// The shape of a key's value.
#[derive(Debug)]
pub(super) enum Shape {
    /// Any text; an example, and a pattern if there is a short one.
    Text {
        example: &'static str,
        pattern: Option<&'static str>,
    },
    Bool,
    /// `false`, to inherit nothing.
    Off,
    /// An integer, both ends included.
    Whole {
        least: i64,
        most: i64,
    },
    /// Two integers.
    Pair,
    /// A word, or other text if `open`.
    Word {
        words: &'static [Word],
        open: bool,
    },
    Table(&'static Section),
    /// A table whose key `type` selects one of the sections; the word for all of them.
    Tagged(&'static str, &'static [&'static Section]),
    /// A table whose keys are names.
    Named(&'static Section),
    /// A table of names with such values.
    Map(Box<Shape>),
    List(Box<Shape>),
    /// A single value, or a list of them.
    OneOrMore(Box<Shape>),
    Either(Vec<Shape>),
}

pub(crate) fn key(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key {
        name,
        summary,
        shape,
        required: false,
        default: None,
        aliases: &[],
    }
}

pub(crate) fn required(name: &'static str, shape: Shape, summary: &'static str) -> Key {
    Key {
        required: true,
        ..key(name, shape, summary)
    }
}

pub(crate) const fn text(example: &'static str) -> Shape {
    Shape::Text {
        example,
        pattern: None,
    }
}

pub(crate) const fn patterned(example: &'static str, pattern: &'static str) -> Shape {
    Shape::Text {
        example,
        pattern: Some(pattern),
    }
}

pub(crate) const fn time() -> Shape {
    patterned("5m", pattern::TIME)
}

pub(crate) const fn whole(least: i64, most: i64) -> Shape {
    Shape::Whole { least, most }
}

pub(crate) const fn words(words: &'static [Word]) -> Shape {
    Shape::Word { words, open: false }
}

/// The names of all words, for a list whose default is everything.
pub(crate) fn all_of(words: &[Word]) -> Value {
    words.iter().map(|word| word.name).collect()
}

const fn open_words(words: &'static [Word]) -> Shape {
    Shape::Word { words, open: true }
}

/// The maximum of the kernel's `int` fields.
pub(super) const INT_MAX: i64 = i32::MAX as i64;
/// The maximum of the kernel's `u32` fields.
pub(super) const U32_MAX: i64 = u32::MAX as i64;

macro_rules! section {
    ($section:ident, $name:literal, $summary:literal, $keys:expr $(,)?) => {
        pub(crate) static $section: $crate::keys::Section = $crate::keys::Section {
            name: $name,
            summary: $summary,
            keys: {
                use std::sync::LazyLock;
                static KEYS: LazyLock<Vec<$crate::keys::Key>> = LazyLock::new(|| $keys.into());
                &KEYS
            },
        };
    };
}

pub(crate) use section;

mod allow;
mod announce;
mod check;
mod failover;
mod file;
mod health;
pub(crate) mod pattern;
mod pool;
mod service;

pub(super) use allow::ALLOWABLE;
pub(super) use announce::{ANNOUNCE_FOLLOW, ANNOUNCEMENT, MACHINE_ANNOUNCEMENT};
pub(super) use check::{CHECK, common, key_type};
pub(super) use failover::{
    ADDRESS, ANNOUNCE, FAILOVER, FAILOVER_NOTIFY, FOLLOW, MACHINE, MACHINE_ADDRESS,
    MACHINE_FAILOVER, MEMBER, PEER, PEER_TLS, PREEMPT, ROUTE, TRACK, VIRTUAL_ADDRESS, keepalived,
};
pub(super) use file::{DAEMON, KERNEL, POLICY, ROOT, SYNC, TIMEOUTS};
pub(super) use health::{DAMPING, NOTIFY, WEIGHT_STEPS};
pub(super) use pool::{POOL, SETTLE};
pub(super) use service::{
    DEFAULTS, MAX_CONNECTIONS, PERSISTENCE, SCHEDULER, SERVER, SERVICE, TUNNEL, servers,
};

/// Another section with a key that fits: the most likely one first.
pub(super) fn elsewhere(
    section: &Section,
    fits: impl Fn(&Key) -> bool,
) -> Option<(&'static Section, &'static Key)> {
    let (is_check, kinds) = check::kinds(section);
    let fixed: &[&'static Section] = &[
        &SERVICE,
        &SERVER,
        &POOL,
        &CHECK,
        &PERSISTENCE,
        &SCHEDULER,
        &TUNNEL,
        &MAX_CONNECTIONS,
        &DAMPING,
        &WEIGHT_STEPS,
        &NOTIFY,
        &ROOT,
        &POLICY,
        &KERNEL,
        &TIMEOUTS,
        &FAILOVER,
        &ANNOUNCEMENT,
        &SYNC,
        &DAEMON,
    ];
    let (first, then) = match is_check {
        true => (kinds, fixed),
        false => (fixed, kinds),
    };
    let others = first.iter().chain(then).copied();
    others
        .filter(|other| !std::ptr::eq(*other, section))
        .find_map(|other| Some((other, other.keys.iter().find(|key| fits(key))?)))
}

impl Section {
    /// Whether keepalived's words for VRRP may turn up in it.
    pub(super) fn is_about_addresses(&self) -> bool {
        let sections = [
            &ROOT,
            &FAILOVER,
            &MACHINE_FAILOVER,
            &MEMBER,
            &ADDRESS,
            &MACHINE_ADDRESS,
            &VIRTUAL_ADDRESS,
            &ANNOUNCE,
            &ANNOUNCEMENT,
            &MACHINE_ANNOUNCEMENT,
            &PREEMPT,
            &TRACK,
        ];
        sections.iter().any(|section| section.name == self.name)
    }

    /// Its name in messages, where it is not the place of the mistake.
    pub(super) fn place(&self) -> &'static str {
        match std::ptr::eq(self, &raw const CHECK) {
            true => "a check",
            false => self.name,
        }
    }

    /// The key of this name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Shape {
    /// The expected value, for the sentence "expected ...".
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Text { example, .. } => format!("a string such as \"{example}\""),
            Self::Bool => "true or false".to_owned(),
            Self::Off => "false".to_owned(),
            Self::Whole { least, most } => match (*least, *most) {
                (least, most) if least == most => format!("the number {least}"),
                (least, INT_MAX | U32_MAX) => format!("an integer from {least}"),
                (least, most) => format!("an integer from {least} to {most}"),
            },
            Self::Pair => "a list of two integers".to_owned(),
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
            Self::Tagged(..) => "a table with the key `type`".to_owned(),
            Self::Map(item) => format!("a table, each value {}", item.describe()),
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

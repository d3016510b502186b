//! The words of HAProxy, keepalived and ldirectord, and ours for them.
//!
//! A user who comes from one of these programs types its words. [`key`] answers for a key that a
//! section does not have, [`value`] for a word that a key does not take. Words that differ from ours
//! in spelling only, or come from other programs, are aliases in [`keys`](crate::keys) and
//! [`vocabulary`](crate::vocabulary).

mod global_defs;
mod haproxy;
mod keepalived;
mod ldirectord;
mod proxying;

use crate::keys::Section;
use crate::vocabulary::Word;

/// A word of another program that stands where the service file has keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foreign {
    /// Its spellings, in lower case and without `-`, `_` and spaces.
    pub(crate) words: &'static [&'static str],
    /// Our key that does the same, or comes closest.
    pub(crate) ours: Ours,
    /// An example of our key, or how it differs.
    pub(crate) help: &'static str,
}

/// Our key for a word of another program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ours {
    /// The same setting, by this key of this section.
    Same(&'static Section, &'static str),
    /// There is no such setting; this key is what its user looks for.
    Near(&'static Section, &'static str),
}

/// A word of another program that stands where the service file has a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForeignValue {
    /// Its spellings, as in [`Foreign`].
    pub(crate) words: &'static [&'static str],
    /// Our word.
    pub(crate) ours: &'static str,
    /// How it differs, if it does.
    pub(crate) help: Option<&'static str>,
}

/// Words of one program.
#[derive(Debug)]
struct Program {
    /// In the genitive.
    of: &'static str,
    keys: &'static [Foreign],
    values: &'static [ForeignValue],
}

static PROGRAMS: [Program; 5] = [
    Program {
        of: "HAProxy's",
        keys: haproxy::KEYS,
        values: haproxy::VALUES,
    },
    Program {
        of: "HAProxy's",
        keys: proxying::KEYS,
        values: &[],
    },
    Program {
        of: "keepalived's",
        keys: keepalived::KEYS,
        values: keepalived::VALUES,
    },
    Program {
        of: "keepalived's",
        keys: global_defs::KEYS,
        values: &[],
    },
    Program {
        of: "ldirectord's",
        keys: ldirectord::KEYS,
        values: ldirectord::VALUES,
    },
];

/// What to say about a key.
pub(crate) struct Advice {
    /// Below the word.
    pub(crate) label: String,
    pub(crate) help: &'static str,
    /// Our key, and its section.
    pub(crate) ours: &'static str,
    pub(crate) home: &'static Section,
    /// Whether the section has that key.
    pub(crate) here: bool,
}

/// About a key that a section does not have.
pub(crate) fn key(typed: &str, section: &Section) -> Option<Advice> {
    // "option httpchk", "timeout client": as a whole, or the first word.
    let first = typed.split(' ').next().unwrap_or(typed);
    [typed, first]
        .into_iter()
        .find_map(|word| about_key(&plain(word), section))
}

fn about_key(typed: &str, section: &Section) -> Option<Advice> {
    let known = PROGRAMS
        .iter()
        .flat_map(|program| program.keys.iter().map(move |foreign| (program, foreign)))
        .filter(|(_, foreign)| foreign.words.contains(&typed));
    // Of two programs with the same word, the one whose setting belongs here is meant.
    let is_here = |foreign: &Foreign| section.key(foreign.ours.key().1).is_some();
    let (program, foreign) = known.min_by_key(|(_, foreign)| !is_here(foreign))?;
    let (home, ours) = foreign.ours.key();
    let here = is_here(foreign);
    let place = match here {
        true => String::new(),
        false => format!(" of {}", home.place()),
    };
    let label = match foreign.ours {
        Ours::Same(..) => format!("{} word for `{ours}`{place}", program.of),
        Ours::Near(..) => format!("{} word; see `{ours}`{place}", program.of),
    };
    let help = foreign.help;
    Some(Advice {
        label,
        help,
        ours,
        home,
        here,
    })
}

/// About a word that a key does not take: our word for it.
pub(crate) fn value(typed: &str, words: &[Word]) -> Option<(&'static str, Option<&'static str>)> {
    let typed = plain(typed);
    let all = PROGRAMS.iter().flat_map(|program| program.values);
    let mut fitting = all.filter(|foreign| {
        foreign.words.contains(&typed.as_str())
            && words.iter().any(|word| word.name == foreign.ours)
    });
    fitting.next().map(|foreign| (foreign.ours, foreign.help))
}

impl Ours {
    const fn key(self) -> (&'static Section, &'static str) {
        let (Self::Same(section, key) | Self::Near(section, key)) = self;
        (section, key)
    }
}

/// A word without what its spellings differ in.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

/// Shorter lines in the tables.
const fn same(
    words: &'static [&'static str],
    section: &'static Section,
    key: &'static str,
    help: &'static str,
) -> Foreign {
    let ours = Ours::Same(section, key);
    Foreign { words, ours, help }
}

const fn near(
    words: &'static [&'static str],
    section: &'static Section,
    key: &'static str,
    help: &'static str,
) -> Foreign {
    let ours = Ours::Near(section, key);
    Foreign { words, ours, help }
}

const fn word(words: &'static [&'static str], ours: &'static str) -> ForeignValue {
    let help = None;
    ForeignValue { words, ours, help }
}

const fn about(
    words: &'static [&'static str],
    ours: &'static str,
    help: &'static str,
) -> ForeignValue {
    let help = Some(help);
    ForeignValue { words, ours, help }
}

//! The words of an agent, in HAProxy's agent-check protocol.
//!
//! ```text
//!   up ready 75%                  any of them, in any order, divided by blanks, tabs or commas
//!   down#disk full                a description, for people
//!   maint
//! ```
//!
//! A missing word leaves its setting unchanged: `down` holds until `up`, `drain` and `maint` until
//! `ready`, a weight until another one.

use super::attempt::Memory;
use crate::Admin;

/// The meaning of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Words<'a> {
    /// Whether the server is up.
    pub(super) up: Option<bool>,
    /// Whether the server should get new clients.
    pub(super) admin: Option<Admin>,
    /// Its weight in percent.
    pub(super) weight: Option<u16>,
    /// Its message to people.
    pub(super) description: &'a str,
    /// The first word that is not part of the protocol.
    pub(super) unknown: Option<&'a str>,
}

impl<'a> Words<'a> {
    /// Parses the first line of an answer. The last of contradicting words wins.
    pub(super) fn parse(answer: &'a str) -> Self {
        let line = answer.lines().next().unwrap_or_default();
        let (line, description) = line.split_once('#').unwrap_or((line, ""));
        let mut words = Self {
            description: description.trim(),
            ..Self::default()
        };
        let separators = [' ', '\t', ','];
        for word in line.split(separators).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_str() {
                "up" => words.up = Some(true),
                "down" | "fail" | "failed" | "stopped" => words.up = Some(false),
                "ready" => words.admin = Some(Admin::Ready),
                "drain" => words.admin = Some(Admin::Drain),
                "maint" => words.admin = Some(Admin::Maint),
                // The kernel counts connections, with limits of its own.
                lower if lower.starts_with("maxconn:") => {}
                lower => match lower.strip_suffix('%').and_then(percent) {
                    Some(weight) => words.weight = Some(weight),
                    None => words.unknown = words.unknown.or(Some(word)),
                },
            }
        }
        words
    }

    /// Whether it contains no word of the protocol.
    pub(super) const fn is_empty(&self) -> bool {
        self.up.is_none() && self.admin.is_none() && self.weight.is_none()
    }

    /// The state that holds from now on.
    pub(super) fn after(&self, before: Memory) -> Memory {
        let mut memory = before;
        memory.down = self.up.map_or(before.down, |up| !up);
        memory.advice.admin = self.admin.unwrap_or(before.advice.admin);
        memory.advice.weight = self.weight.or(before.advice.weight);
        memory
    }
}

/// A percentage, 0 to 10,000, with or without the percent sign.
pub(super) fn percent(word: &str) -> Option<u16> {
    let digits = word.strip_suffix('%').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|percent| *percent <= 10_000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Advice;

    #[test]
    fn percentages() {
        for (word, value) in [
            ("0", Some(0)),
            ("75%", Some(75)),
            ("10000", Some(10_000)),
            ("10001", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("+1", None),
            ("7.5", None),
            ("%", None),
            ("", None),
        ] {
            assert_eq!(percent(word), value, "{word}");
        }
    }

    #[test]
    fn words_in_any_order_and_case() {
        let words = Words::parse("UP\tready,75% maxconn:30 #all is well\r\nnext line: down");
        assert_eq!(words.up, Some(true));
        assert_eq!(words.admin, Some(Admin::Ready));
        assert_eq!(words.weight, Some(75));
        assert_eq!(words.description, "all is well");
        assert_eq!(words.unknown, None);
        assert_eq!(
            Words::parse("75").unknown,
            Some("75"),
            "a weight has its sign"
        );
        assert_eq!(Words::parse("up down").up, Some(false));
        assert!(Words::parse("hello maxconn:5").is_empty());
    }

    #[test]
    fn what_is_not_said_stays_as_it_was() {
        let mut memory = Memory::default();
        for (answer, down, admin, weight) in [
            ("drain", false, Admin::Drain, None),
            ("50%", false, Admin::Drain, Some(50)),
            ("down#disk full", true, Admin::Drain, Some(50)),
            ("ready", true, Admin::Ready, Some(50)),
            ("up 100%", false, Admin::Ready, Some(100)),
        ] {
            memory = Words::parse(answer).after(memory);
            assert_eq!(
                (memory.down, memory.advice),
                (down, Advice { weight, admin })
            );
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(answer in "\\PC*") {
            let words = Words::parse(&answer);
            prop_assert!(words.weight <= Some(10_000));
            prop_assert!(words.description.len() <= answer.len());
        }

        #[test]
        fn words_mean_the_same_among_any_separators(
            picks in prop::collection::vec((0usize..9, "[ \t,]{1,3}"), 0..8),
        ) {
            let known = ["up", "down", "fail", "stopped", "drain", "maint", "ready", "7%", "300%"];
            let line: String = picks.iter().flat_map(|(pick, gap)| [gap, known[*pick]]).collect();
            let words = Words::parse(&line);
            let last = |of: std::ops::Range<usize>| {
                picks.iter().rev().find(|(pick, _)| of.contains(pick)).map(|(pick, _)| known[*pick])
            };
            prop_assert_eq!(words.up, last(0..4).map(|word| word == "up"));
            prop_assert_eq!(words.admin.is_some(), last(4..7).is_some());
            prop_assert_eq!(words.weight, last(7..9).and_then(percent));
            prop_assert_eq!(words.is_empty(), picks.is_empty());
            prop_assert_eq!(words.unknown, None);
        }
    }
}

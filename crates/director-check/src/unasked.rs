//! Checks that could not be carried out because this machine lacked something.
//!
//! They say nothing about the server, whose verdict stays. To make this visible, the
//! [`Record`](super::Record) shows it from the first one on, and a finding follows after several in
//! a row.

use std::sync::Arc;
use std::time::SystemTime;

/// The number of consecutive ones that causes a finding.
const ENOUGH: u32 = 3;

/// Why a target is not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotChecked {
    /// When the first of these consecutive checks started.
    pub since: SystemTime,
    /// Consecutive checks that could not be carried out.
    pub streak: u32,
    /// What was missing at the last one.
    pub why: Box<str>,
}

/// A change worth reporting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It has not been checked for a while.
    NotChecked(Arc<str>),
    /// It is checked again.
    Checked,
}

/// Tracks one target.
#[derive(Debug, Default)]
pub(super) struct Unasked(Option<NotChecked>);

impl Unasked {
    /// Records a check that began at `at`: carried out, or not for this reason.
    pub(super) fn note(&mut self, not_asked: Option<&str>, at: SystemTime) -> Option<News> {
        let Some(text) = not_asked else {
            let before = self.0.take()?;
            return (before.streak >= ENOUGH).then_some(News::Checked);
        };
        let why = text.strip_prefix("not checked: ").unwrap_or(text);
        let now = self.0.get_or_insert_with(|| NotChecked {
            since: at,
            streak: 0,
            why: Box::default(),
        });
        now.streak = now.streak.saturating_add(1);
        if *now.why != *why {
            now.why = why.into();
        }
        (now.streak == ENOUGH).then(|| News::NotChecked(why.into()))
    }

    /// The current state.
    pub(super) fn now(&self) -> Option<Box<NotChecked>> {
        self.0.clone().map(Box::new)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_third_in_a_row_is_news_and_so_is_the_first_that_is_asked_again() {
        let mut unasked = Unasked::default();
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        assert_eq!(unasked.note(Some("not checked: no program"), at(1)), None);
        assert_eq!(unasked.note(None, at(2)), None, "one is nothing to tell of");
        for second in [3, 4] {
            assert_eq!(
                unasked.note(Some("not checked: no program"), at(second)),
                None
            );
        }
        assert_eq!(
            unasked.note(Some("not checked: no files"), at(5)),
            Some(News::NotChecked("no files".into()))
        );
        assert_eq!(unasked.note(Some("no files"), at(6)), None, "told once");
        let now = unasked.now().expect("it is not checked");
        assert_eq!((now.since, now.streak, &*now.why), (at(3), 4, "no files"));
        assert_eq!(unasked.note(None, at(7)), Some(News::Checked));
        assert_eq!(unasked.now(), None);
    }
}

//! Rise and fall: turns single results into a verdict.
//!
//! ```text
//!            rise successes in a row              fall failures in a row
//!   Open ─────────────────────────────► Up ◄──────────────────────────── Open
//!                                       │ ▲
//!               fall failures in a row  ▼ │  rise successes in a row
//!                                      Down
//! ```
//!
//! A pure state machine: a function of the results in order, without even the time.

use super::Verdict;

/// The verdict on one target from its results so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judge {
    verdict: Verdict,
    /// The last result.
    passed: bool,
    /// Consecutive equal results; 0 before the first.
    streak: u32,
}

impl Judge {
    /// Starts with a verdict and no results.
    pub(crate) const fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            passed: true,
            streak: 0,
        }
    }

    /// Takes another result. Returns the verdict if it changed.
    ///
    /// `rise` and `fall` are at least 1; 0 counts as 1.
    #[must_use]
    pub(crate) fn hear(&mut self, passed: bool, rise: u32, fall: u32) -> Option<Verdict> {
        self.streak = if self.passed == passed {
            self.streak.saturating_add(1)
        } else {
            1
        };
        self.passed = passed;
        let (says, enough) = if passed {
            (Verdict::Up, rise)
        } else {
            (Verdict::Down, fall)
        };
        if self.verdict == says || self.streak < enough {
            return None;
        }
        self.verdict = says;
        Some(says)
    }

    /// Earlier results no longer count. A target that was up has no verdict then.
    pub(crate) const fn begin_anew(&mut self) {
        let verdict = match self.verdict {
            Verdict::Open | Verdict::Up => Verdict::Open,
            Verdict::Down => Verdict::Down,
        };
        *self = Self::new(verdict);
    }

    /// Whether the target is down.
    pub(crate) const fn is_down(&self) -> bool {
        matches!(self.verdict, Verdict::Down)
    }

    /// Consecutive results equal to the last one.
    pub(crate) const fn streak(&self) -> u32 {
        self.streak
    }

    /// Whether the verdict is open, or the last result contradicts it: then the next result is
    /// needed sooner.
    pub(crate) fn is_unsettled(&self) -> bool {
        match self.verdict {
            Verdict::Open => true,
            Verdict::Up => self.streak > 0 && !self.passed,
            Verdict::Down => self.streak > 0 && self.passed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Verdict::Open), Just(Verdict::Up), Just(Verdict::Down)]
    }

    /// The definition stated differently: looks back over all results each time.
    fn by_definition(begin: Verdict, answers: &[bool], rise: u32, fall: u32) -> Verdict {
        let mut verdict = begin;
        for end in 1..=answers.len() {
            let last_are = |passed, number: u32| {
                let number = number.max(1) as usize;
                end >= number && answers[end - number..end].iter().all(|a| *a == passed)
            };
            if last_are(true, rise) {
                verdict = Verdict::Up;
            } else if last_are(false, fall) {
                verdict = Verdict::Down;
            }
        }
        verdict
    }

    proptest! {
        #[test]
        fn the_machine_does_what_the_definition_says(
            begin in verdict(),
            answers in prop::collection::vec(any::<bool>(), 0..60),
            rise in 0u32..6,
            fall in 0u32..6,
        ) {
            let mut judge = Judge::new(begin);
            let mut told = begin;
            for (number, passed) in answers.iter().enumerate() {
                if let Some(new) = judge.hear(*passed, rise, fall) {
                    prop_assert_ne!(new, told, "only a change is told");
                    told = new;
                }
                let heard = &answers[..=number];
                prop_assert_eq!(told, by_definition(begin, heard, rise, fall));
                let agrees = told == if *passed { Verdict::Up } else { Verdict::Down };
                prop_assert_eq!(judge.is_unsettled(), !agrees);
                let row = heard.iter().rev().take_while(|a| *a == passed).count();
                prop_assert_eq!(judge.streak() as usize, row);
            }
        }

        #[test]
        fn fewer_failures_than_fall_never_take_a_server_out(fall in 2u32..10, turns in 1usize..50) {
            let mut judge = Judge::new(Verdict::Up);
            for _ in 0..turns {
                for _ in 1..fall {
                    prop_assert_eq!(judge.hear(false, 1, fall), None);
                }
                prop_assert_eq!(judge.hear(true, 1, fall), None);
            }
        }
    }

    #[test]
    fn judged_anew_it_takes_as_many_results_as_at_first() {
        let mut judge = Judge::new(Verdict::Open);
        assert_eq!(judge.hear(true, 1, 3), Some(Verdict::Up));
        judge.begin_anew();
        assert!(judge.is_unsettled());
        assert_eq!(judge.hear(true, 2, 3), None);
        judge.begin_anew();
        assert_eq!(
            judge.hear(true, 2, 3),
            None,
            "the one before counts no more"
        );
        assert_eq!(judge.hear(true, 2, 3), Some(Verdict::Up));
        for _ in 1..3 {
            assert_eq!(judge.hear(false, 2, 3), None);
        }
        assert_eq!(judge.hear(false, 2, 3), Some(Verdict::Down));
        assert_eq!(judge.hear(true, 2, 3), None);
        judge.begin_anew();
        assert!(judge.is_down(), "it is down until it passes");
        assert_eq!(judge.hear(true, 2, 3), None);
        assert_eq!(judge.hear(true, 2, 3), Some(Verdict::Up));
    }

    #[test]
    fn a_verdict_taken_over_is_settled_until_an_answer_speaks_against_it() {
        let mut judge = Judge::new(Verdict::Down);
        assert!(!judge.is_unsettled());
        assert_eq!(judge.hear(true, 2, 3), None);
        assert!(judge.is_unsettled());
        assert_eq!(judge.hear(true, 2, 3), Some(Verdict::Up));
        assert!(!judge.is_unsettled());
    }
}

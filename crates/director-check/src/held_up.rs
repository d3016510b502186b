//! Detects when the director itself did not run.
//!
//! When a virtual machine is paused, or a busy one gets no processor, time jumps for the director,
//! and answers to checks are late through no fault of the servers. Counting them all as failures
//! would take out a whole farm. A check that timed out is therefore not counted if the director did
//! not run for a large part of it ([`LEAST_PART`]); it is repeated instead. Only once in a row: a
//! machine that is delayed all the time still detects dead servers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Shorter delays are normal on a machine with other work.
const LEAST: Duration = Duration::from_millis(50);

/// A check is excused if it lost at least one part in this many of its time.
const LEAST_PART: u32 = 4;

/// The number of delays remembered.
const REMEMBERED: usize = 32;

/// The times when the checks' thread was due to run but did not.
#[derive(Debug, Default)]
pub(crate) struct HeldUp {
    delays: VecDeque<Delay>,
}

#[derive(Debug, Clone, Copy)]
struct Delay {
    ended: Instant,
    length: Duration,
}

impl HeldUp {
    /// The thread read the clock at `before`, was due at `until`, and ran at `now`.
    pub(crate) fn note(&mut self, before: Instant, until: Option<Instant>, now: Instant) {
        // Without a due time nothing can be late.
        let Some(until) = until else { return };
        let length = now.saturating_duration_since(until.max(before));
        if length < LEAST {
            return;
        }
        self.delays.truncate(REMEMBERED - 1);
        self.delays.push_front(Delay { ended: now, length });
    }

    /// How much of the time of a timed-out check that began at `began` the thread did not run;
    /// `None` if that was little.
    pub(crate) fn excuse(&self, began: Instant, timeout: Duration) -> Option<Duration> {
        let during = self.delays.iter().take_while(|delay| delay.ended > began);
        let lost = during
            .map(|delay| {
                delay
                    .length
                    .min(delay.ended.saturating_duration_since(began))
            })
            .sum::<Duration>();
        (!lost.is_zero() && lost * LEAST_PART >= timeout).then_some(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_pause_excuses_what_was_under_way() {
        let start = Instant::now();
        let mut held_up = HeldUp::default();
        // It was due in a millisecond, and ran after three seconds.
        held_up.note(start, Some(start + MS), start + 3 * SECOND);
        let lost = held_up.excuse(start - 10 * MS, SECOND).unwrap();
        assert_eq!(lost, 3 * SECOND - MS);
        assert_eq!(held_up.excuse(start + 2 * SECOND, SECOND), Some(SECOND));
        assert_eq!(
            held_up.excuse(start + 3 * SECOND, SECOND),
            None,
            "began after it"
        );
    }

    #[test]
    fn small_delays_add_up_but_not_to_nothing() {
        let start = Instant::now();
        let mut held_up = HeldUp::default();
        let mut now = start;
        for _ in 0..4 {
            held_up.note(now, Some(now + 100 * MS), now + 180 * MS);
            now += 180 * MS;
        }
        assert_eq!(held_up.excuse(start, SECOND), Some(320 * MS));
        assert_eq!(
            held_up.excuse(start, 2 * SECOND),
            None,
            "less than a quarter"
        );
    }

    #[test]
    fn a_wait_that_ends_in_time_or_early_or_has_no_end_is_no_delay() {
        let start = Instant::now();
        let mut held_up = HeldUp::default();
        held_up.note(start, Some(start + SECOND), start + SECOND + 20 * MS);
        held_up.note(start, Some(start + SECOND), start + 20 * MS);
        held_up.note(start, None, start + 100 * SECOND);
        assert_eq!(held_up.excuse(start, MS), None);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let start = Instant::now();
        let mut held_up = HeldUp::default();
        for n in 0..1_000 {
            let before = start + n * SECOND;
            held_up.note(before, Some(before), before + 100 * MS);
        }
        assert_eq!(held_up.delays.len(), REMEMBERED);
    }
}

//! When the director itself did not run.
//!
//! A virtual machine is paused, a busy one gets no processor: for the director the time jumps, and
//! the answers to the checks under way are late through no fault of the servers. Whoever judges
//! them all dead then takes a whole farm out. So a check that ran out of time is not counted if for
//! a good part of it ([`LEAST_PART`]) nobody was there to hear the answer; it is asked again
//! instead. Only once in a row: a machine that is held up all the time still finds its dead.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Shorter delays are the daily bread of a machine with other things to do.
const LEAST: Duration = Duration::from_millis(50);

/// The part of its time that a check must have lost not to be counted: one in so many.
const LEAST_PART: u32 = 4;

/// So many delays are remembered.
const REMEMBERED: usize = 32;

/// The times when the thread of the checks did not run although it wanted to.
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
    /// The thread looked at the clock at `before`, wanted to be back at `until`, and was at `now`.
    pub(crate) fn note(&mut self, before: Instant, until: Option<Instant>, now: Instant) {
        // Without anything to be back for there is nothing that could be late.
        let Some(until) = until else { return };
        let length = now.saturating_duration_since(until.max(before));
        if length < LEAST {
            return;
        }
        self.delays.truncate(REMEMBERED - 1);
        self.delays.push_front(Delay { ended: now, length });
    }

    /// How much of the time of a check that began at `began`, and ran out of its time, nobody was
    /// there; `None` if that was little.
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
        // It wanted to be back in a millisecond, and was after three seconds.
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

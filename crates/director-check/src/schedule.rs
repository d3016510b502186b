//! Decides when each target is checked.
//!
//! ```text
//!   grid    |---- interval ----|---- interval ----|---- interval ----|     no drift: grid + n × interval
//!   due     ·|                ·    |              ·  |                     grid + a random part of the jitter
//!   started ··|                    ·|                ··|                   due + lateness
//! ```
//!
//! - **Start to start.** Intervals are counted on the target's own grid, not from when the last
//!   check really started or ended. Two checks of a target never overlap: one that takes longer
//!   than the interval is followed immediately by the next, and the grid restarts there.
//! - **Jitter** moves a check on the grid, not the grid: two neighbours are never farther apart
//!   than the interval and its jitter.
//! - **Newcomers** start 200 µs apart, so that one is checked immediately and ten thousand within
//!   two seconds; from there they move to a random place in the interval, in one or two shorter
//!   steps, which spreads them evenly.
//! - **A late machine does not cause bursts.** Missed checks are not made up for, each target that
//!   is due is checked once; and checks start at most at twice the usual rate, apart from a tenth
//!   of a second's worth.
//!
//! A pure data structure: time and randomness are arguments. Each operation takes O(log n).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::TargetId;
use super::table::Table;
use director_config::state::Share;

/// The time between the first checks of two newcomers.
const LINE_UP: Duration = Duration::from_micros(200);

/// The size of a burst after a time without checks, in seconds at twice the usual rate ...
const BURST_SECONDS: f64 = 0.1;

/// ... or in checks, whichever is more.
const BURST_CHECKS: f64 = 64.0;

/// The interval of a target that is not due at any time.
const PARKED: Duration = Duration::MAX;

/// A small source of chance, splitmix64: what it says is spread well, and the same for one seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A time from zero to `limit`.
    fn up_to(&mut self, limit: Duration) -> Duration {
        let nanos = u128::from(nanos(limit)) * u128::from(self.next() >> 32);
        Duration::from_nanos(u64::try_from(nanos >> 32).unwrap_or(u64::MAX))
    }
}

/// A check to start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// The target.
    pub(crate) id: TargetId,
    /// When it should have started.
    pub(crate) at: Instant,
}

/// When each target is due.
#[derive(Debug)]
pub(crate) struct Schedule {
    beats: Table<Beat>,
    due: BTreeSet<(Instant, TargetId)>,
    chance: Chance,
    /// When the last of the line of newcomers is due.
    line: Option<Instant>,
    /// The usual rate, in checks per second.
    rate: f64,
    /// The number of recent checks. Grows with each check, drains at twice the usual rate, and does
    /// not overflow: a leaky bucket.
    level: f64,
    /// When the level was computed.
    level_at: Option<Instant>,
}

/// The timing of one target.
#[derive(Debug)]
struct Beat {
    interval: Duration,
    jitter: Share,
    /// The grid point of the last check, or of the first.
    grid: Instant,
    /// When it is due; `None` while it is checked.
    due: Option<Instant>,
    /// When the last check started.
    began: Option<Instant>,
    place: Placement,
}

/// Whether a target has its own place in its interval.
#[derive(Debug, Clone, Copy)]
enum Placement {
    /// It is where the line of newcomers put it.
    Line,
    /// It takes two steps to its place; this is the second.
    Halfway(Duration),
    /// It has its own place.
    Own,
}

impl Schedule {
    pub(crate) fn new(chance: Chance) -> Self {
        Self {
            beats: Table::default(),
            due: BTreeSet::new(),
            chance,
            line: None,
            rate: 0.0,
            level: 0.0,
            level_at: None,
        }
    }

    /// The number of targets.
    pub(crate) fn len(&self) -> usize {
        self.beats.len()
    }

    /// Reserves room for this many targets in all.
    pub(crate) fn make_room(&mut self, all: usize) {
        self.beats.make_room(all);
    }

    /// Adds a target, or restarts a known one.
    pub(crate) fn start(&mut self, id: TargetId, interval: Duration, jitter: Share, now: Instant) {
        self.stop(id);
        let lined_up = self.line.map_or(now, |last| now.max(last + LINE_UP));
        let at = if lined_up <= now + interval {
            self.line = Some(lined_up);
            lined_up
        } else {
            now + self.chance.up_to(interval)
        };
        self.rate += per_second(interval);
        self.due.insert((at, id));
        let beat = Beat {
            interval,
            jitter,
            grid: at,
            due: Some(at),
            began: None,
            place: Placement::Line,
        };
        self.beats.insert(id, beat);
    }

    /// Removes a target.
    pub(crate) fn stop(&mut self, id: TargetId) {
        if let Some(beat) = self.beats.remove(id) {
            self.rate -= per_second(beat.interval);
            if self.beats.is_empty() {
                // Clear rounding errors of additions and subtractions.
                self.rate = 0.0;
            }
            if let Some(at) = beat.due {
                self.due.remove(&(at, id));
            }
        }
    }

    /// When [`Self::pop`] has something next; in the past if it has now.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (at, id) = self.due.first()?;
        let over = self.level + 1.0 - self.capacity();
        if over <= 0.0 || self.is_newcomer(*id) {
            return Some(*at);
        }
        let drained = Duration::try_from_secs_f64(over / (2.0 * self.rate)).unwrap_or_default();
        Some(
            self.level_at
                .map_or(*at, |since| (*at).max(since + drained)),
        )
    }

    /// A target to check now. It is in progress from then on, until [`Self::finished`] or
    /// [`Self::stop`].
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        let (at, id) = self.due.pop_first()?;
        if !self.is_newcomer(id) {
            let since = self.level_at.replace(now).unwrap_or(now);
            let drained = now.saturating_duration_since(since).as_secs_f64() * 2.0 * self.rate;
            self.level = (self.level - drained).max(0.0) + 1.0;
            self.level = self.level.min(self.capacity());
        }
        if let Some(beat) = self.beats.get_mut(id) {
            beat.due = None;
        }
        Some(Due { id, at })
    }

    /// Records the real start of a check; `due` says when it should have started. Returns the time
    /// since the previous start.
    pub(crate) fn began(&mut self, due: Due, now: Instant) -> Option<Duration> {
        let beat = self.beats.get_mut(due.id)?;
        // Missed checks are not made up for: continue from the last past grid point.
        let missed = nanos(now.saturating_duration_since(beat.grid)) / nanos(beat.interval).max(1);
        if missed > 0 && beat.began.is_some() {
            let interval = nanos(beat.interval);
            beat.grid += Duration::from_nanos(interval.saturating_mul(missed));
        }
        let before = beat.began.replace(now);
        before.map(|before| now.saturating_duration_since(before))
    }

    /// Records the end of a check; the next comes after `interval`.
    pub(crate) fn finished(&mut self, id: TargetId, interval: Duration, now: Instant) {
        let Some(beat) = self.beats.get_mut(id) else {
            return;
        };
        if beat.due.is_some() {
            return;
        }
        if beat.interval != interval {
            self.rate += per_second(interval) - per_second(beat.interval);
            beat.interval = interval;
        }
        let began = beat.began.unwrap_or(now);
        let due = match beat.place {
            Placement::Line => {
                // Every place in the interval is equally likely. A near one is reached in two
                // steps, so that no step is shorter than half the interval or longer than it.
                let shift = self.chance.up_to(interval);
                let step = if shift >= interval / 2 {
                    beat.place = Placement::Own;
                    shift
                } else {
                    let step = (interval + shift) / 2;
                    beat.place = Placement::Halfway(step);
                    step
                };
                beat.grid = began + step;
                beat.grid
            }
            Placement::Halfway(step) => {
                beat.place = Placement::Own;
                beat.grid += step.min(interval);
                beat.grid
            }
            Placement::Own => {
                beat.grid += interval;
                // Half of the jitter to either side; a sixteenth of it is left for lateness.
                let most = interval * u32::from(beat.jitter.get()) / 100 * 15 / 32;
                beat.grid - most + self.chance.up_to(most * 2)
            }
        };
        let due = due.max(began + interval / 2);
        let due = if due <= now {
            beat.grid = now;
            now
        } else {
            due
        };
        beat.due = Some(due);
        self.due.insert((due, id));
    }

    /// Its check has ended, and nothing is due until [`Self::seize`].
    pub(crate) fn park(&mut self, id: TargetId) {
        if let Some(beat) = self.beats.get_mut(id) {
            self.rate += per_second(PARKED) - per_second(beat.interval);
            beat.interval = PARKED;
        }
    }

    /// It is under way from now on, whether it was parked or due some time. Its grid begins anew.
    pub(crate) fn seize(&mut self, id: TargetId, now: Instant) {
        if let Some(beat) = self.beats.get_mut(id) {
            beat.grid = now;
            beat.place = Placement::Own;
            if let Some(at) = beat.due.take() {
                self.due.remove(&(at, id));
            }
        }
    }

    fn is_newcomer(&self, id: TargetId) -> bool {
        self.beats.get(id).is_none_or(|beat| beat.began.is_none())
    }

    /// The number of checks that may start immediately.
    fn capacity(&self) -> f64 {
        (2.0 * self.rate * BURST_SECONDS).max(BURST_CHECKS)
    }
}

/// Checks per second.
fn per_second(interval: Duration) -> f64 {
    1.0 / interval.as_secs_f64().max(0.001)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;

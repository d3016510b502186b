//! What the director counts of its own work, for metrics.
//!
//! Any thread adds, any thread reads: relaxed atomics, each consistent in itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::event::EventKind;

/// The counters. They start at 0 with the process.
#[derive(Debug)]
pub struct Meters {
    /// Service files that came into force, the first one included.
    pub loads: Count,
    /// Service files that were rejected.
    pub rejections: Count,
    /// From the order to read the file that is in force to the moment when it was.
    pub load_time: Time,
    /// Comparisons of the kernel's tables with the believed ones.
    pub reconciles: Count,
    /// How long all of them took together.
    pub reconcile_time: Time,
    /// Services or settings that another program changed and the director repaired.
    pub repairs: Count,
    /// Operations that the kernel carried out.
    pub done: Count,
    /// Operations that the kernel refused, or whose answer was lost.
    pub refused: Count,
    events: Box<[Count]>,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A time, in microseconds.
#[derive(Debug, Default)]
pub struct Time(AtomicU64);

impl Time {
    /// Replaces it.
    pub fn set(&self, time: Duration) {
        self.0.store(micros(time), Relaxed);
    }

    /// Adds to it.
    pub fn add(&self, time: Duration) {
        self.0.fetch_add(micros(time), Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Relaxed))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The values at one moment; the fields have the names of [`Meters`].
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields of `Meters` say it")]
pub struct Reading {
    pub loads: u64,
    pub rejections: u64,
    pub load_time: Duration,
    pub reconciles: u64,
    pub reconcile_time: Duration,
    pub repairs: u64,
    pub done: u64,
    pub refused: u64,
    /// Events by kind, in the order of [`EventKind::ALL`].
    pub events: Vec<(EventKind, u64)>,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            loads: Count::default(),
            rejections: Count::default(),
            load_time: Time::default(),
            reconciles: Count::default(),
            reconcile_time: Time::default(),
            repairs: Count::default(),
            done: Count::default(),
            refused: Count::default(),
            events: EventKind::ALL.iter().map(|_| Count::default()).collect(),
        }
    }
}

impl Meters {
    /// Counts an event.
    pub(super) fn event(&self, kind: EventKind) {
        let place = EventKind::ALL.iter().position(|known| *known == kind);
        if let Some(count) = place.and_then(|place| self.events.get(place)) {
            count.add(1);
        }
    }

    /// The values now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let events = self.events.iter().map(Count::get);
        Reading {
            loads: self.loads.get(),
            rejections: self.rejections.get(),
            load_time: self.load_time.get(),
            reconciles: self.reconciles.get(),
            reconcile_time: self.reconcile_time.get(),
            repairs: self.repairs.get(),
            done: self.done.get(),
            refused: self.refused.get(),
            events: EventKind::ALL.iter().copied().zip(events).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_event_has_a_count_of_its_own() {
        let meters = Meters::default();
        for (times, kind) in EventKind::ALL.iter().enumerate() {
            (0..times).for_each(|_| meters.event(*kind));
        }
        let counts: Vec<u64> = meters
            .read()
            .events
            .iter()
            .map(|(_, count)| *count)
            .collect();
        assert_eq!(counts, (0..EventKind::ALL.len() as u64).collect::<Vec<_>>());
    }
}

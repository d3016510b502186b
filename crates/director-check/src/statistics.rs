//! How punctual the checks are; readable by others while they run.
//!
//! One thread writes, any thread reads: relaxed atomics, each consistent in itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How punctual the checks have been since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// The number of targets.
    pub targets: u64,
    /// Checks in progress.
    pub under_way: u64,
    /// Checks that are due and wait because the limit is reached.
    pub waiting: u64,
    /// The most concurrent checks, limited by descriptors.
    pub most_under_way: u64,
    /// Checks started.
    pub started: u64,
    /// Successful checks.
    pub passed: u64,
    /// Failed checks.
    pub failed: u64,
    /// Checks that could not be carried out because this machine lacked something.
    pub not_asked: u64,
    /// Checks that had to wait because the limit was reached.
    pub held: u64,
    /// How late checks started.
    pub lateness: Lateness,
    /// The longest time from the start of a check to the start of the target's next.
    pub longest_gap: Duration,
}

/// How late checks started, against their due times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness {
    /// The median, rounded up by at most a sixteenth.
    pub median: Duration,
    /// The 99th percentile, rounded likewise.
    pub p99: Duration,
    /// The maximum.
    pub max: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) targets: Counter,
    pub(crate) under_way: Counter,
    pub(crate) waiting: Counter,
    pub(crate) most_under_way: Counter,
    pub(crate) started: Counter,
    pub(crate) passed: Counter,
    pub(crate) failed: Counter,
    pub(crate) not_asked: Counter,
    pub(crate) held: Counter,
    pub(crate) longest_gap: Counter,
    pub(crate) lateness: Histogram,
}

impl Counters {
    pub(crate) fn read(&self) -> Statistics {
        Statistics {
            targets: self.targets.get(),
            under_way: self.under_way.get(),
            waiting: self.waiting.get(),
            most_under_way: self.most_under_way.get(),
            started: self.started.get(),
            passed: self.passed.get(),
            failed: self.failed.get(),
            not_asked: self.not_asked.get(),
            held: self.held.get(),
            lateness: self.lateness.read(),
            longest_gap: Duration::from_micros(self.longest_gap.get()),
        }
    }
}

/// A number that one thread changes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        // One thread writes: a load and a store are enough, and cheaper than a locked addition.
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    pub(crate) fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    pub(crate) fn raise_to(&self, time: Duration) {
        self.0
            .store(self.0.load(Relaxed).max(micros(time)), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Each power of two of microseconds is divided into this many equal parts.
const PARTS: usize = 16;

/// Up to 2^32 µs, 71 minutes; the last part holds everything longer.
const BUCKETS: usize = (32 - 3) * PARTS;

/// A histogram of durations: exact below 16 µs, then within a sixteenth.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[Counter]>,
    max: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Counter::default()).collect(),
            max: Counter::default(),
        }
    }
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        self.buckets[bucket(micros(time))].add_one();
        self.max.raise_to(time);
    }

    fn read(&self) -> Lateness {
        let counts: Vec<_> = self.buckets.iter().map(Counter::get).collect();
        let all: u64 = counts.iter().sum();
        let max = self.max.get();
        let part = |hundredths: u64| {
            let rank = (all * hundredths).div_ceil(100);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= rank && seen > 0
            });
            Duration::from_micros(found.map_or(0, |found| upper(found).min(max)))
        };
        Lateness {
            median: part(50),
            p99: part(99),
            max: Duration::from_micros(max),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The bucket for a number of microseconds.
fn bucket(micros: u64) -> usize {
    let Some(shift) = micros.checked_ilog2().and_then(|log| log.checked_sub(4)) else {
        return usize::try_from(micros).unwrap_or(0);
    };
    let part = usize::try_from(micros >> shift).unwrap_or(PARTS) - PARTS;
    ((shift as usize + 1) * PARTS + part).min(BUCKETS - 1)
}

/// The largest number in a bucket.
fn upper(bucket: usize) -> u64 {
    let (row, part) = (bucket / PARTS, (bucket % PARTS) as u64);
    match row.checked_sub(1) {
        None => part,
        Some(shift) => ((PARTS as u64 + part + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_its_bucket_and_at_most_a_sixteenth_below_its_end() {
        for micros in (0..5000).chain((0..32).flat_map(|n| [1 << n, (1 << n) + (1 << n) / 3])) {
            let number = bucket(micros);
            assert!(micros <= upper(number), "{micros}");
            assert!(
                upper(number) - micros <= micros / 16,
                "{micros}: {}",
                upper(number)
            );
            assert!(number == 0 || upper(number - 1) < micros, "{micros}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_parts_are_those_of_the_sorted_times() {
        let histogram = Histogram::default();
        assert_eq!(histogram.read(), Lateness::default());
        for micros in 1..=1000 {
            histogram.add(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert!((500..532).contains(&read.median.as_micros()), "{read:?}");
        assert!((990..=1000).contains(&read.p99.as_micros()), "{read:?}");
        assert_eq!(read.max.as_micros(), 1000);
    }
}

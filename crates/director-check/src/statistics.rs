//! How punctual the checks are; readable by others while they run.
//!
//! One thread writes, any thread reads: relaxed atomics, each consistent in itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use director_config::state::health::CheckKind;

/// How punctual the checks have been since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// The ended checks by the name of their kind.
    pub by_kind: Vec<(&'static str, Results)>,
    /// Checks that had to wait because the limit was reached.
    pub held: u64,
    /// How late checks started.
    pub lateness: Lateness,
    /// The longest time from the start of a check to the start of the target's next.
    pub longest_gap: Duration,
}

/// Ended checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Results {
    /// Successful ones.
    pub passed: u64,
    /// Failed ones.
    pub failed: u64,
    /// Those that could not be carried out because this machine lacked something.
    pub not_asked: u64,
}

/// How late checks started, against their due times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lateness {
    /// The median, rounded up by at most a sixteenth.
    pub median: Duration,
    /// The 99th percentile, rounded likewise.
    pub p99: Duration,
    /// The maximum.
    pub max: Duration,
    /// The number of checks that were at most this late, for some bounds in ascending order.
    pub up_to: Vec<(Duration, u64)>,
    /// The number of checks.
    pub count: u64,
    /// The sum of all.
    pub sum: Duration,
}

/// Reads the statistics of checks for as long as it lives, on any thread.
#[derive(Debug, Clone, Default)]
pub struct Observer(pub(crate) Arc<Counters>);

impl Observer {
    /// How punctual the checks have been since the start.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.read()
    }
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
    pub(crate) by_kind: ByKind,
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
            by_kind: self.by_kind.read(),
            held: self.held.get(),
            lateness: self.lateness.read(),
            longest_gap: Duration::from_micros(self.longest_gap.get()),
        }
    }
}

/// The ended checks of each kind.
#[derive(Debug)]
pub(crate) struct ByKind(Box<[OfKind]>);

/// The ended checks of one kind.
#[derive(Debug, Default)]
pub(crate) struct OfKind {
    pub(crate) passed: Counter,
    pub(crate) failed: Counter,
    pub(crate) not_asked: Counter,
}

impl Default for ByKind {
    fn default() -> Self {
        Self(CheckKind::names().map(|_| OfKind::default()).collect())
    }
}

impl ByKind {
    pub(crate) fn of(&self, kind: &CheckKind) -> &OfKind {
        &self.0[kind.index()]
    }

    fn read(&self) -> Vec<(&'static str, Results)> {
        let results = self.0.iter().map(|of| Results {
            passed: of.passed.get(),
            failed: of.failed.get(),
            not_asked: of.not_asked.get(),
        });
        CheckKind::names().zip(results).collect()
    }
}

/// A number that one thread changes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    fn add(&self, number: u64) {
        // One thread writes: a load and a store are enough, and cheaper than a locked addition.
        self.0
            .store(self.0.load(Relaxed).saturating_add(number), Relaxed);
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

/// The bounds at which the histogram is shown, in microseconds.
const BOUNDS: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// A histogram of durations: exact below 16 µs, then within a sixteenth.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[Counter]>,
    /// Exact for [`BOUNDS`]: the number of times up to each bound and above the one before.
    bounded: [Counter; BOUNDS.len()],
    sum: Counter,
    max: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Counter::default()).collect(),
            bounded: std::array::from_fn(|_| Counter::default()),
            sum: Counter::default(),
            max: Counter::default(),
        }
    }
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let micros = micros(time);
        self.buckets[bucket(micros)].add_one();
        let bound = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bounded) = self.bounded.get(bound) {
            bounded.add_one();
        }
        self.sum.add(micros);
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
            up_to: self.up_to(),
            count: all,
            sum: Duration::from_micros(self.sum.get()),
        }
    }

    fn up_to(&self) -> Vec<(Duration, u64)> {
        let numbers = self.bounded.iter().scan(0, |all, bounded| {
            *all += bounded.get();
            Some(*all)
        });
        let bounds = BOUNDS.map(Duration::from_micros);
        bounds.into_iter().zip(numbers).collect()
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
        let empty = histogram.read();
        assert_eq!(
            (empty.median, empty.p99, empty.max, empty.count),
            Default::default()
        );
        for micros in 1..=1000 {
            histogram.add(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert!((500..532).contains(&read.median.as_micros()), "{read:?}");
        assert!((990..=1000).contains(&read.p99.as_micros()), "{read:?}");
        assert_eq!(read.max.as_micros(), 1000);
        assert_eq!(read.count, 1000);
        assert_eq!(read.sum.as_micros(), 500_500);
        let (bound, number) = read.up_to[0];
        assert_eq!((bound.as_micros(), number), (500, 500));
        assert_eq!(
            read.up_to[1..],
            BOUNDS[1..]
                .iter()
                .map(|it| (Duration::from_micros(*it), 1000))
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_time_beyond_the_last_bound_is_counted_but_in_no_bound() {
        let histogram = Histogram::default();
        histogram.add(Duration::from_secs(7));
        let read = histogram.read();
        assert_eq!(read.count, 1);
        assert!(read.up_to.iter().all(|(_, number)| *number == 0));
    }
}

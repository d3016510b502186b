//! How fast a source is asked that answers with news: a few times in a row without waiting, then at a
//! steady rate, and more and more slowly as long as it fails.

use std::time::{Duration, Instant};

/// The questions that need not wait.
const BURST: u32 = 5;
/// The time in which one more becomes free.
const EVERY: Duration = Duration::from_secs(2);
/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The questions that a source has been asked.
#[derive(Debug)]
pub(super) struct Pace {
    free: u32,
    /// When `free` was right.
    counted: Instant,
    failures: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            free: BURST,
            counted: Instant::now(),
            failures: 0,
        }
    }

    /// The source answered: how long the next question should wait.
    pub(super) fn answered(&mut self) -> Duration {
        self.failures = 0;
        self.wait(Instant::now())
    }

    /// It did not: how long the next question should wait, at least as long as the source asks for.
    pub(super) fn failed(&mut self, wanted: Option<Duration>) -> Duration {
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        wait.max(wanted.unwrap_or_default()).min(LONGEST)
    }

    fn wait(&mut self, now: Instant) -> Duration {
        while self.free < BURST && now >= self.counted + EVERY {
            self.free += 1;
            self.counted += EVERY;
        }
        if self.free == BURST {
            self.counted = now;
        }
        if self.free > 0 {
            self.free -= 1;
            return Duration::ZERO;
        }
        (self.counted + EVERY).saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_questions_need_not_wait_and_then_one_every_two_seconds() {
        let mut pace = Pace::new();
        let start = pace.counted;
        let waits: Vec<_> = (0..7).map(|_| pace.wait(start)).collect();
        assert!(waits[..5].iter().all(Duration::is_zero), "{waits:?}");
        assert_eq!(waits[5], EVERY);
        assert_eq!(pace.wait(start + EVERY), Duration::ZERO);
        assert_eq!(pace.wait(start + EVERY), EVERY);
        let rested = start + EVERY * 100;
        let waits = (0..7).map(|_| pace.wait(rested));
        assert_eq!(waits.filter(Duration::is_zero).count(), 5);
    }

    #[test]
    fn a_source_that_fails_is_asked_more_and_more_slowly() {
        let mut pace = Pace::new();
        let waits: Vec<_> = (0..40).map(|_| pace.failed(None).as_secs()).collect();
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(waits[39], 30);
        pace.answered();
        assert_eq!(pace.failed(None), FIRST);
        assert_eq!(pace.failed(Some(Duration::from_secs(7))).as_secs(), 7);
        assert_eq!(pace.failed(Some(Duration::from_secs(3600))), LONGEST);
    }
}

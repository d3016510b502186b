//! A returning server gets its weight gradually (slow start).

use std::time::Duration;

use crate::state::BootTime;

/// The most steps of a ramp; at most one per second if there is enough time.
const STEPS: u32 = 20;

/// The way back to the full weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon) struct Ramp {
    begin: BootTime,
    length: Duration,
}

impl Ramp {
    /// Begins one, unless it takes no time.
    pub(in crate::daemon) fn begin(length: Duration, now: BootTime) -> Option<Self> {
        (!length.is_zero()).then_some(Self { begin: now, length })
    }

    /// One that has already reached this weight.
    pub(in crate::daemon) fn resume(
        length: Duration,
        weight: u32,
        full: u32,
        now: BootTime,
    ) -> Option<Self> {
        if length.is_zero() || weight >= full {
            return None;
        }
        let passed = length.mul_f64(f64::from(weight) / f64::from(full.max(1)));
        let begin = BootTime(now.0.saturating_sub(passed));
        Some(Self { begin, length })
    }

    fn steps(&self) -> u32 {
        let seconds = u32::try_from(self.length.as_secs()).unwrap_or(u32::MAX);
        STEPS.min(seconds.max(2))
    }

    fn step(&self) -> Duration {
        self.length / self.steps()
    }

    /// The number of steps done.
    fn done(&self, now: BootTime) -> u32 {
        let passed = now.0.saturating_sub(self.begin.0);
        let done = passed.as_nanos() / self.step().as_nanos().max(1);
        u32::try_from(done).unwrap_or(u32::MAX).min(self.steps())
    }

    /// Whether the full weight is reached.
    pub(in crate::daemon) fn is_over(&self, now: BootTime) -> bool {
        self.done(now) == self.steps()
    }

    /// Its progress.
    pub(in crate::daemon) fn progress(&self, now: BootTime) -> Progress {
        Progress {
            done: self.done(now),
            steps: self.steps(),
        }
    }

    /// The current weight, at least 1 if the full weight is.
    #[cfg(test)]
    fn weight(&self, full: u32, now: BootTime) -> u32 {
        self.progress(now).weight(full, Progress::OVER)
    }

    /// When the weight changes next.
    pub(in crate::daemon) fn next(&self, now: BootTime) -> Option<BootTime> {
        let done = self.done(now);
        (done < self.steps()).then(|| self.begin.after(self.step() * (done + 1)))
    }

    /// The remaining time.
    pub(in crate::daemon) fn remaining(&self, now: BootTime) -> Duration {
        now.until(self.begin.after(self.step() * self.steps()))
    }
}

/// The number of steps done of all.
#[derive(Debug, Clone, Copy)]
pub(in crate::daemon) struct Progress {
    done: u32,
    steps: u32,
}

impl Progress {
    /// All of them.
    pub(in crate::daemon) const OVER: Self = Self { done: 1, steps: 1 };

    /// Whether it is at least as far as another.
    pub(in crate::daemon) fn is_as_far_as(self, other: Self) -> bool {
        let (own, others) = (
            u64::from(self.done) * u64::from(other.steps),
            u64::from(other.done) * u64::from(self.steps),
        );
        own >= others
    }

    /// The weight next to a server that is as far as `top`: at least 1 if the full weight is.
    pub(in crate::daemon) fn weight(self, full: u32, top: Self) -> u32 {
        if self.is_as_far_as(top) {
            return full;
        }
        // The top is farther, so it has done at least one step.
        let part = u128::from(full) * u128::from(self.done) * u128::from(top.steps)
            / (u128::from(self.steps) * u128::from(top.done));
        u32::try_from(part).unwrap_or(full).max(full.min(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thirty_seconds_for_a_weight_of_hundred() {
        let begin = BootTime(Duration::from_secs(1000));
        let ramp = Ramp::begin(Duration::from_secs(30), begin).unwrap();
        let weight = |seconds| ramp.weight(100, begin.after(Duration::from_secs(seconds)));
        assert_eq!(
            [weight(0), weight(3), weight(15), weight(29), weight(30)],
            [1, 10, 50, 95, 100]
        );
        assert_eq!(Ramp::begin(Duration::ZERO, begin), None);
    }

    proptest! {
        #[test]
        fn it_grows_from_at_least_one_to_the_full_weight_and_ends(
            length in 1u64..400_000, full in 0u32..70_000, start in 0u64..1_000_000,
        ) {
            let mut now = BootTime(Duration::from_millis(start));
            let ramp = Ramp::begin(Duration::from_millis(length), now).unwrap();
            let (mut last, mut steps) = (0, 0);
            while let Some(next) = ramp.next(now) {
                let weight = ramp.weight(full, now);
                prop_assert!(weight >= last && weight >= full.min(1) && weight <= full);
                prop_assert!(next > now, "it must go on");
                (last, now, steps) = (weight, next, steps + 1);
                prop_assert!(steps <= STEPS);
            }
            prop_assert!(ramp.is_over(now) && ramp.weight(full, now) == full);
            prop_assert!(now.0 <= Duration::from_millis(start + length));
        }

        #[test]
        fn resumed_it_does_not_fall_back_by_more_than_a_step(weight in 1u32..1000, more in 1u32..1000) {
            let now = BootTime(Duration::from_secs(1_000_000));
            let full = weight + more;
            let ramp = Ramp::resume(Duration::from_secs(60), weight, full, now).unwrap();
            let resumed = ramp.weight(full, now);
            prop_assert!(resumed <= weight && weight - resumed <= full.div_ceil(STEPS) + 1);
        }
    }
}

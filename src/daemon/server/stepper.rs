//! A dynamic weight changes in bounded steps, so that a faulty agent cannot disturb the farm.
//!
//! Except for 0, which means no new clients. It takes effect immediately; the way back from 0 takes
//! steps.

use crate::state::BootTime;
use crate::state::health::WeightSteps;

/// A weight in percent of the declared one, on its way to the requested one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon) struct Stepper {
    percent: u16,
    /// When it changed last.
    moved: Option<BootTime>,
}

impl Default for Stepper {
    fn default() -> Self {
        Self {
            percent: Self::FULL,
            moved: None,
        }
    }
}

impl Stepper {
    /// The declared weight.
    pub(in crate::daemon) const FULL: u16 = 100;

    /// The current percentage.
    #[cfg(test)]
    pub(in crate::daemon) const fn percent(self) -> u16 {
        self.percent
    }

    /// Moves towards the requested weight, as far as time allows; returns when to continue if that
    /// is not reached.
    pub(in crate::daemon) fn step(
        &mut self,
        asked: u16,
        steps: &WeightSteps,
        now: BootTime,
    ) -> Option<BootTime> {
        if self.percent == asked {
            return None;
        }
        if asked == 0 {
            (self.percent, self.moved) = (0, Some(now));
            return None;
        }
        if let Some(next) = self.moved.map(|moved| moved.after(steps.every))
            && now < next
        {
            return Some(next);
        }
        let most = u16::from(steps.step.get()).max(1);
        let distance = asked.abs_diff(self.percent).min(most);
        self.percent = if asked > self.percent {
            self.percent + distance
        } else {
            self.percent - distance
        };
        self.moved = Some(now);
        (self.percent != asked).then(|| now.after(steps.every))
    }

    /// Applies the percentage to a weight: at least 1, except for 0 percent.
    pub(in crate::daemon) fn weight(self, full: u32) -> u32 {
        let weight = u64::from(full) * u64::from(self.percent) / u64::from(Self::FULL);
        let least = u32::from(self.percent > 0 && full > 0);
        u32::try_from(weight)
            .unwrap_or(u32::MAX)
            .clamp(least, ipvs::Weight::MAX.get())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::Share;
    use proptest::prelude::*;

    #[test]
    fn a_share_of_zero_holds_immediately_and_the_way_back_takes_five_steps() {
        let steps = WeightSteps::default();
        let (mut stepper, mut now) = (Stepper::default(), BootTime::default());
        assert!(stepper.step(90, &steps, now).is_none());
        assert_eq!(
            stepper.step(0, &steps, now),
            None,
            "though it has just moved"
        );
        assert_eq!(stepper.weight(50), 0);
        let mut seen = Vec::new();
        while let Some(next) = stepper.step(100, &steps, now) {
            seen.push(stepper.weight(50));
            now = next;
        }
        seen.push(stepper.weight(50));
        assert_eq!(seen, [0, 10, 20, 30, 40, 50]);
        assert_eq!(now, BootTime(steps.every * 5));
    }

    proptest! {
        /// However wild the agent is, the weight changes by at most one step at a time, except to
        /// 0.
        #[test]
        fn a_mad_agent_moves_it_by_one_step_a_time(
            asked in prop::collection::vec((1u16..400, 0u64..8000), 1..200), step in 0u8..100,
        ) {
            let steps = WeightSteps { step: Share::percent(step), every: Duration::from_secs(5) };
            let (mut stepper, mut now) = (Stepper::default(), BootTime::default());
            let mut history = vec![(now, stepper.percent())];
            for (asked, pause) in asked {
                now = now.after(Duration::from_millis(pause));
                stepper.step(asked, &steps, now);
                history.push((now, stepper.percent()));
            }
            for (index, (then, percent)) in history.iter().enumerate() {
                for (later, after) in &history[index..] {
                    let times = 1 + then.until(*later).as_millis() / 5000;
                    let most = u128::from(step.max(1)) * times;
                    prop_assert!(u128::from(percent.abs_diff(*after)) <= most);
                }
            }
        }
    }
}

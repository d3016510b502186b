//! How a weight follows that of a list.

use crate::state::Share;

/// The weight after the next step: at most that share of the larger weight, and at least 1. To 0, or
/// if one of the two is that of the pool, it is one step.
pub(super) fn step(from: Option<u32>, to: Option<u32>, most: Share) -> Option<u32> {
    let (Some(old), Some(new)) = (from, to) else {
        return to;
    };
    if new == 0 {
        return to;
    }
    let share = u64::from(old.max(new)) * u64::from(most.get()) / 100;
    let most = u32::try_from(share).unwrap_or(u32::MAX).max(1);
    let distance = old.abs_diff(new).min(most);
    Some(if new > old {
        old + distance
    } else {
        old - distance
    })
}

/// The weight before the time of the next step has come.
pub(super) fn hold(from: Option<u32>, to: Option<u32>) -> Option<u32> {
    match (from, to) {
        (Some(_), Some(1..)) => from,
        _ => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_takes_steps_up_and_down_but_not_to_0() {
        let path = |from: u32, to: u32| {
            let mut weights = vec![from];
            while *weights.last().unwrap() != to {
                let last = *weights.last().unwrap();
                weights.push(step(Some(last), Some(to), Share::percent(20)).unwrap());
            }
            weights
        };
        assert_eq!(path(100, 50), [100, 80, 64, 52, 50]);
        assert_eq!(path(0, 10), [0, 2, 4, 6, 8, 10]);
        assert_eq!(path(1, 3), [1, 2, 3]);
        assert_eq!(path(100, 0), [100, 0]);
        let largest = i32::MAX.unsigned_abs();
        assert_eq!(path(1, largest).len(), 7);
    }

    #[test]
    fn a_weight_that_the_pool_says_is_no_distance() {
        assert_eq!(step(None, Some(9), Share::percent(1)), Some(9));
        assert_eq!(step(Some(9), None, Share::percent(1)), None);
        assert_eq!(hold(Some(9), None), None);
        assert_eq!(hold(Some(9), Some(0)), Some(0));
        assert_eq!(hold(Some(9), Some(1)), Some(9));
    }
}

//! Services that disappear one after the other without a request.
//!
//! `rsync --delete` or a checkout takes seconds, and each look at the files in between sees a few
//! less. The guard counts what disappeared within [`WINDOW`] as one change.

use std::time::Duration;

use crate::daemon::messages::Order;
use crate::state::BootTime;

/// A program deletes its files within this time.
const WINDOW: Duration = Duration::from_secs(60);

/// The number of services before each of the last reloads without a request.
#[derive(Debug, Default)]
pub(super) struct Dwindling {
    before: Vec<(BootTime, usize)>,
}

impl Dwindling {
    /// The number of services that disappeared before this reload and count with it.
    pub(super) fn earlier(&self, order: Order, services: usize, now: BootTime) -> usize {
        if order.asked {
            return 0;
        }
        let recent = self.before.iter().filter(|(at, _)| is_recent(*at, now));
        let most = recent.map(|(_, services)| *services).max();
        most.map_or(0, |most| most.saturating_sub(services))
    }

    /// A reload is in force; there were this many services before it.
    pub(super) fn note(&mut self, order: Order, services: usize, now: BootTime) {
        self.before.retain(|(at, _)| is_recent(*at, now));
        if order.asked {
            // A person has seen the current state.
            self.before.clear();
        } else {
            self.before.push((now, services));
        }
    }
}

fn is_recent(at: BootTime, now: BootTime) -> bool {
    at.until(now) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_within_a_minute_counts_until_a_person_asks() {
        let at = |seconds| BootTime(Duration::from_secs(seconds));
        let asked = Order::asked(false);
        let mut dwindling = Dwindling::default();
        assert_eq!(dwindling.earlier(Order::UNASKED, 10, at(100)), 0);
        dwindling.note(Order::UNASKED, 10, at(100));
        dwindling.note(Order::UNASKED, 8, at(110));
        assert_eq!(dwindling.earlier(Order::UNASKED, 7, at(120)), 3);
        assert_eq!(dwindling.earlier(asked, 7, at(120)), 0);
        assert_eq!(dwindling.earlier(Order::UNASKED, 7, at(165)), 1);
        dwindling.note(asked, 7, at(166));
        assert_eq!(dwindling.earlier(Order::UNASKED, 6, at(167)), 0);
    }
}

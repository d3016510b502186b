//! After any trouble: one active router, the right one, and it stays.

use std::time::Duration;

use proptest::prelude::*;
use vrrp::machine::{Input, Preempt};

use super::trouble::{Story, cases, heal, story};
use super::world::Node;

/// For rounding.
const MOMENT: Duration = Duration::from_millis(1);

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_network_settles(story in story()) {
        let mut world = story.world();
        story.happen(&mut world);
        heal(&mut world);
        world.forget();
        let interval = world.interval();
        let slack = world.slack();

        // Never two for longer than it takes the lower one to hear the higher one: an interval,
        // and the way of an answer.
        world.run(interval * 4 + slack + MOMENT);
        let allowed = interval + slack * 2 + MOMENT;
        prop_assert!(world.longest_overlap <= allowed, "two for {:?}", world.longest_overlap);

        // At the latest after four intervals, the longest `Active_Down_Interval`, there is one.
        world.forget();
        world.run(interval * 12 + Duration::from_secs(3));
        prop_assert_eq!(world.longest_gap, Duration::ZERO);
        prop_assert!(world.longest_overlap <= allowed, "two for {:?}", world.longest_overlap);

        // It is the one with the highest priority, unless that one may not preempt.
        let active = world.active();
        prop_assert_eq!(active.len(), 1);
        if story.preempt != Preempt::Never {
            prop_assert!(story.best(&world).contains(&active[0]), "{:?}", active);
        }

        // And it stays, however packets are delayed and duplicated.
        world.forget();
        world.run(interval * 60);
        prop_assert_eq!(world.active(), active);
        prop_assert!(world.nodes.iter().all(|node| node.changes == 0));
    }

    #[test]
    fn each_crash_is_one_takeover(story in story()) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        while world.nodes.iter().filter(|node| node.machine.is_some()).count() > 1 {
            let active = world.active();
            prop_assert_eq!(active.len(), 1);
            world.forget();
            // Some time within its interval.
            world.run(interval * u32::try_from(quiet.seed % 100).unwrap() / 100);
            world.crash(active[0]);
            world.run(interval * 20);
            prop_assert!(world.longest_gap <= interval * 4 + world.slack() + MOMENT);
            let next = world.active();
            prop_assert_eq!(next.len(), 1);
            // With delays longer than the difference of their skew times two may claim.
            if quiet.steps_exceed_delay(&world) {
                let changes: u32 = world.nodes.iter().map(|node| node.changes).sum();
                prop_assert_eq!(changes, 1, "the next one, and no other");
                let best = world.nodes[next[0]].config.priority;
                let alive = |node: &&Node| node.machine.is_some();
                let mut left = world.nodes.iter().filter(alive);
                prop_assert!(left.all(|node| node.config.priority <= best));
            }
        }
    }

    #[test]
    fn a_lost_advert_or_two_change_nothing(story in story(), lost in 1..=2_u32) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        world.forget();
        world.weather.lateness = Duration::ZERO;
        world.run(interval * 2);
        if lost == 2 {
            // The third one comes when only the skew time is left, which may be a hundredth of a
            // millisecond.
            world.weather.delay = Duration::ZERO;
        }
        let active = world.active()[0];
        let own = world.nodes[active].config.members[0].interval.duration();
        for _ in 0..5 {
            // All that it sends in one or two intervals is lost.
            world.weather.loss = 100;
            world.run(own * lost - MOMENT);
            world.weather.loss = 0;
            world.run(interval * 5);
        }
        prop_assert!(world.nodes.iter().all(|node| node.changes == 0));
    }

    #[test]
    fn a_stop_is_taken_over_within_the_skew_time(story in story()) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        let active = world.active()[0];
        // An advert that overtakes the release would start the backups' timers again.
        world.run(world.until_timer(active));
        world.run(world.slack());
        world.forget();
        world.input(active, Input::Stop);
        world.run(interval * 10);
        let gap = world.longest_gap;
        prop_assert!(gap <= interval + world.slack() + MOMENT, "{gap:?}");
        prop_assert_eq!(world.active().len(), 1);
    }
}

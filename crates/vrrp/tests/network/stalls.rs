//! Routers that did not run for a while: SIGSTOP, where packets wait in the socket, and a paused
//! virtual machine, which loses them.

use std::time::Duration;

use proptest::prelude::*;
use vrrp::machine::Preempt;

use super::trouble::{Story, cases, story};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_active_router_that_comes_back_finds_its_claim_lapsed(
        story in story(),
        intervals in 5..40_u32,
        asleep in any::<bool>(),
    ) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        let before = world.active()[0];
        world.nodes[before].paused = true;
        world.nodes[before].asleep = asleep;
        world.run(interval * intervals);
        world.nodes[before].asleep = false;
        world.resume(before);
        // It has let go before it does anything else, and says nothing.
        prop_assert!(!world.nodes[before].holds);
        world.forget();
        world.run(interval * 40 + Duration::from_secs(3));
        prop_assert_eq!(world.longest_gap, Duration::ZERO);
        let allowed = interval + world.slack() * 2 + Duration::from_millis(1);
        prop_assert!(world.longest_overlap <= allowed, "{:?}", world.longest_overlap);
        let after = world.active();
        prop_assert_eq!(after.len(), 1);
        if quiet.preempt == Preempt::Never && quiet.steps_exceed_delay(&world) {
            prop_assert_ne!(after[0], before);
            prop_assert!(world.nodes.iter().all(|node| node.changes == 0));
        }
    }

    #[test]
    fn a_backup_that_comes_back_disturbs_no_active_router(
        story in story(),
        intervals in 5..40_u32,
        asleep in any::<bool>(),
    ) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        let active = world.active();
        world.forget();
        for node in (0..world.nodes.len()).filter(|node| *node != active[0]) {
            world.nodes[node].paused = true;
            world.nodes[node].asleep = asleep;
        }
        world.run(interval * intervals);
        for node in 0..world.nodes.len() {
            world.nodes[node].asleep = false;
            if world.nodes[node].paused {
                world.resume(node);
            }
        }
        world.run(interval * 20);
        prop_assert!(world.nodes.iter().all(|node| node.changes == 0));
        prop_assert_eq!(world.active(), active);
    }
}

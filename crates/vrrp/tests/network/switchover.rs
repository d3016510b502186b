//! Planned switchover: at every moment a router holds the addresses.

use std::time::Duration;

use proptest::prelude::*;
use vrrp::machine::Input;

use super::trouble::{Story, cases, story};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_switchover_leaves_no_moment_without_an_active_router(
        story in story(),
        phase in 0..100_u32,
        loss in prop_oneof![Just(0_u8), 1..=20_u8],
        leave in any::<bool>(),
    ) {
        let quiet = Story { troubles: Vec::new(), ..story };
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        world.run(interval * phase / 100);
        let before = world.active();
        prop_assert_eq!(before.len(), 1);
        world.forget();
        world.weather.loss = loss;
        let input = if leave {
            Input::StopAfterHandover
        } else {
            Input::Yield { until: None }
        };
        world.input(before[0], input);
        world.run(interval * 12);
        if loss == 0 {
            // Another one has it, by one change each, and the two did not both claim.
            let after = world.active();
            prop_assert_eq!(after.len(), 1);
            prop_assert_ne!(after[0], before[0]);
            prop_assert_eq!(world.nodes[before[0]].changes, 1);
        }
        // With loss a peer may have come too late to be asked; then nothing was given up, unless
        // this router had to end.
        if loss == 0 || !leave {
            prop_assert_eq!(world.longest_gap, Duration::ZERO);
        }
    }

    #[test]
    fn and_back_again(story in story()) {
        let mut quiet = Story { troubles: Vec::new(), ..story };
        // A claim cannot outrank 254.
        quiet.priorities.retain(|priority| *priority != 254);
        quiet.priorities.resize(quiet.priorities.len().max(2), 253);
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20 + Duration::from_secs(3));
        let before = world.active();
        world.forget();
        world.input(before[0], Input::Yield { until: None });
        world.run(interval * 12);
        world.input(before[0], Input::Claim { until: None });
        world.run(interval * 12);
        prop_assert_eq!(&world.active(), &before);
        world.input(before[0], Input::EndHold);
        world.run(interval * 12);
        prop_assert_eq!(world.longest_gap, Duration::ZERO);
        prop_assert_eq!(world.active().len(), 1);
    }

    #[test]
    fn a_priority_that_falls_below_the_peers_moves_the_addresses_without_a_gap(
        story in story(),
    ) {
        let mut quiet = Story { troubles: Vec::new(), ..story };
        quiet.preempt = vrrp::machine::Preempt::default();
        for priority in &mut quiet.priorities {
            *priority = (*priority).max(2);
        }
        let mut world = quiet.world();
        quiet.happen(&mut world);
        let interval = world.interval();
        world.run(interval * 20);
        let before = world.active();
        world.forget();
        world.input(before[0], Input::Priority(vrrp::Priority(1)));
        world.run(interval * 12);
        prop_assert_ne!(world.active(), before);
        prop_assert_eq!(world.active().len(), 1);
        prop_assert_eq!(world.longest_gap, Duration::ZERO);
    }
}

//! Any inputs at any times: nothing panics, and what a program relies on holds.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use vrrp::Priority;
use vrrp::codec::{Advert, ChecksumForm, Received};
use vrrp::machine::{Action, Config, Input, Machine, Phase, State};
use vrrp::{Auth, Interval, Version, VirtualRouterId};

use super::bench::{host, member, virtual_addresses};

#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    Advert {
        member: usize,
        from: u8,
        priority: u8,
        centiseconds: u16,
        addresses: u8,
    },
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..5_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let member = 0..3_usize;
    prop_oneof![
        Just(Input::Start),
        time().prop_map(|last_sent| Input::Resume { last_sent }),
        Just(Input::Ready),
        Just(Input::Timer),
        Just(Input::Timer),
        Just(Input::Stop),
        Just(Input::StopAfterHandover),
        prop::option::of(time()).prop_map(|until| Input::Yield { until }),
        prop::option::of(time()).prop_map(|until| Input::Claim { until }),
        Just(Input::EndHold),
        prop::option::of(time()).prop_map(|until| Input::RestoreYield { until }),
        (any::<u8>(), prop::option::of(time())).prop_map(|(priority, until)| {
            let priority = Priority(priority);
            Input::RestoreClaim { priority, until }
        }),
        any::<u8>().prop_map(|priority| Input::Priority(Priority(priority))),
        member.clone().prop_map(|member| Input::Fault { member }),
        member.clone().prop_map(|member| Input::Repaired { member }),
        member.prop_map(|member| Input::SendFailed { member }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let advert = (0..3_usize, 0..10_u8, any::<u8>(), 1..=4095_u16, 0..4_u8);
    let advert =
        advert.prop_map(
            |(member, from, priority, centiseconds, addresses)| Step::Advert {
                member,
                from,
                priority,
                centiseconds,
                addresses,
            },
        );
    prop_oneof![input().prop_map(Step::Input), advert]
}

proptest! {
    #[test]
    fn what_a_program_relies_on_holds(
        steps in vec((time(), any::<bool>(), step()), 0..60),
        priority in 1..=255_u8,
        startup_delay in time(),
        linger in time(),
        stall in prop::option::of(time()),
    ) {
        let mut config = Config::new(Priority(priority), member(51));
        config.members.push(member(52));
        config.startup_delay = startup_delay;
        config.linger = linger;
        config.stall = stall;
        let mut machine = Machine::new(config).unwrap();
        let mut now = Duration::ZERO;
        let (mut state, mut holds) = (State::Initialize, false);
        for (wait, on_time, step) in steps {
            now = now.saturating_add(wait);
            // Half of the steps come before anything is late.
            if let (true, Some(timer)) = (on_time, machine.timer()) {
                now = now.min(timer);
            }
            let mut actions = Vec::new();
            match step {
                Step::Input(input) => machine.handle(now, input, &mut actions),
                Step::Advert { member, from, priority, centiseconds, addresses } => {
                    let addresses = virtual_addresses(addresses);
                    let received = Received {
                        advert: Advert {
                            version: Version::V3,
                            router: VirtualRouterId::new(51).unwrap(),
                            priority: Priority(priority),
                            interval: Interval::from_centiseconds(centiseconds).unwrap(),
                            addresses: addresses.as_addresses(),
                            auth: Auth::None,
                        },
                        source: host(from),
                        form: ChecksumForm::Message,
                    };
                    machine.receive(now, member, &received, &mut actions);
                }
            }
            prop_assert!(actions.len() < 20, "{actions:?}");
            for action in &actions {
                match action {
                    Action::TakeAddresses => holds = true,
                    Action::ReleaseAddresses => holds = false,
                    Action::Changed(change) => {
                        prop_assert_eq!(change.from, state);
                        // Only a fault before the first election is told without another state.
                        let is_fault = machine.phase() == Phase::Fault;
                        prop_assert!(change.from != change.to || is_fault, "{change}");
                        prop_assert!(!change.to_string().is_empty());
                        state = change.to;
                    }
                    Action::Notice(notice) => prop_assert!(!notice.to_string().is_empty()),
                    // Before the change that it announces, or the last word.
                    Action::Send { .. } => {
                        prop_assert!([state, machine.state()].contains(&State::Active));
                    }
                    Action::SetTimer(timer) => prop_assert_eq!(*timer, machine.timer()),
                    Action::Announce | Action::Linger => prop_assert!(holds),
                }
            }
            prop_assert_eq!(state, machine.state());
            prop_assert_eq!(holds, state == State::Active);
            prop_assert_eq!(machine.timer().is_some(), timer_is_due(&machine));
        }
    }
}

/// Whatever is not stopped waits for something, unless an interface has to be repaired.
fn timer_is_due(machine: &Machine) -> bool {
    match machine.phase() {
        Phase::Stopped => false,
        Phase::Fault => machine.timer().is_some(),
        _ => true,
    }
}

//! Random routers, random faults.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use vrrp::machine::{Config, Input, Preempt};
use vrrp::{Interval, Priority};

use super::world::{Kind, Weather, World, member};

/// `PROPTEST_CASES` runs more; `scripts/test --quick` sets `DIRECTOR_QUICK` and runs fewer.
pub(crate) fn cases() -> ProptestConfig {
    let few = std::env::var_os("DIRECTOR_QUICK");
    ProptestConfig {
        max_shrink_iters: 20_000,
        ..ProptestConfig::with_cases(
            std::env::var("PROPTEST_CASES")
                .ok()
                .and_then(|cases| cases.parse().ok())
                .unwrap_or(few.map_or(200, |_| 25)),
        )
    }
}

/// Something happens to a router or to the network.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    Crash(usize),
    Start(usize),
    Stop(usize),
    Pause(usize),
    Resume(usize),
    Mute(usize),
    Speak(usize),
    Fault(usize, usize),
    Repaired(usize, usize),
    Yield(usize),
    Leave(usize),
    Claim(usize),
    EndHold(usize),
    Priority(usize, u8),
    Cut(usize, usize, usize),
    Heal(usize, usize, usize),
    Loss(u8),
}

/// A network and its history.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) members: u8,
    pub(crate) priorities: Vec<u8>,
    pub(crate) intervals: Vec<u16>,
    pub(crate) preempt: Preempt,
    /// In percent of the shortest interval.
    pub(crate) delay: u32,
    pub(crate) lateness: u32,
    pub(crate) duplicates: u8,
    /// What happens, and after how many thousandths of an interval.
    pub(crate) troubles: Vec<(u32, Trouble)>,
}

impl Story {
    pub(crate) fn world(&self) -> World {
        let interval = |node: usize| match self.kind {
            Kind::V2 => Interval::SECOND,
            Kind::V3 | Kind::V6 => Interval::from_centiseconds(self.intervals[node]).unwrap(),
        };
        let configs = (0..self.priorities.len()).map(|node| {
            let number = u8::try_from(node).unwrap();
            let members = (0..self.members).map(|m| member(self.kind, number, m, interval(node)));
            let members: Vec<_> = members.collect();
            let mut config = Config::new(Priority(self.priorities[node]), members[0].clone());
            config.preempt = self.preempt;
            config.members = members;
            config
        });
        let shortest = (0..self.priorities.len()).map(interval).min().unwrap();
        let weather = Weather {
            delay: shortest.duration() * self.delay / 100,
            lateness: shortest.duration() * self.lateness / 100,
            loss: 0,
            duplicates: self.duplicates,
        };
        World::new(configs.collect(), weather, self.seed)
    }

    /// Starts all routers and lets everything happen.
    pub(crate) fn happen(&self, world: &mut World) {
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        for (wait, trouble) in &self.troubles {
            world.run(world.interval() * *wait / 1000);
            apply(world, *trouble);
        }
    }

    /// Whether the skew times of those that live are so far apart that the first to claim is heard
    /// before the next one does.
    pub(crate) fn steps_exceed_delay(&self, world: &World) -> bool {
        let alive = world.nodes.iter().filter(|node| node.machine.is_some());
        let mut priorities: Vec<u8> = alive.map(|node| node.config.priority.0).collect();
        priorities.sort_unstable_by(|a, b| b.cmp(a));
        let shortest = self.intervals.iter().min().unwrap();
        let unit = match self.kind {
            Kind::V2 => Duration::from_secs(1),
            Kind::V3 | Kind::V6 => Duration::from_millis(10) * u32::from(*shortest),
        };
        match priorities[..] {
            // Twice: one advert of the former one came early to the one and late to the other.
            [first, second, ..] => unit * u32::from(first - second) / 256 > world.slack() * 2,
            _ => true,
        }
    }

    /// The highest priority at the end, and who has it.
    pub(crate) fn best(&self, world: &World) -> Vec<usize> {
        let priority = |node: &usize| world.nodes[*node].machine.as_ref().unwrap().priority();
        let all = 0..self.priorities.len();
        let highest = all.clone().map(|node| priority(&node)).max().unwrap();
        all.filter(|node| priority(node) == highest).collect()
    }
}

fn apply(world: &mut World, trouble: Trouble) {
    let count = world.nodes.len();
    let members = world.nodes[0].config.members.len();
    let forever = None;
    match trouble {
        Trouble::Crash(node) => world.crash(node % count),
        Trouble::Start(node) => world.start(node % count),
        Trouble::Stop(node) => world.input(node % count, Input::Stop),
        Trouble::Pause(node) => world.nodes[node % count].paused = true,
        Trouble::Resume(node) => world.resume(node % count),
        Trouble::Mute(node) => world.nodes[node % count].mute = true,
        Trouble::Speak(node) => world.nodes[node % count].mute = false,
        Trouble::Fault(node, member) => {
            let member = member % members;
            world.input(node % count, Input::Fault { member });
        }
        Trouble::Repaired(node, member) => {
            let member = member % members;
            world.input(node % count, Input::Repaired { member });
        }
        Trouble::Yield(node) => world.input(node % count, Input::Yield { until: forever }),
        Trouble::Leave(node) => world.input(node % count, Input::StopAfterHandover),
        Trouble::Claim(node) => world.input(node % count, Input::Claim { until: forever }),
        Trouble::EndHold(node) => world.input(node % count, Input::EndHold),
        Trouble::Priority(node, priority) => {
            world.input(node % count, Input::Priority(Priority(priority)));
        }
        Trouble::Cut(from, to, member) => {
            world
                .cuts
                .push((from % count, to % count, member % members));
        }
        Trouble::Heal(from, to, member) => {
            let healed = (from % count, to % count, member % members);
            world.cuts.retain(|cut| *cut != healed);
        }
        Trouble::Loss(percent) => world.weather.loss = percent,
    }
}

/// Everything works again.
pub(crate) fn heal(world: &mut World) {
    world.cuts.clear();
    world.weather.loss = 0;
    for node in &mut world.nodes {
        node.mute = false;
    }
    // Claims may still lapse for adverts that could not be sent.
    world.run(world.interval() * 4);
    for node in 0..world.nodes.len() {
        if world.nodes[node].paused {
            world.resume(node);
        }
        for member in 0..world.nodes[node].config.members.len() {
            world.input(node, Input::Repaired { member });
        }
        world.input(node, Input::EndHold);
        world.start(node);
    }
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let node = 0..3_usize;
    let member = 0..2_usize;
    prop_oneof![
        1 => node.clone().prop_map(Trouble::Crash),
        1 => node.clone().prop_map(Trouble::Start),
        1 => node.clone().prop_map(Trouble::Stop),
        2 => node.clone().prop_map(Trouble::Pause),
        2 => node.clone().prop_map(Trouble::Resume),
        1 => node.clone().prop_map(Trouble::Mute),
        1 => node.clone().prop_map(Trouble::Speak),
        1 => (node.clone(), member.clone()).prop_map(|(n, m)| Trouble::Fault(n, m)),
        1 => (node.clone(), member.clone()).prop_map(|(n, m)| Trouble::Repaired(n, m)),
        1 => node.clone().prop_map(Trouble::Yield),
        1 => node.clone().prop_map(Trouble::Leave),
        1 => node.clone().prop_map(Trouble::Claim),
        1 => node.clone().prop_map(Trouble::EndHold),
        1 => (node.clone(), 1..=254_u8).prop_map(|(n, p)| Trouble::Priority(n, p)),
        3 => (node.clone(), node.clone(), member.clone()).prop_map(|(f, t, m)| Trouble::Cut(f, t, m)),
        2 => (node.clone(), node, member).prop_map(|(f, t, m)| Trouble::Heal(f, t, m)),
        1 => prop_oneof![Just(0), 10..80_u8].prop_map(Trouble::Loss),
    ]
}

/// Two or three routers; at most one owner.
pub(crate) fn story() -> impl Strategy<Value = Story> {
    let priority = prop_oneof![5 => 1..=254_u8, 1 => Just(100), 1 => Just(101)];
    let priorities =
        (vec(priority, 2..=3), prop::bool::weighted(0.1)).prop_map(|(mut all, owner)| {
            if owner {
                all[0] = 255;
            }
            all
        });
    let preempt = prop_oneof![
        3 => Just(Preempt::default()),
        1 => Just(Preempt::Never),
        1 => (0..3000_u64).prop_map(|ms| Preempt::After(Duration::from_millis(ms))),
    ];
    let kind = prop_oneof![Just(Kind::V2), Just(Kind::V3), Just(Kind::V6)];
    // The same for all, more often than not.
    let intervals = prop_oneof![
        2 => (1..=100_u16).prop_map(|all| vec![all; 3]),
        1 => (1..=50_u16).prop_flat_map(|least| vec(least..=least * 3, 3)),
    ];
    (
        (kind, any::<u64>(), 1..=2_u8, priorities, intervals),
        (preempt, 0..=30_u32, 0..=30_u32, 0..=30_u8),
        vec((0..4000_u32, trouble()), 0..24),
    )
        .prop_map(|(first, second, troubles)| {
            let (kind, seed, members, priorities, intervals) = first;
            let (preempt, delay, lateness, duplicates) = second;
            Story {
                kind,
                seed,
                members,
                priorities,
                intervals,
                preempt,
                delay,
                lateness,
                duplicates,
                troubles,
            }
        })
}

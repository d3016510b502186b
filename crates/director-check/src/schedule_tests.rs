//! The schedule in simulated time: a machine that is never late, one that is, one that stalls.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

/// The simulation's parameters.
#[derive(Debug, Clone)]
struct World {
    intervals: Vec<Duration>,
    jitter: Share,
    /// The duration of each check, in thousandths of its interval.
    takes: u32,
    /// The longest sleep between two looks at the schedule.
    nap: Duration,
    seed: u64,
}

fn world() -> impl Strategy<Value = World> {
    (
        prop::collection::vec((10u64..3000).prop_map(Duration::from_millis), 1..40),
        (0u8..=50).prop_map(Share::percent),
        0u32..400,
        (0u64..5000).prop_map(Duration::from_micros),
        any::<u64>(),
    )
        .prop_map(|(intervals, jitter, takes, nap, seed)| World {
            intervals,
            jitter,
            takes,
            nap,
            seed,
        })
}

/// When each target's checks started, from the beginning; with a stall of the machine if requested.
fn simulate(
    world: &World,
    lasts: Duration,
    stall: Option<(Duration, Duration)>,
) -> HashMap<TargetId, Vec<Duration>> {
    let zero = Instant::now();
    let mut schedule = Schedule::new(Chance::new(world.seed));
    let mut naps = Chance::new(!world.seed);
    let mut started: HashMap<TargetId, Vec<Duration>> = HashMap::new();
    let mut ends: BTreeMap<(Instant, TargetId), Duration> = BTreeMap::new();
    for (number, interval) in (0..).zip(&world.intervals) {
        schedule.start(TargetId(number), *interval, world.jitter, zero);
    }
    let mut now = zero;
    let mut stalled = false;
    while now < zero + lasts {
        while let Some(((at, id), interval)) = ends.first_key_value().map(|(k, v)| (*k, *v)) {
            if at > now {
                break;
            }
            ends.remove(&(at, id));
            schedule.finished(id, interval, now);
        }
        while let Some(due) = schedule.pop(now) {
            assert!(due.at <= now);
            schedule.began(due, now);
            started.entry(due.id).or_default().push(now - zero);
            let interval = world.intervals[due.id.0 as usize];
            ends.insert((now + interval * world.takes / 1000, due.id), interval);
        }
        let next = schedule
            .next()
            .into_iter()
            .chain(ends.keys().next().map(|(at, _)| *at));
        now = next.min().expect("there are targets").max(now) + naps.up_to(world.nap);
        if let Some((at, length)) = stall
            && !stalled
            && now >= zero + at
        {
            stalled = true;
            now += length;
        }
    }
    started
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every gap keeps to the interval and its jitter, and the hundredth check is on its grid
    /// point: lateness does not add up.
    #[test]
    fn gaps_keep_to_the_interval_and_nothing_drifts(world in world()) {
        // Intervals shorter than a few naps are late by nature.
        let long = world.nap * 10;
        let lasts = Duration::from_secs(40);
        for (id, starts) in simulate(&world, lasts, None) {
            let interval = world.intervals[id.0 as usize];
            if interval < long {
                continue;
            }
            let jitter = interval * u32::from(world.jitter.get()) / 100;
            // The longest nap, and the end of another check just before it.
            let late = world.nap * 2 + Duration::from_micros(1);
            // The first two gaps belong to the newcomer.
            for pair in starts.windows(2).skip(2) {
                let gap = pair[1] - pair[0];
                prop_assert!(gap <= interval + jitter + late, "{gap:?} of {interval:?}");
                prop_assert!(gap + jitter + late >= interval, "{gap:?} of {interval:?}");
            }
            let Some(third) = starts.get(2) else { continue };
            for (number, start) in starts.iter().skip(2).enumerate() {
                let number = u32::try_from(number).expect("few");
                let grid = *third + interval * number;
                let off = start.abs_diff(grid);
                prop_assert!(off <= jitter + late, "check {number} is off by {off:?}");
            }
        }
    }

    /// Whatever happens, no target is checked twice within half an interval.
    #[test]
    fn no_target_is_checked_in_a_hurry(
        world in world(),
        at in 0u64..5000,
        length in 0u64..20_000,
    ) {
        let stall = (Duration::from_millis(at), Duration::from_millis(length));
        for (id, starts) in simulate(&world, Duration::from_secs(30), Some(stall)) {
            let interval = world.intervals[id.0 as usize];
            for pair in starts.windows(2) {
                prop_assert!(pair[1] - pair[0] >= interval / 2);
            }
        }
    }
}

fn farm(targets: u32, interval: Duration) -> World {
    World {
        intervals: vec![interval; targets as usize],
        jitter: Share::percent(5),
        takes: 1,
        nap: Duration::from_millis(1),
        seed: 7,
    }
}

fn all(started: &HashMap<TargetId, Vec<Duration>>) -> Vec<Duration> {
    let mut all: Vec<_> = started.values().flatten().copied().collect();
    all.sort();
    all
}

#[test]
fn ten_thousand_newcomers_are_lined_up_and_then_spread_over_the_interval() {
    let interval = Duration::from_secs(4);
    let started = simulate(&farm(10_000, interval), Duration::from_secs(20), None);
    let all = all(&started);
    let mut per_tenth = vec![0u32; 200];
    for start in all {
        per_tenth[usize::try_from(start.as_millis() / 100).expect("small")] += 1;
    }
    let first = per_tenth[..20].iter().max();
    assert!(
        first <= Some(&520),
        "5,000 a second at the beginning: {first:?}"
    );
    for (tenth, count) in per_tenth.iter().enumerate().skip(60) {
        // 250 on average.
        assert!((170..=330).contains(count), "{count} in tenth {tenth}");
    }
}

#[test]
fn a_single_newcomer_is_checked_immediately() {
    let started = simulate(
        &farm(1, Duration::from_secs(20)),
        Duration::from_secs(1),
        None,
    );
    assert_eq!(started[&TargetId(0)], [Duration::ZERO]);
}

#[test]
fn a_machine_that_stalls_does_not_burst() {
    let interval = Duration::from_secs(2);
    for length in [1, 10, 3600] {
        let at = Duration::from_secs(10);
        let length = Duration::from_secs(length);
        let lasts = at + length + Duration::from_secs(10);
        let started = simulate(&farm(4000, interval), lasts, Some((at, length)));
        // 2,000 per second; at most twice that, and 400 at a time.
        let starts = all(&started);
        let after: Vec<_> = starts
            .iter()
            .filter(|start| **start >= at + length)
            .collect();
        for window in after.windows(1001) {
            let took = *window[1000] - *window[0];
            assert!(took >= Duration::from_millis(145), "1,000 in {took:?}");
        }
        for (id, starts) in &started {
            let gap = starts.windows(2).map(|pair| pair[1] - pair[0]).max();
            let most = length + interval * 2;
            assert!(gap <= Some(most), "{id:?} waited {gap:?}");
        }
    }
}

#[test]
fn a_check_longer_than_the_interval_is_followed_immediately_and_never_overlaps() {
    let mut world = farm(3, Duration::from_millis(100));
    world.takes = 2500;
    for starts in simulate(&world, Duration::from_secs(10), None).values() {
        for pair in starts.windows(2).skip(2) {
            let gap = pair[1] - pair[0];
            assert!(gap >= Duration::from_millis(250));
            assert!(gap <= Duration::from_millis(255), "{gap:?}");
        }
    }
}

#[test]
fn the_fast_interval_holds_from_the_check_that_asked_for_it() {
    let zero = Instant::now();
    let (slow, fast) = (Duration::from_secs(10), Duration::from_secs(1));
    let mut schedule = Schedule::new(Chance::new(1));
    let id = TargetId(1);
    schedule.start(id, slow, Share::percent(0), zero);
    let mut at = zero;
    let mut gaps = Vec::new();
    for interval in [slow, slow, slow, fast, fast, slow, slow] {
        let next = schedule.next().expect("one");
        let due = schedule.pop(next).expect("due");
        gaps.push(next - at);
        at = next;
        schedule.began(due, next);
        schedule.finished(id, interval, next);
    }
    assert_eq!(gaps[3..], [slow, fast, fast, slow]);
}

#[test]
fn what_is_stopped_does_not_come_back() {
    let zero = Instant::now();
    let mut schedule = Schedule::new(Chance::new(1));
    let (one, two) = (TargetId(1), TargetId(2));
    let interval = Duration::from_secs(1);
    for id in [one, two] {
        schedule.start(id, interval, Share::percent(0), zero);
    }
    let due = schedule.pop(zero).expect("the first");
    schedule.began(due, zero);
    schedule.stop(one);
    schedule.stop(two);
    schedule.finished(one, interval, zero);
    assert_eq!((schedule.len(), schedule.next()), (0, None));
    assert!(schedule.rate.abs() < f64::EPSILON);
}

#[test]
fn what_is_parked_is_never_due_and_begins_a_new_grid_when_it_is_seized() {
    let zero = Instant::now();
    let (id, second) = (TargetId(1), Duration::from_secs(1));
    let mut schedule = Schedule::new(Chance::new(1));
    schedule.start(id, second, Share::percent(0), zero);
    let due = schedule.pop(zero).expect("a newcomer is due");
    schedule.began(due, zero);
    schedule.park(id);
    assert_eq!(schedule.next(), None);
    assert!(schedule.rate < 1e-9, "it asks for no checks");
    let lost = zero + Duration::from_secs(86_400);
    schedule.seize(id, lost);
    schedule.finished(id, second, lost);
    assert_eq!(schedule.next(), Some(lost + second));
    assert!((schedule.rate - 1.0).abs() < 1e-9);
    // One that waits is taken out of the line.
    schedule.seize(id, lost);
    assert_eq!(schedule.next(), None);
    schedule.stop(id);
    assert_eq!(schedule.len(), 0);
}

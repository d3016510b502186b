use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::state::Share;
use crate::state::discovery::{FileSource, Settle, Source};
use crate::state::health::{Threshold, WeightSteps};

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> Discovery {
    Discovery {
        pool: "app".into(),
        source: Source::File(FileSource {
            path: "/app.json".into(),
        }),
        absent: Absent::Drain,
        allow_empty: false,
        settle: Settle::default(),
        max_servers: 500,
        max_removed: Threshold::Part(Share::percent(50)),
        removed_within: 600 * SECOND,
        weight_steps: WeightSteps::default(),
    }
}

fn place(host: u8) -> Place {
    (IpAddr::from([10, 0, 0, host]), Some(80))
}

fn listed(hosts: &[u8]) -> Answer {
    let servers = hosts.iter().map(|host| (place(*host), Listed::default()));
    Answer::Servers(servers.collect())
}

fn hosts(pool: &Pool) -> Vec<u8> {
    let places = pool.list();
    let host = |(address, _): &Place| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    places.keys().map(host).collect()
}

/// A pool and a clock.
struct Scene {
    pool: Pool,
    now: Moment,
    down: BTreeSet<Place>,
}

impl Scene {
    fn new(rules: Discovery, first: &[u8]) -> Self {
        let mut scene = Self {
            pool: Pool::new(rules, None),
            now: 1000 * SECOND,
            down: BTreeSet::new(),
        };
        scene.pool.answer(listed(first), scene.now);
        scene.wait(0);
        assert_eq!(hosts(&scene.pool), first);
        scene
    }

    fn wait(&mut self, seconds: u32) -> Vec<u8> {
        for step in 0..=seconds {
            self.now += if step == 0 { Duration::ZERO } else { SECOND };
            let down = self.down.clone();
            self.pool
                .act(self.now, |place| match down.contains(&place) {
                    true => Health::Down,
                    false => Health::Up,
                });
        }
        hosts(&self.pool)
    }

    fn answer(&mut self, answer: Answer, seconds: u32) -> Vec<u8> {
        self.pool.answer(answer, self.now);
        self.wait(seconds)
    }
}

#[test]
fn an_error_an_empty_list_and_a_list_too_long_change_nothing() {
    let mut scene = Scene::new(rules(), &[1, 2, 3]);
    let error = Answer::Failed("SERVFAIL".to_owned());
    assert_eq!(scene.answer(error, 3600), [1, 2, 3]);
    assert_eq!(scene.pool.refused(), Some("SERVFAIL"));
    assert_eq!(scene.answer(listed(&[]), 3600), [1, 2, 3]);
    assert_eq!(
        scene.pool.refused(),
        Some("an empty list: 3 servers stay, as `allow_empty` is false")
    );
    let many = (0..=500).map(|host: u16| {
        let [high, low] = host.to_be_bytes();
        ((IpAddr::from([10, 1, high, low]), None), Listed::default())
    });
    assert_eq!(scene.answer(Answer::Servers(many.collect()), 60), [1, 2, 3]);
    assert_eq!(
        scene.pool.refused(),
        Some("a list of 501 servers, and `max_servers` is 500")
    );
    assert_eq!(scene.answer(listed(&[1, 2, 3]), 0), [1, 2, 3]);
    assert_eq!(scene.pool.refused(), None);
}

#[test]
fn a_list_with_one_impossible_server_is_refused_as_a_whole() {
    let mut scene = Scene::new(rules(), &[1, 2]);
    let cases = [
        ("0.0.0.0", None, "not a unicast address"),
        ("224.0.0.1", None, "not a unicast address"),
        ("255.255.255.255", None, "not a unicast address"),
        ("240.0.0.1", None, "not a unicast address"),
        ("::", None, "not a unicast address"),
        ("ff02::1", None, "not a unicast address"),
        ("::ffff:224.0.0.1", None, "not a unicast address"),
        ("fe80::1", None, "link-local"),
        ("10.0.0.9", Some(0), "port 0"),
        ("10.0.0.3", Some(80), "twice"),
    ];
    for (address, port, why) in cases {
        let mut servers = vec![(place(3), Listed::default())];
        servers.push(((address.parse().unwrap(), port), Listed::default()));
        assert_eq!(
            scene.answer(Answer::Servers(servers), 60),
            [1, 2],
            "{address}"
        );
        let said = scene.pool.refused().unwrap();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn from_seven_to_none_within_a_second_loses_at_most_half_within_ten_minutes() {
    let rules = Discovery {
        allow_empty: true,
        ..rules()
    };
    let mut scene = Scene::new(rules, &[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(scene.answer(listed(&[]), 3), [5, 6, 7], "four of seven");
    assert_eq!(scene.wait(590), [5, 6, 7]);
    assert_eq!(
        scene.answer(listed(&[6, 7, 8]), 3),
        [5, 6, 7, 8],
        "it was one fault"
    );
    assert_eq!(scene.wait(600), [6, 7, 8]);
}

#[test]
fn the_last_server_can_leave_where_the_file_allows_it() {
    let rules = Discovery {
        allow_empty: true,
        ..rules()
    };
    let mut scene = Scene::new(rules, &[1]);
    assert!(scene.answer(listed(&[]), 3).is_empty());
}

#[test]
fn a_server_that_is_down_is_not_counted() {
    let mut scene = Scene::new(rules(), &[1, 2, 3, 4]);
    scene.down = [1, 2, 3].map(place).into();
    assert_eq!(
        scene.answer(listed(&[5]), 3),
        [5],
        "three down, and one of four"
    );
}

#[test]
fn while_healthy_stays_what_its_checks_find_well() {
    let rules = Discovery {
        absent: Absent::WhileHealthy,
        ..rules()
    };
    let mut scene = Scene::new(rules, &[1, 2]);
    assert_eq!(scene.answer(listed(&[3]), 7200), [1, 2, 3]);
    scene.down = [place(1)].into();
    assert_eq!(scene.wait(1), [2, 3]);
    assert_eq!(scene.answer(listed(&[2, 3]), 7200), [2, 3]);
}

#[test]
fn changes_that_do_not_end_are_taken_after_the_longest_wait() {
    let mut scene = Scene::new(rules(), &[1]);
    for second in 0..10u8 {
        let hosts = scene.answer(listed(&[1, 100 + second]), 1);
        let is_taken = hosts != [1];
        assert_eq!(is_taken, second == 9, "after {second} s: {hosts:?}");
    }
}

#[test]
fn a_list_that_goes_back_before_it_is_stable_never_was() {
    let mut scene = Scene::new(rules(), &[1, 2]);
    assert_eq!(scene.answer(listed(&[1]), 1), [1, 2]);
    assert_eq!(scene.answer(listed(&[1, 2]), 60), [1, 2]);
    assert_eq!(scene.pool.next(scene.now), None);
}

#[test]
fn a_server_that_comes_and_goes_all_the_time_stays() {
    let rules = Discovery {
        max_removed: Threshold::Count(1000),
        ..rules()
    };
    let mut scene = Scene::new(rules, &[1, 2]);
    let mut absences = 0;
    for _ in 0..30 {
        for list in [&[1][..], &[1, 2]] {
            let hosts = scene.answer(listed(list), 5);
            absences += usize::from(hosts == [1]);
        }
    }
    assert!(absences <= 3, "{absences}");
    assert_eq!(scene.answer(listed(&[1]), 64), [1], "gone for good");
}

#[test]
fn after_a_restart_the_last_list_stays_until_the_source_answers() {
    let mut scene = Scene::new(rules(), &[1, 2, 3]);
    scene.pool = Pool::new(rules(), Some(scene.pool.list()));
    let error = Answer::Failed("no answer".to_owned());
    assert_eq!(scene.answer(error, 600), [1, 2, 3]);
    assert_eq!(scene.answer(listed(&[2, 3, 4]), 3), [2, 3, 4]);
}

#[test]
fn a_new_weight_is_no_new_server() {
    let mut scene = Scene::new(rules(), &[1, 2]);
    let heavy = Listed {
        weight: Some(9),
        ..Listed::default()
    };
    let servers = vec![(place(1), heavy), (place(2), Listed::default())];
    scene.pool.answer(Answer::Servers(servers), scene.now);
    let change = scene.pool.act(scene.now + 2 * SECOND, |_| Health::Up);
    assert_eq!(change.altered, [place(1)]);
    assert!(change.joined.is_empty() && change.left.is_empty());
}

/// A list of servers; those in the second argument drain.
fn draining(hosts: &[u8], drained: &[u8]) -> Answer {
    let servers = hosts.iter().map(|host| {
        let weight = drained.contains(host).then_some(0);
        let listed = Listed {
            weight,
            ..Listed::default()
        };
        (place(*host), listed)
    });
    Answer::Servers(servers.collect())
}

fn drained(pool: &Pool) -> Vec<Place> {
    let list = pool.list().into_iter();
    let drained = list.filter(|(_, listed)| listed.weight == Some(0));
    drained.map(|(place, _)| place).collect()
}

#[test]
fn servers_that_drain_leave_without_being_counted() {
    let mut careful = rules();
    careful.max_removed = Threshold::Count(1);
    let mut scene = Scene::new(careful, &[1, 2, 3, 4]);
    // A rolling update: each old server drains before it is gone.
    for old in 1..=4 {
        let new: Vec<u8> = (old + 1..=old + 4).collect();
        let all: Vec<u8> = (old..=old + 4).collect();
        assert_eq!(scene.answer(draining(&all, &[old]), 10), all);
        assert_eq!(scene.answer(listed(&new), 10), new);
    }
    // Without a drain, all but one are too many.
    assert_eq!(scene.answer(listed(&[8]), 10).len(), 3);
}

#[test]
fn a_list_in_which_all_servers_drain_is_an_empty_one() {
    let mut scene = Scene::new(rules(), &[1, 2]);
    assert_eq!(scene.answer(draining(&[1, 2], &[1]), 10), [1, 2]);
    assert_eq!(drained(&scene.pool), [place(1)]);
    scene.answer(draining(&[1, 2], &[1, 2]), 10);
    assert_eq!(drained(&scene.pool), [place(1)]);
    assert_eq!(
        scene.pool.refused(),
        Some("a list of servers that all have weight 0: 2 servers stay, as `allow_empty` is false")
    );
    // A new one takes over.
    scene.answer(draining(&[1, 2, 3], &[1, 2]), 10);
    assert_eq!(drained(&scene.pool), [place(1), place(2)]);
    let mut obedient = Scene::new(
        Discovery {
            allow_empty: true,
            ..rules()
        },
        &[1, 2],
    );
    obedient.answer(draining(&[1, 2], &[1, 2]), 10);
    assert_eq!(drained(&obedient.pool), [place(1), place(2)]);
}

#[test]
fn a_weight_follows_in_steps_however_often_the_list_changes() {
    let settle = Settle {
        min: Duration::ZERO,
        max: SECOND,
    };
    let rules = Discovery { settle, ..rules() };
    let weighted = |weight| {
        let listed = Listed {
            weight: Some(weight),
            ..Listed::default()
        };
        Answer::Servers(vec![(place(1), listed), (place(2), Listed::default())])
    };
    let mut scene = Scene::new(rules, &[1, 2]);
    let mut answered = |answer, seconds| {
        scene.answer(answer, seconds);
        scene.pool.list()[&place(1)].weight.unwrap()
    };
    assert_eq!(answered(weighted(100), 5), 100);
    assert_eq!(answered(weighted(50), 0), 80);
    // Back and forth within five seconds.
    assert_eq!(answered(weighted(100), 1), 80);
    assert_eq!(answered(weighted(50), 1), 80);
    assert_eq!(answered(weighted(50), 3), 64);
    assert_eq!(answered(weighted(50), 60), 50);
    assert_eq!(answered(weighted(0), 0), 0);
    assert_eq!(answered(weighted(50), 4), 0);
    assert_eq!(answered(weighted(50), 1), 10);
}

#[test]
fn a_list_that_has_no_place_in_the_service_file_waits_for_another_file() {
    let mut scene = Scene::new(rules(), &[1, 2]);
    let before = scene.pool.list();
    assert_eq!(scene.answer(listed(&[1, 2, 3]), 3), [1, 2, 3]);
    let why = || "server 3 is a backup server".to_owned();
    scene.pool.go_back(before, why(), scene.now);
    assert_eq!(scene.answer(listed(&[1, 2, 3]), 60), [1, 2]);
    assert_eq!(scene.pool.refused(), Some(&*why()));
    // Another list is taken, and so is the same one later.
    assert_eq!(scene.answer(listed(&[1, 2, 4]), 3), [1, 2, 4]);
    assert_eq!(scene.pool.refused(), None);
    let before = scene.pool.list();
    assert_eq!(scene.answer(listed(&[1, 2, 3, 4]), 3), [1, 2, 3, 4]);
    scene.pool.go_back(before, why(), scene.now);
    assert_eq!(scene.answer(listed(&[1, 2, 3, 4]), 299), [1, 2, 4]);
    scene.wait(1);
    assert_eq!(scene.answer(listed(&[1, 2, 3, 4]), 3), [1, 2, 3, 4]);
}

#[test]
fn a_server_that_is_no_longer_listed_gives_its_name_to_another_one() {
    let named = |hosts: &[(u8, &str)]| {
        let servers = hosts.iter().map(|(host, name)| {
            let name = Some((*name).to_owned());
            let listed = Listed {
                name,
                ..Listed::default()
            };
            (place(*host), listed)
        });
        Answer::Servers(servers.collect())
    };
    let rules = Discovery {
        absent: Absent::WhileHealthy,
        ..rules()
    };
    let mut scene = Scene::new(rules, &[1]);
    scene.answer(named(&[(1, "a"), (2, "b")]), 3);
    assert_eq!(scene.answer(named(&[(1, "a"), (3, "b")]), 3), [1, 2, 3]);
    let list = scene.pool.list();
    let names = [1, 2, 3].map(|host| list[&place(host)].name.as_deref());
    assert_eq!(names, [Some("a"), None, Some("b")]);
}

#[test]
fn a_port_that_is_said_from_now_on_makes_no_second_server() {
    let mut scene = Scene::new(
        Discovery {
            max_removed: Threshold::Count(1),
            ..rules()
        },
        &[1, 2, 3],
    );
    let without = [1, 2, 3].map(|host| ((place(host).0, None), Listed::default()));
    scene
        .pool
        .answer(Answer::Servers(without.to_vec()), scene.now);
    let change = scene.pool.act(scene.now + 2 * SECOND, |_| Health::Up);
    assert_eq!(change.altered.len(), 3, "{change:?}");
    assert!(change.joined.is_empty() && change.left.is_empty());
    assert_eq!(scene.answer(listed(&[1, 2, 3]), 3), [1, 2, 3]);
    let both = vec![without[0].clone(), (place(1), Listed::default())];
    scene.answer(Answer::Servers(both), 60);
    assert_eq!(
        scene.pool.refused(),
        Some("the list has 10.0.0.1 with and without a port")
    );
}

#[derive(Debug, Clone)]
enum Event {
    List(Vec<u8>),
    Failed,
    Silence(u32),
    Down(u8, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => proptest::collection::btree_set(1..9u8, 0..9)
            .prop_map(|hosts| Event::List(hosts.into_iter().collect())),
        2 => Just(Event::Failed),
        4 => (0..30u32).prop_map(Event::Silence),
        1 => (100..700u32).prop_map(Event::Silence),
        1 => (1..9u8, any::<bool>()).prop_map(|(host, down)| Event::Down(host, down)),
    ]
}

/// The servers that left although they were not known to be down, and when.
#[derive(Default)]
struct Losses(Vec<(Moment, Place)>);

impl Losses {
    fn most_within(&self, window: Duration) -> usize {
        let ends = self.0.iter().map(|(end, _)| *end);
        let within = |end: Moment| {
            let is_within = |at: Moment| at <= end && at + window > end;
            self.0.iter().filter(|(at, _)| is_within(*at)).count()
        };
        ends.map(within).max().unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        if std::env::var_os("DIRECTOR_QUICK").is_some() { 64 } else { 512 }
    ))]

    #[test]
    fn no_healthy_server_is_lost_but_by_a_list_within_the_limits(
        events in proptest::collection::vec(event(), 1..60),
        most in 1..5u32,
        allow_empty in any::<bool>(),
        keeps in any::<bool>(),
    ) {
        let rules = Discovery {
            allow_empty,
            max_removed: Threshold::Count(most),
            absent: if keeps { Absent::WhileHealthy } else { Absent::Drain },
            ..rules()
        };
        let mut scene = Scene::new(rules.clone(), &[1, 2, 3, 4]);
        let mut accepted: Vec<BTreeSet<u8>> = vec![[1, 2, 3, 4].into()];
        let mut losses = Losses::default();
        for event in events {
            let seconds = match event {
                Event::List(list) => {
                    scene.pool.answer(listed(&list), scene.now);
                    if scene.pool.refused().is_none() {
                        accepted.push(list.into_iter().collect());
                    }
                    0
                }
                Event::Failed => {
                    scene.pool.answer(Answer::Failed("x".to_owned()), scene.now);
                    0
                }
                Event::Silence(seconds) => seconds,
                Event::Down(host, true) => {
                    scene.down.insert(place(host));
                    0
                }
                Event::Down(host, false) => {
                    scene.down.remove(&place(host));
                    0
                }
            };
            for _ in 0..=seconds {
                let down = scene.down.clone();
                let change = scene.pool.act(scene.now, |place| match down.contains(&place) {
                    true => Health::Down,
                    false => Health::Up,
                });
                for gone in change.left {
                    let IpAddr::V4(address) = gone.0 else { unreachable!() };
                    let host = address.octets()[3];
                    prop_assert!(accepted.iter().any(|list| !list.contains(&host)));
                    let wanted = scene.pool.wanted.as_ref().unwrap();
                    prop_assert!(!wanted.contains_key(&gone));
                    if !down.contains(&gone) {
                        prop_assert!(!keeps, "it was healthy");
                        losses.0.push((scene.now, gone));
                    }
                }
                scene.now += SECOND;
            }
        }
        prop_assert!(losses.most_within(rules.removed_within) <= most as usize);
        // Whatever was, a source that says the same for long enough is obeyed.
        scene.down.clear();
        scene.pool.answer(listed(&[7, 8]), scene.now);
        scene.wait(600 * 9 + 60);
        let end = hosts(&scene.pool);
        prop_assert!(end.contains(&7) && end.contains(&8));
        prop_assert!(keeps || end == [7, 8], "{end:?}");
    }
}

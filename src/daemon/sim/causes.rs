//! Common causes: a switch, a link, the director's own interface. Damping is on, as by default.

use proptest::prelude::*;

use super::scenarios::{THREE, WEB, running};
use super::*;

const ALL: [&str; 3] = ["10.0.0.11", "10.0.0.12", "10.0.0.13"];

impl Sim {
    /// Whether each service with a server whose checks pass has one that serves. Targets without a
    /// verdict and sorry servers do not count.
    fn none_is_left_alone(&self) -> Result<(), String> {
        let up: BTreeSet<IpAddr> = self
            .checks
            .values()
            .filter(|checked| checked.verdict == Verdict::Up)
            .map(|checked| checked.target.address)
            .collect();
        for entry in self.kernel.services() {
            let key = entry.service.key;
            let servers = self.kernel.servers(&key);
            let is_in = servers.iter().any(|entry| entry.server.weight.get() > 0);
            let passes = |entry: &&ipvs::ServerEntry| up.contains(&entry.server.key.address);
            if !is_in && let Some(left) = servers.iter().find(passes) {
                let at = self.now.boot.0;
                return Err(format!("{key} at {at:?}: {} passes", left.server.key));
            }
        }
        Ok(())
    }

    /// Lets seconds pass, and checks at every moment.
    #[track_caller]
    fn watched(&mut self, seconds: u64) {
        for _ in 0..seconds * 20 {
            self.pass(Duration::from_millis(50));
            self.none_is_left_alone().unwrap();
        }
    }

    fn cut(&mut self, servers: &[&str], off: u64, on: u64) {
        for server in servers {
            self.kill(server);
        }
        self.watched(off);
        for server in servers {
            self.revive(server);
        }
        self.watched(on);
    }

    fn flap(&mut self, server: &str, times: usize) {
        for _ in 0..times {
            self.cut(&[server], 4, 4);
        }
    }
}

#[test]
fn links_of_all_servers_that_go_and_come_hold_no_server_out() {
    let mut sim = running(THREE);
    for _ in 0..8 {
        sim.cut(&ALL, 8, 8);
        assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    }
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
    let causes = sim.events("common-cause");
    assert_eq!(causes.len(), 16, "one for each way down and up: {causes:?}");
}

#[test]
fn with_two_servers_both_are_a_common_cause_and_one_is_none() {
    let mut sim = running(&THREE.replace(", \"10.0.0.13\"", ""));
    for _ in 0..6 {
        sim.cut(&ALL[..2], 5, 6);
        assert_eq!(sim.weights(WEB), "11=1 12=1");
    }
    sim.seconds(150);
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Held);
    assert_eq!(sim.weights(WEB), "11=0 12=1");
}

#[test]
fn the_start_of_a_director_is_no_common_cause() {
    let mut sim = running(THREE);
    assert_eq!(sim.events("common-cause"), Vec::<String>::new());
    sim.flap("10.0.0.11", 3);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
}

#[test]
fn an_only_server_is_never_held_out() {
    let mut sim = running(&THREE.replace(", \"10.0.0.12\", \"10.0.0.13\"", ""));
    sim.flap("10.0.0.11", 20);
    assert_eq!(sim.weights(WEB), "11=1");
    assert!(!sim.events("server-kept").is_empty());
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
}

#[test]
fn an_only_server_with_a_backup_that_is_up_is_held_out() {
    let mut sim = running(&format!(
        "{}backup = [\"10.0.0.21\"]\n",
        THREE.replace(", \"10.0.0.12\", \"10.0.0.13\"", "")
    ));
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.weights(WEB), "11=0 21=1");
    sim.kill("10.0.0.21");
    sim.watched(3);
    assert_eq!(sim.weights(WEB), "11=1 21=0", "the backup is gone");
}

#[test]
fn servers_that_are_seen_to_fail_late_excuse_those_before_them() {
    // Each has its own pace: 12 takes up to 9 s to go down and to come back, 13 up to 14 s.
    let slow = |address: &str, interval: &str, fall: u32| {
        format!(
            "{{ address = \"{address}\", check = {{ type = \"tcp\", interval = \"{interval}\", \
             fast_interval = \"{interval}\", rise = {fall}, fall = {fall} }} }}"
        )
    };
    let file = THREE
        .replace("\"10.0.0.12\"", &slow("10.0.0.12", "3s", 3))
        .replace("\"10.0.0.13\"", &slow("10.0.0.13", "7s", 2));
    for seed in 0..10 {
        let mut sim = Sim::start(&file);
        sim.stagger = Some(seed);
        sim.seconds(30);
        for _ in 0..6 {
            sim.cut(&ALL, 20, 20);
            assert_eq!(sim.weights(WEB), "11=1 12=1 13=1", "seed {seed}");
        }
        assert_eq!(sim.events("server-held"), Vec::<String>::new());
    }
}

#[test]
fn a_blip_that_takes_only_one_down_is_seen_by_what_failed_beside_it() {
    let file = THREE.replace(
        "\"10.0.0.12\"",
        "{ address = \"10.0.0.12\", check = { type = \"tcp\", interval = \"1s\", fall = 6 } }",
    );
    let file = file.replace("servers = [", "damping = { hold = \"10m\" }\nservers = [");
    let mut sim = running(&file);
    for _ in 0..5 {
        sim.cut(&["10.0.0.11", "10.0.0.12"], 4, 8);
    }
    assert_eq!(sim.events("server-down").len(), 5, "12 never goes down");
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
}

#[test]
fn a_server_that_is_dead_for_long_excuses_no_other() {
    let mut sim = running(THREE);
    sim.kill("10.0.0.13");
    sim.seconds(60);
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=0");
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Held);
}

#[test]
fn after_an_outage_of_all_servers_come_back_in_their_own_time_and_are_not_held() {
    let mut sim = running(THREE);
    for _ in 0..4 {
        for server in ALL {
            sim.kill(server);
        }
        sim.watched(4);
        // Each boots for a different time.
        for server in ALL {
            sim.revive(server);
            sim.watched(13);
        }
    }
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
}

#[test]
fn a_held_server_serves_when_the_others_fail_and_is_held_again_when_they_are_back() {
    let mut sim =
        running(&THREE.replace("servers = [", "damping = { hold = \"5m\" }\nservers = ["));
    sim.flap("10.0.0.11", 3);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    sim.kill("10.0.0.12");
    sim.watched(60);
    assert_eq!(sim.weights(WEB), "11=0 12=0 13=1");
    sim.kill("10.0.0.13");
    sim.watched(3);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=0");
    let status = sim.status(WEB);
    let kept = &status.servers[0];
    assert_eq!((kept.state, status.up), (ServerState::Up, 1));
    assert!(kept.until.is_some());
    assert_eq!(
        &*kept.reason,
        "changed too often, but kept in because too few others are up; it answers"
    );
    assert_eq!(
        sim.events("server-kept"),
        ["up: changed too often, but kept in because too few others are up"]
    );
    sim.revive("10.0.0.12");
    sim.revive("10.0.0.13");
    sim.watched(4);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    let again = sim.events("server-held").pop().unwrap();
    assert!(
        again.ends_with("because enough others are up now"),
        "{again}"
    );
    sim.seconds(300);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    let back = sim.events("server-up").pop().unwrap();
    assert_eq!(back, "up: no longer held out");
}

#[test]
fn min_healthy_limits_what_damping_may_hold_out() {
    let least = format!("{THREE}min_healthy = 3\n");
    let mut sim = running(&least);
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Up);
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
}

#[test]
fn damping_that_is_turned_off_lets_go_what_it_holds() {
    let mut sim = running(THREE);
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    sim.edit(&format!("{THREE}damping = false\n"));
    sim.seconds(2);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn a_switch_with_a_server_of_each_of_many_services_holds_none_out() {
    let mut file = "version = 1\n[defaults.check]\ntype = \"tcp\"\ninterval = \"1s\"\nrise = 2\n\
                    fall = 2\n"
        .to_owned();
    for number in 1..=5 {
        file += &format!(
            "[service.s{number}]\nlisten = \"tcp://192.0.2.10:{number}\"\nforward = \"nat\"\n\
             servers = [\"10.0.0.{}:80\", \"10.0.0.{}:80\"]\n",
            10 + number,
            20 + number
        );
    }
    let mut sim = running(&file);
    sim.seconds(10);
    let switch: Vec<String> = (11..=15).map(|last| format!("10.0.0.{last}")).collect();
    let switch: Vec<&str> = switch.iter().map(String::as_str).collect();
    for _ in 0..6 {
        sim.cut(&switch, 5, 6);
    }
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
    for number in 1..=5 {
        let weights = format!("{}=1 {}=1", 10 + number, 20 + number);
        assert_eq!(sim.weights(&format!("tcp://192.0.2.10:{number}")), weights);
    }
    sim.seconds(150);
    sim.flap("10.0.0.11", 4);
    assert_eq!(sim.weights("tcp://192.0.2.10:1"), "11=0 21=1");
}

#[test]
fn what_is_cut_off_with_the_directors_own_interface_is_not_held() {
    let mut sim = running(THREE);
    sim.cut_off = true;
    for _ in 0..6 {
        sim.cut(&["10.0.0.12"], 5, 6);
    }
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.events("server-held"), Vec::<String>::new());
    sim.cut_off = false;
    sim.flap("10.0.0.12", 4);
    assert_eq!(sim.weights(WEB), "11=1 12=0 13=1");
}

#[test]
fn a_slow_start_of_all_servers_is_none() {
    let mut sim = running(&format!(
        "{}slow_start = \"20s\"\n",
        THREE
            .replace("\"10.0.0.11\"", "{ address = \"10.0.0.11\", weight = 100 }")
            .replace("\"10.0.0.12\"", "{ address = \"10.0.0.12\", weight = 50 }")
    ));
    assert_eq!(sim.weights(WEB), "11=100 12=50 13=1", "none was warm");
    sim.seconds(30);
    sim.cut(&ALL, 5, 3);
    assert_eq!(sim.weights(WEB), "11=100 12=50 13=1");
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Up);
    // The first one back takes all clients; the others catch up.
    sim.seconds(30);
    for server in ALL {
        sim.kill(server);
    }
    sim.seconds(5);
    sim.revive("10.0.0.11");
    sim.seconds(12);
    assert_eq!(sim.weights(WEB), "11=100 12=0 13=0");
    sim.revive("10.0.0.12");
    let mut seen = Vec::new();
    for _ in 0..20 {
        sim.seconds(1);
        let weights = sim.weights(WEB);
        assert!(weights.starts_with("11=100 12="), "{weights}");
        seen.push(
            weights
                .split(['=', ' '])
                .nth(3)
                .unwrap()
                .parse::<u32>()
                .unwrap(),
        );
    }
    assert!(seen.is_sorted() && seen.contains(&1), "{seen:?}");
    assert!(
        seen.iter().any(|weight| (10..45).contains(weight)),
        "{seen:?}"
    );
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Up);
}

#[test]
fn a_check_that_cannot_be_asked_is_told_of_once_and_changes_no_server() {
    let mut sim = running(THREE);
    let target = *sim.checks.keys().next().unwrap();
    let find = |sim: &mut Sim, why: Option<&str>| {
        let why = why.map(Arc::from);
        sim.handle(Input::Finding(Finding::NotAsked { target, why }));
        sim.seconds(1);
    };
    find(&mut sim, Some("too many open files"));
    assert_eq!(
        sim.events("not-checked"),
        ["cannot run the tcp check, so the state stays: too many open files"]
    );
    find(&mut sim, None);
    assert_eq!(sim.events("checked"), ["the tcp check runs again"]);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
    assert_eq!(sim.sent(), HashMap::new());
}

#[test]
fn a_server_that_waits_for_one_of_its_checks_says_how_many_passed() {
    let two = "check = [{ type = \"tcp\" }, { type = \"tcp\", port = 81, interval = \"1h\" }]\n";
    let mut sim = Sim::start(&format!("{THREE}{two}"));
    sim.kill("10.0.0.12");
    sim.seconds(5);
    let why: Vec<_> = sim
        .status(WEB)
        .servers
        .iter()
        .map(|server| server.reason.clone())
        .collect();
    let passed = "1 of 2 checks passed".into();
    assert_eq!(why, [Arc::clone(&passed), "no answer".into(), passed]);
}

#[test]
fn a_weight_of_0_holds_immediately_and_the_way_back_goes_in_steps() {
    use crate::check::{Admin, Advice};
    let mut sim =
        running(&THREE.replace("\"10.0.0.11\"", "{ address = \"10.0.0.11\", weight = 100 }"));
    let target = sim
        .checks
        .iter()
        .find(|(_, checked)| checked.target.address == IpAddr::from([10, 0, 0, 11]))
        .map(|(id, _)| *id)
        .unwrap();
    let advise = |sim: &mut Sim, weight: u16| {
        let advice = Advice {
            weight: Some(weight),
            admin: Admin::Ready,
        };
        sim.handle(Input::Finding(Finding::Advised { target, advice }));
        sim.weights(WEB)
    };
    assert_eq!(advise(&mut sim, 90), "11=90 12=1 13=1");
    assert_eq!(advise(&mut sim, 0), "11=0 12=1 13=1");
    assert_eq!(advise(&mut sim, 100), "11=0 12=1 13=1");
    sim.seconds(6);
    assert_eq!(sim.weights(WEB), "11=20 12=1 13=1");
    sim.seconds(20);
    assert_eq!(sim.weights(WEB), "11=100 12=1 13=1");
}

/// An hour of outages in one network.
#[derive(Debug, Clone)]
struct Hour {
    seed: u64,
    /// Outages: the group affected, the duration, and the time until the next, in seconds.
    outages: Vec<(usize, u64, u64)>,
}

/// The groups that go down together: three of web, all of small, the rack of big, everything.
const GROUPS: [&[u8]; 5] = [
    &[11, 12, 13],
    &[21, 22],
    &[31, 32, 33, 34],
    &[11, 12, 13, 21, 22, 31, 32, 33, 34, 35, 36, 37, 38, 41],
    &[41],
];

fn farm() -> String {
    let service = |name: &str, port: u16, servers: &[u8]| {
        let servers: Vec<String> = servers
            .iter()
            .map(|last| format!("\"10.0.0.{last}:80\""))
            .collect();
        format!(
            "[service.{name}]\nlisten = \"tcp://192.0.2.10:{port}\"\nforward = \"nat\"\nservers = [{}]\n",
            servers.join(", ")
        )
    };
    "version = 1\n[defaults.check]\ntype = \"tcp\"\ninterval = \"1s\"\nrise = 2\nfall = 3\n"
        .to_owned()
        + &service("web", 1, &[11, 12, 13])
        + &service("small", 2, &[21, 22])
        + &service("big", 3, &[31, 32, 33, 34, 35, 36, 37, 38])
        + &service("only", 4, &[41])
        + &service("mixed", 5, &[11, 21, 31, 41])
}

fn hour() -> impl Strategy<Value = Hour> {
    let outage = (0..GROUPS.len(), 1u64..40, 1u64..60);
    (any::<u64>(), prop::collection::vec(outage, 40..90))
        .prop_map(|(seed, outages)| Hour { seed, outages })
}

fn begin(hour: &Hour) -> Sim {
    let mut sim = Sim::start(&farm());
    sim.stagger = Some(hour.seed);
    sim.seconds(8);
    sim
}

/// How long a server was held out while its checks passed, and how long they passed.
#[derive(Default)]
struct Out {
    held: u32,
    passed: u32,
}

/// Lets the hour pass with one server flapping every `half` seconds; checks at every moment.
fn live(sim: &mut Sim, hour: &Hour, flapper: Option<(u8, u64)>) -> Result<Out, TestCaseError> {
    let mut out = Out::default();
    let mut dead: BTreeSet<u8> = BTreeSet::new();
    let mut second = 0;
    for (group, off, quiet) in &hour.outages {
        for (time, hit) in [(off, true), (quiet, false)] {
            for last in GROUPS[*group] {
                if hit {
                    dead.insert(*last)
                } else {
                    dead.remove(last)
                };
            }
            for _ in 0..*time {
                second += 1;
                let own = flapper.filter(|(_, half)| (second / half) % 2 == 1);
                let own = own.map(|(last, _)| last);
                let all = dead.iter().copied().chain(own);
                sim.dead = all.map(|last| IpAddr::from([10, 0, 0, last])).collect();
                for _ in 0..5 {
                    sim.pass(Duration::from_millis(200));
                    sim.none_is_left_alone().map_err(TestCaseError::fail)?;
                }
                if let Some((last, _)) = flapper {
                    let address: IpAddr = [10, 0, 0, last].into();
                    let up = |checked: &&Checked| {
                        checked.target.address == address && checked.verdict == Verdict::Up
                    };
                    if sim.checks.values().find(up).is_some() {
                        out.passed += 1;
                        let big = sim.state("tcp://192.0.2.10:3", &address.to_string());
                        out.held += u32::from(big == ServerState::Held);
                    }
                }
            }
        }
    }
    Ok(out)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(4), max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn in_hours_of_common_causes_no_service_is_left_alone_and_no_server_is_held_out(hour in hour()) {
        let mut sim = begin(&hour);
        live(&mut sim, &hour, None)?;
        // `only` has one server, which counts as its own where it is in `mixed`, too.
        let (events, _) = sim.published.events(0);
        let held: Vec<_> = events
            .iter()
            .filter(|event| event.kind.word() == "server-held")
            .filter(|event| !event.server.unwrap().to_string().starts_with("10.0.0.41"))
            .collect();
        prop_assert!(held.is_empty(), "{held:?}");
    }

    #[test]
    fn a_server_that_flaps_by_itself_is_held_out_whatever_else_happens(
        hour in hour(), half in 4u64..9,
    ) {
        let mut sim = begin(&hour);
        let out = live(&mut sim, &hour, Some((38, half)))?;
        prop_assert!(out.held * 2 > out.passed, "{} of {}", out.held, out.passed);
    }
}

//! Records of random snapshots, read again; and what happens to a file that is cut, damaged, or
//! cannot be written.

mod row;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipvs::{ForwardMethod, Server, ServerKey, Service, ServiceKey, Weight};
use proptest::prelude::*;

use super::segment::Segment;
use super::*;
use crate::control::Now;
use crate::control::event::{Event, EventKind};
use crate::control::operator::Setting;
use crate::control::select::Word;
use crate::control::snapshot::{Role, ServerState, ServerStatus, ServiceStatus, Snapshot};
use crate::plan::Style;
use crate::state::BootTime;
use crate::state::health::HistoryLimits;

/// 2026-11-21 12:00:00 UTC, in milliseconds.
const NOON: u64 = 1_795_262_400_000;

const LIMITS: HistoryLimits = HistoryLimits {
    size: 64 << 20,
    age: Duration::from_secs(7 * 86_400),
};

/// Servers by host: state, weight in the kernel if any, reason.
type Servers = BTreeMap<u8, (ServerState, Option<u32>, &'static str)>;

fn time(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at)
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], port)
}

fn host(host: u8) -> ServerKey {
    ServerKey::new([10, 0, 0, host], 80)
}

fn server(number: u8, (state, weight, reason): (ServerState, Option<u32>, &str)) -> ServerStatus {
    let as_declared = Server::new(host(number), ForwardMethod::Masquerade);
    let weight = weight.map(|weight| Server {
        weight: Weight::new(weight).unwrap(),
        ..as_declared
    });
    let drain = (state == ServerState::Drained).then(|| Setting {
        value: (),
        by: "anna".to_owned(),
        reason: Some("new disk".to_owned()),
        at: time(NOON),
        until: None,
        ends: None,
    });
    ServerStatus {
        name: number
            .is_multiple_of(2)
            .then(|| Arc::from(format!("app{number}"))),
        role: Role::Regular,
        server: weight,
        as_declared,
        state,
        reason: reason.into(),
        since: time(NOON),
        entered: time(NOON),
        until: None,
        drain: drain.map(Box::new),
        weight: None,
        checks: Vec::new(),
    }
}

/// A snapshot with these services by port.
fn snapshot(at: u64, services: &BTreeMap<u16, Servers>) -> Arc<Snapshot> {
    let services = services.iter().map(|(port, servers)| {
        let service = Service::new(key(*port), Service::RR);
        let servers: Vec<_> = servers.iter().map(|(one, of)| server(*one, *of)).collect();
        let status = ServiceStatus {
            name: format!("web{port}").into(),
            service,
            as_declared: service,
            pool: None,
            up: servers.len(),
            declared: servers.len(),
            servers,
            min_healthy: 1,
            panic: false,
            quorum: None,
            leaving: false,
        };
        (key(*port), Arc::new(status))
    });
    Arc::new(Snapshot {
        at: Some(Now {
            boot: BootTime(Duration::from_millis(at)),
            wall: time(at),
        }),
        loaded: Some(time(NOON)),
        services: services.collect(),
        ..Snapshot::default()
    })
}

fn event(at: u64, kind: EventKind, of: Option<(u16, Option<u8>)>, text: &str) -> Arc<Event> {
    Arc::new(Event {
        id: 0,
        at_ms: at,
        kind,
        service: of.map(|(port, _)| format!("web{port}").into()),
        listen: of.map(|(port, _)| key(port)),
        server: of.and_then(|(_, server)| server.map(host)),
        text: text.into(),
    })
}

fn record(recorder: &mut Recorder, snapshot: &Arc<Snapshot>, events: &[Arc<Event>]) {
    recorder.record(snapshot, events, 0, LIMITS).unwrap();
}

fn files(state: &Path) -> Vec<Segment> {
    Segment::all(&state.join(DIRECTORY)).unwrap()
}

fn rows(state: &Path, filter: &Filter) -> (Vec<Row>, Vec<String>) {
    let mut rows = Vec::new();
    let lost = Reader::open(state).unwrap().rows(filter, |row| {
        rows.push(row);
        true
    });
    (rows, lost.unwrap())
}

/// Up, down and drained servers.
fn some(up: &[u8], down: &[u8], drained: &[u8]) -> Servers {
    let up = up
        .iter()
        .map(|one| (*one, (ServerState::Up, Some(1), "connected")));
    let down = down
        .iter()
        .map(|one| (*one, (ServerState::Down, Some(0), "refused")));
    let drained = drained.iter();
    let drained = drained.map(|one| (*one, (ServerState::Drained, Some(0), "drained by anna")));
    up.chain(down).chain(drained).collect()
}

fn services() -> impl Strategy<Value = BTreeMap<u16, Servers>> {
    let states = prop_oneof![
        Just(ServerState::Up),
        Just(ServerState::Down),
        Just(ServerState::Drained),
        Just(ServerState::Leaving),
    ];
    let reasons = prop_oneof![Just("refused"), Just("timed out"), Just("\"\\\u{202e}\n")];
    let weights = proptest::option::of(0_u32..3);
    let servers = proptest::collection::btree_map(1_u8..6, (states, weights, reasons), 0..5);
    proptest::collection::btree_map(80_u16..84, servers, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_read_is_what_was_whatever_changed_and_however_often_it_restarted(
        states in proptest::collection::vec((services(), proptest::bool::weighted(0.2)), 1..12),
        size in prop_oneof![Just(64_u64 << 20), Just(1 << 20)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let limits = HistoryLimits { size, ..LIMITS };
        let mut recorder = Recorder::new(directory.path());
        let mut expected = Vec::new();
        for (number, (services, restarts)) in states.iter().enumerate() {
            if *restarts {
                recorder = Recorder::new(directory.path());
            }
            let at = NOON + 1000 * number as u64;
            let snapshot = snapshot(at, services);
            recorder.record(&snapshot, &[], 0, limits).unwrap();
            expected.push((at, Picture::of(&snapshot)));
        }
        let reader = Reader::open(directory.path()).unwrap();
        for (at, picture) in expected {
            let found = reader.at(at + 999).unwrap().unwrap();
            prop_assert_eq!(found.picture, picture);
            prop_assert_eq!(found.lost, Vec::<String>::new());
        }
        prop_assert!(reader.at(NOON - 1).unwrap().is_none());
        // Two times in one reading, also the wrong way round.
        let ends: Vec<u64> = (0..states.len() as u64).map(|number| NOON + 1000 * number).collect();
        for (from, to) in ends.iter().zip(ends.iter().rev()) {
            let both = reader.between(*from, *to).unwrap();
            prop_assert_eq!(both, [*from, *to].map(|at| reader.at(at).unwrap()));
        }
    }
}

#[test]
fn a_cut_at_any_byte_loses_the_last_record_and_the_next_director_goes_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let states = [
        some(&[1, 2], &[], &[]),
        some(&[1], &[2], &[]),
        some(&[], &[1, 2], &[]),
    ];
    let mut ends = Vec::new();
    let mut pictures = Vec::new();
    for (number, servers) in (0..).zip(&states) {
        let snapshot = snapshot(NOON + number, &BTreeMap::from([(80, servers.clone())]));
        record(&mut recorder, &snapshot, &[]);
        ends.push(
            fs::metadata(&files(directory.path())[0].path)
                .unwrap()
                .len(),
        );
        pictures.push(Picture::of(&snapshot));
    }
    let bytes = fs::read(&files(directory.path())[0].path).unwrap();
    let last = snapshot(NOON + 9000, &BTreeMap::from([(80, some(&[2], &[1], &[]))]));
    // Every byte of a member has a test of its own.
    for cut in (0..=bytes.len()).step_by(5) {
        let directory = tempfile::tempdir().unwrap();
        let first = Segment::new(&directory.path().join(DIRECTORY), 1);
        fs::create_dir(directory.path().join(DIRECTORY)).unwrap();
        fs::write(&first.path, &bytes[..cut]).unwrap();
        let complete = ends.iter().filter(|end| **end <= cut as u64).count();
        let found = Reader::open(directory.path())
            .unwrap()
            .at(NOON + 99)
            .unwrap();
        match complete {
            // The picture itself may be complete before the first change.
            0 => {}
            complete => assert_eq!(found.unwrap().picture, pictures[complete - 1], "{cut}"),
        }
        let mut recorder = Recorder::new(directory.path());
        assert_eq!(recorder.open().unwrap(), Vec::<String>::new(), "{cut}");
        record(&mut recorder, &last, &[]);
        let found = Reader::open(directory.path())
            .unwrap()
            .at(NOON + 9000)
            .unwrap();
        assert_eq!(found.unwrap().picture, Picture::of(&last), "{cut}");
        let (_, lost) = rows(directory.path(), &Filter::default());
        assert_eq!(lost, Vec::<String>::new(), "{cut}");
    }
}

#[test]
fn damage_is_named_and_what_is_behind_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let all = [
        some(&[1, 2], &[], &[]),
        some(&[1], &[2], &[]),
        some(&[1, 2], &[], &[]),
        some(&[2], &[1], &[]),
    ];
    let mut ends = Vec::new();
    for (number, servers) in (0..).zip(&all) {
        let snapshot = snapshot(
            NOON + 1000 * number,
            &BTreeMap::from([(80, servers.clone())]),
        );
        record(&mut recorder, &snapshot, &[]);
        ends.push(
            fs::metadata(&files(directory.path())[0].path)
                .unwrap()
                .len(),
        );
    }
    let path = &files(directory.path())[0].path;
    let mut bytes = fs::read(path).unwrap();
    // In the middle of the second change.
    let place = usize::try_from((ends[1] + ends[2]) / 2).unwrap();
    bytes[place] ^= 0xff;
    fs::write(path, &bytes).unwrap();
    let (rows, lost) = rows(directory.path(), &Filter::default());
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert!(
        lost[0].contains("bytes of") && lost[0].contains("cannot be read"),
        "{lost:?}"
    );
    assert!(rows.iter().any(|row| row.at_ms == NOON + 3000), "{rows:?}");
    let found = Reader::open(directory.path())
        .unwrap()
        .at(NOON + 3000)
        .unwrap()
        .unwrap();
    assert_eq!(found.lost, lost);
    // The next director says so, and begins with a picture of its own.
    let mut recorder = Recorder::new(directory.path());
    assert_eq!(recorder.open().unwrap(), lost);
    let last = snapshot(NOON + 9000, &BTreeMap::from([(80, some(&[], &[], &[1]))]));
    record(&mut recorder, &last, &[]);
    let found = Reader::open(directory.path())
        .unwrap()
        .at(NOON + 9000)
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.picture, found.lost),
        (Picture::of(&last), Vec::new())
    );
}

#[test]
fn a_record_that_is_not_recognised_hides_none_of_those_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let all = [
        some(&[1, 2], &[], &[]),
        some(&[1], &[2], &[]),
        some(&[], &[1, 2], &[]),
    ];
    let mut ends = Vec::new();
    for (number, servers) in (0..).zip(&all) {
        let services = BTreeMap::from([(80, servers.clone())]);
        record(
            &mut recorder,
            &snapshot(NOON + 1000 * number, &services),
            &[],
        );
        let path = &files(directory.path())[0].path;
        ends.push(fs::metadata(path).unwrap().len());
    }
    let path = &files(directory.path())[0].path;
    let mut bytes = fs::read(path).unwrap();
    // The head of the second record.
    bytes[usize::try_from(ends[0]).unwrap()] ^= 0xff;
    fs::write(path, &bytes).unwrap();
    let reader = Reader::open(directory.path()).unwrap();
    let [before, after] = reader.between(NOON, NOON + 2000).unwrap();
    let state = |at: &Option<At>, server| {
        let picture = &at.as_ref().unwrap().picture;
        picture.services[&key(80)].servers[&host(server)].state
    };
    assert_eq!(state(&before, 1), ServerState::Up);
    assert_eq!(state(&after, 1), ServerState::Down);
    // What was lost comes after the first time.
    assert_eq!(before.unwrap().lost, Vec::<String>::new());
    assert_eq!(after.unwrap().lost.len(), 1);
}

#[test]
fn what_could_not_be_written_is_in_the_next_record() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    // Something is in the way of the directory.
    fs::write(state.join(DIRECTORY), "").unwrap();
    let mut recorder = Recorder::new(state);
    let first = snapshot(NOON, &BTreeMap::from([(80, some(&[1], &[], &[]))]));
    let events = [event(NOON, EventKind::Loaded, None, "loaded")];
    assert!(recorder.record(&first, &events, 0, LIMITS).is_err());
    fs::remove_file(state.join(DIRECTORY)).unwrap();
    record(&mut recorder, &first, &events);
    // The file goes away: the next picture is in a new one.
    fs::remove_dir_all(state.join(DIRECTORY)).unwrap();
    let second = snapshot(NOON + 1000, &BTreeMap::from([(80, some(&[], &[1], &[]))]));
    record(&mut recorder, &second, &[]);
    let found = Reader::open(state)
        .unwrap()
        .at(NOON + 1000)
        .unwrap()
        .unwrap();
    assert_eq!(found.picture, Picture::of(&second));
}

#[test]
fn the_oldest_files_go_by_size_and_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let limits = HistoryLimits {
        size: 1 << 20,
        age: Duration::from_secs(86_400),
    };
    let mut recorder = Recorder::new(directory.path());
    let mut at = NOON;
    // Texts that do not compress.
    let mut seed = 1_u64;
    let mut text = || {
        (0..400).fold(String::new(), |text, _| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text + &format!("{:08x}", seed >> 32)
        })
    };
    let one = snapshot(at, &BTreeMap::from([(80, some(&[1], &[], &[]))]));
    for _ in 0..1500 {
        at += 10;
        let events = [event(at, EventKind::Loaded, None, &text())];
        recorder.record(&one, &events, 0, limits).unwrap();
        assert!(recorder.size() <= limits.size + (limits.size >> 3));
    }
    let all = files(directory.path());
    assert!(all.len() > 2 && all[0].number > 1, "{all:?}");
    let lengths = all.iter().map(|one| fs::metadata(&one.path).unwrap().len());
    assert!(lengths.sum::<u64>() <= limits.size);
    // Two days later.
    at += 2 * 86_400_000;
    let last = snapshot(at, &BTreeMap::from([(80, some(&[], &[1], &[]))]));
    recorder.record(&last, &[], 0, limits).unwrap();
    recorder.record(&last, &[], 0, limits).unwrap();
    assert!(files(directory.path()).len() <= 2);
    let found = Reader::open(directory.path())
        .unwrap()
        .at(at)
        .unwrap()
        .unwrap();
    assert_eq!(found.picture, Picture::of(&last));
}

#[test]
fn the_difference_between_two_times_is_a_plan_and_backwards_its_opposite() {
    let directory = tempfile::tempdir().unwrap();
    row::morning(directory.path());
    let reader = Reader::open(directory.path()).unwrap();
    let at = |minute: u64| {
        reader
            .at(NOON + 60_000 * minute + 999)
            .unwrap()
            .unwrap()
            .picture
    };
    let text = |from, to| plan(&at(from), &at(to)).render(BootTime::default(), Style::default());
    let forth = text(0, 4);
    for line in [
        "web80  tcp://192.0.2.10:80",
        "web443  tcp://192.0.2.10:443",
        "10.0.0.3:80",
    ] {
        assert!(forth.contains(line), "{forth}");
    }
    let [there, back] = [
        plan(&at(0), &at(4)).summary(),
        plan(&at(4), &at(0)).summary(),
    ];
    let counts = (there.add, there.change, there.remove);
    assert_eq!(counts, (1, 2, 1), "{forth}");
    assert_eq!(
        (back.add, back.change, back.remove),
        (2, 2, 1),
        "{}",
        text(4, 0)
    );
    assert!(plan(&at(2), &at(3)).is_empty());
}

#[test]
fn a_clock_that_is_set_back_hides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let hour = 3_600_000;
    for (at, servers) in [
        (NOON, some(&[1], &[], &[])),
        (NOON + hour, some(&[2], &[], &[])),
        (NOON + 1000, some(&[3], &[], &[])),
    ] {
        record(
            &mut recorder,
            &snapshot(at, &BTreeMap::from([(80, servers)])),
            &[],
        );
    }
    let found = Reader::open(directory.path())
        .unwrap()
        .at(NOON + 2000)
        .unwrap()
        .unwrap();
    let servers: Vec<_> = found.picture.services[&key(80)]
        .servers
        .keys()
        .copied()
        .collect();
    assert_eq!(servers, [host(3)]);
}

#[test]
fn the_files_of_a_time_are_those_that_were_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(directory.path());
    let text = |text: &str| Files {
        root: "/etc/a.toml".to_owned(),
        files: vec![("/etc/a.toml".to_owned(), text.to_owned())],
    };
    for (at, file) in [(NOON, "one"), (NOON + 1000, "one"), (NOON + 5000, "two")] {
        recorder.files(at, &text(file));
        record(&mut recorder, &snapshot(at, &BTreeMap::new()), &[]);
    }
    for restarts in 0..2 {
        let reader = Reader::open(directory.path()).unwrap();
        for (at, file) in [(NOON, "one"), (NOON + 4999, "one"), (NOON + 5000, "two")] {
            let found = reader.files_at(at).unwrap().unwrap();
            assert_eq!(found.files.as_deref(), Some(&text(file)), "{at} {restarts}");
        }
        // A restart with the same files does not write them again.
        let before = files(directory.path()).len();
        let mut recorder = Recorder::new(directory.path());
        recorder.files(NOON + 9000, &text("two"));
        record(&mut recorder, &snapshot(NOON + 9000, &BTreeMap::new()), &[]);
        assert_eq!(files(directory.path()).len(), before);
    }
}

//! Operators' requests.

use super::scenarios::{THREE, WEB, running};
use super::*;
use crate::control::operator::{HostRequest, Setting};

#[test]
fn the_operator_drains_weighs_and_disables_and_it_outlives_a_kill() {
    let mut sim = running(THREE);
    let answer = sim
        .ask(Request::Drain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    assert_eq!(
        answer.done,
        [format!("{WEB} 10.0.0.11:80: drained by anna")]
    );
    let of = Sim::request(WEB, "10.0.0.12:80");
    sim.ask(Request::Weight {
        of,
        weight: Some(5),
    })
    .unwrap();
    assert_eq!(sim.weights(WEB), "11=0 12=5 13=1");
    let mut sim = sim.restart();
    sim.seconds(8);
    assert_eq!(sim.weights(WEB), "11=0 12=5 13=1");
    assert_eq!(sim.state(WEB, "10.0.0.11"), ServerState::Drained);
    sim.ask(Request::Undrain(Sim::request("web", "10.0.0.11")))
        .unwrap();
    let of = Sim::request("web", "10.0.0.12");
    sim.ask(Request::Weight { of, weight: None }).unwrap();
    assert_eq!(sim.weights(WEB), "11=0 12=1 13=1");
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");

    let host = |server: &str, seconds| HostRequest {
        server: server.to_owned(),
        force: false,
        note: Note {
            for_seconds: seconds,
            ..Note::default()
        },
    };
    sim.ask(Request::Disable(host("10.0.0.13", Some(60))))
        .unwrap();
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=0");
    assert_eq!(sim.state(WEB, "10.0.0.13"), ServerState::Disabled);
    sim.seconds(59);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=0");
    sim.seconds(4);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1", "it expired");
    assert!(sim.kept.disabled.is_empty());
}

#[test]
fn a_request_that_says_nothing_new_keeps_what_was_set() {
    let drain = |note| {
        Request::Drain(ServerRequest {
            note,
            ..Sim::request("web", "10.0.0.11")
        })
    };
    let weight = |weight, note| Request::Weight {
        of: ServerRequest {
            note,
            ..Sim::request("web", "10.0.0.11")
        },
        weight: Some(weight),
    };
    let disable = |note| {
        Request::Disable(HostRequest {
            server: "10.0.0.11".to_owned(),
            force: false,
            note,
        })
    };
    let heavy = |note| weight(5, note);
    let asked: [(&str, &dyn Fn(Note) -> Request); 3] = [
        ("drained", &drain),
        ("weight 5", &heavy),
        ("in maintenance", &disable),
    ];
    for (words, request) in asked {
        let mut sim = running(THREE);
        sim.ask(request(note("anna", Some("new disks"), Some(3600))))
            .unwrap();
        let (kept, told) = (sim.kept.clone(), sim.published.events(0).0.len());
        sim.seconds(60);
        let answer = sim.ask(request(note("bob", None, None))).unwrap();
        let answer = &answer.done[0];
        let stands =
            format!(": {words} already, since 2023-11-14 22:13:25Z by anna: new disks (59m left)");
        assert!(answer.contains(&stands), "{answer}");
        assert_eq!(sim.kept, kept, "{answer}");
        assert_eq!(sim.published.events(0).0.len(), told, "nothing happened");

        // A reason or a time is new, and replaces the earlier setting.
        for note in [
            note("bob", Some("kernel"), None),
            note("eve", None, Some(60)),
        ] {
            let answer = sim.ask(request(note.clone())).unwrap();
            let answer = &answer.done[0];
            assert!(
                answer.contains(&format!("{words} by {}", note.by)),
                "{answer}"
            );
            let (by, reason, ends) = set(&sim.kept);
            assert_eq!((by, reason), (note.by, note.reason));
            assert_eq!(ends, note.for_seconds.is_some());
        }
    }
    // So is another weight.
    let mut sim = running(THREE);
    for weights in [5, 6] {
        let answer = sim.ask(weight(weights, note("bob", None, None))).unwrap();
        let said = format!("weight {weights} by bob");
        assert!(answer.done[0].ends_with(&said), "{answer:?}");
    }
}

fn note(by: &str, reason: Option<&str>, for_seconds: Option<u64>) -> Note {
    Note {
        by: by.to_owned(),
        reason: reason.map(str::to_owned),
        for_seconds,
    }
}

/// The only setting: who, why, and whether it ends by itself.
fn set(kept: &Settings) -> (String, Option<String>, bool) {
    fn shown<T>(set: &Setting<T>) -> (String, Option<String>, bool) {
        (set.by.clone(), set.reason.clone(), set.until.is_some())
    }
    let server = kept.servers.values().next();
    let drain = server.and_then(|set| set.drain.as_ref()).map(shown);
    let weight = server.and_then(|set| set.weight.as_ref()).map(shown);
    let disabled = kept.disabled.values().next().map(shown);
    drain.or(weight).or(disabled).expect("something is set")
}

#[test]
fn requests_that_make_no_sense_are_refused_with_a_reason() {
    let mut sim = running(THREE);
    let said = |sim: &mut Sim, service: &str, server: &str| {
        sim.ask(Request::Drain(Sim::request(service, server)))
            .unwrap_err()
            .message
    };
    assert_eq!(
        said(&mut sim, "wbe", "x"),
        "the file has no service `wbe`; there are: web"
    );
    assert_eq!(
        said(&mut sim, "web", "10.0.0.99"),
        "web has no server `10.0.0.99`; there are: 10.0.0.11:80, 10.0.0.12:80, 10.0.0.13:80"
    );
    for nowhere in ["10.0.0.99", "fd00::99", "[fd00::99]", "app9"] {
        let host = HostRequest {
            server: nowhere.to_owned(),
            force: false,
            note: Note::default(),
        };
        let refusal = sim.ask(Request::Disable(host)).unwrap_err();
        assert_eq!(
            refusal.message,
            format!(
                "the file has no server `{nowhere}`; there are: 10.0.0.11:80, 10.0.0.12:80, \
                 10.0.0.13:80"
            )
        );
    }
    assert_eq!(sim.kept, Settings::default());
    let of = Sim::request("web", "10.0.0.11");
    let weight = Some(u32::MAX);
    assert!(sim.ask(Request::Weight { of, weight }).is_err());
}

#[test]
fn what_leaves_the_file_in_maintenance_comes_back_in_maintenance() {
    let mut sim = running(THREE);
    let host = |server: &str| HostRequest {
        server: server.to_owned(),
        force: false,
        note: Note::default(),
    };
    sim.ask(Request::Disable(host("10.0.0.13"))).unwrap();
    sim.edit(&THREE.replace(", \"10.0.0.13\"", ""));
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1");
    // It is still known, and can be set and ended.
    let again = sim.ask(Request::Disable(host("10.0.0.13"))).unwrap();
    assert!(again.done[0].contains("already"), "{again:?}");
    let mut sim = sim.restart();
    sim.seconds(5);
    sim.edit(THREE);
    sim.seconds(5);
    assert_eq!(sim.weights(WEB), "11=1 12=1");
    assert_eq!(sim.state(WEB, "10.0.0.13"), ServerState::Disabled);
    sim.ask(Request::Enable(host("10.0.0.13"))).unwrap();
    sim.seconds(3);
    assert_eq!(sim.weights(WEB), "11=1 12=1 13=1");
}

#[test]
fn settings_of_servers_that_the_file_does_not_have_are_bounded_and_the_newest_stay() {
    let mut sim = running(THREE);
    let host = HostRequest {
        server: "10.0.0.11".to_owned(),
        force: false,
        note: Note::default(),
    };
    sim.ask(Request::Disable(host)).unwrap();
    sim.ask(Request::Drain(Sim::request("web", "10.0.0.12")))
        .unwrap();
    // As earlier directors stored them, one per second.
    let mut settings = sim.kept.clone();
    for number in 0..3000_u32 {
        let mut set = sim.kept.disabled[&IpAddr::from([10, 0, 0, 11])].clone();
        set.at = SystemTime::UNIX_EPOCH + Duration::from_secs(number.into());
        let address = IpAddr::from((0x0a63_0000 + number).to_be_bytes());
        settings.disabled.insert(address, set);
    }
    let keep = crate::daemon::messages::Keep {
        number: 0,
        settings,
        at: sim.now,
    };
    let store = Store::new(sim.directory.path().join("state"));
    keeper::write(&store, "this one", &keep).unwrap();
    let mut sim = sim.restart();
    sim.seconds(5);
    assert_eq!(sim.kept.disabled.len(), 1024 + 1);
    let newest = 0x0a63_0000_u32 + 2999;
    let newest = IpAddr::from(newest.to_be_bytes());
    assert!(sim.kept.disabled.contains_key(&newest));
    assert_eq!(sim.events("forgotten").len(), 1);
    assert_eq!(
        sim.weights(WEB),
        "11=0 12=0 13=1",
        "what the file has stays"
    );
}

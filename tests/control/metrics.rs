//! `GET /metrics`, and the view socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use director::control::Now;
use director::control::announce::{AnnounceHealth, AnnounceState, AnnounceStatus};
use director::control::discovery::PoolStatus;
use director::control::failover::{FailoverCounters, FailoverRole, FailoverStatus};
use director::control::operator::Request;
use director::control::peer::{PeerStatus, Relay, Resync};
use director::control::snapshot::Snapshot;
use director::state::BootTime;
use director::state::health::MarkRange;

use super::fake::{Running, run, run_here, run_with, snapshot};
use super::raw::{Answer, ask, connect, get};
use super::verbs::command;

/// The process differs from run to run.
fn is_steady(line: &str) -> bool {
    !line.contains("process_")
}

fn steady(text: &str) -> String {
    let lines = text.lines().filter(|line| is_steady(line));
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    lines
        .map(|line| line.replace(&version, "\"VERSION\"") + "\n")
        .collect()
}

/// A director with a failover section, another director, an announce section and a pool that finds its
/// servers.
fn with_sections() -> Running {
    let counters = FailoverCounters {
        sent: 9000.into(),
        send_failures: 1.into(),
        received: 120.into(),
        discarded: 3.into(),
        late: 2.into(),
        latest_us: 61_500.into(),
        peer_late: 4.into(),
        became_active: 2.into(),
        conflicts: 1.into(),
        stalls: 5.into(),
    };
    let front = FailoverStatus {
        name: "front".into(),
        role: FailoverRole::Active,
        since: BootTime(Duration::from_secs(60)),
        why: "no advert for 3609 ms".into(),
        declared_priority: 150,
        priority: 130,
        hold: None,
        set: None,
        peer: None,
        routers: Arc::default(),
        counters: Arc::new(counters),
    };
    let boot = BootTime(Duration::from_secs(60));
    let resync = Resync {
        at: boot,
        entries: 200,
        missing: 3,
        short: Vec::new(),
        whole: Some(true),
        took_ms: 20,
        refused: Vec::new(),
    };
    let relay = Relay {
        up: true,
        since: boot,
        reason: "connected".to_owned(),
        entries: 1000,
        refused: 2,
        dropped: 3,
    };
    let lb2: Arc<str> = "lb2".into();
    let peer = PeerStatus {
        up: true,
        differs: vec!["service `web`: another scheduler".to_owned()],
        resync: Some(resync),
        relay: Some(relay),
        ..PeerStatus::new(&lb2, IpAddr::from([10, 0, 0, 2]), 1, boot)
    };
    let anycast = AnnounceStatus {
        name: "anycast".into(),
        state: AnnounceState::Fallback,
        in_place: true,
        since: boot,
        why: "1 of 3 services is healthy".into(),
        until: None,
        set: None,
        interface: "director0".into(),
        addresses: Arc::new([IpAddr::from([192, 0, 2, 10])]),
        healthy: AnnounceHealth {
            healthy: 1,
            of: 3,
            needed: 2,
            servers: false,
        },
        trouble: None,
    };
    let app = PoolStatus {
        pool: "app".into(),
        source: "dns",
        servers: 7,
        absent: 2,
        answered: Some(boot),
        refused: Some("SERVFAIL".into()),
    };
    let now = Now {
        boot: BootTime(Duration::from_secs(100)),
        wall: UNIX_EPOCH + Duration::from_secs(1_795_262_400),
    };
    run_with(Snapshot {
        at: Some(now),
        failovers: BTreeMap::from([("front".into(), Arc::new(front))]),
        peers: BTreeMap::from([(lb2, Arc::new(peer))]),
        announced: BTreeMap::from([("anycast".into(), Arc::new(anycast))]),
        discovered: BTreeMap::from([("app".into(), Arc::new(app))]),
        ..snapshot()
    })
}

fn metrics(query: &str) -> String {
    let answer = get(&with_sections().socket(), &format!("/metrics{query}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[test]
fn the_exposition_is_as_the_golden_file_has_it() {
    let text = steady(&metrics(""));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/control/metrics.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

/// The families with the keys of their samples, after a check of the form.
fn families(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap();
            assert!(!families.contains_key(name), "{name} comes twice");
            name.clone_into(&mut family);
            families.insert(family.clone(), Vec::new());
        } else if !line.starts_with('#') {
            let (key, value) = line.rsplit_once(' ').unwrap();
            assert!(key.starts_with(&family), "{line} in {family}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            families.get_mut(&family).unwrap().push(key.to_owned());
        }
    }
    families
}

#[test]
fn no_two_samples_have_the_same_labels() {
    for query in ["", "?servers=all", "?service=web"] {
        for (family, keys) in families(&metrics(query)) {
            let different: BTreeSet<_> = keys.iter().collect();
            assert_eq!(different.len(), keys.len(), "{family}");
        }
    }
}

#[test]
fn private_and_foreign_services_have_no_series() {
    let text = metrics("?servers=all");
    let private = format!("fwmark://{}", MarkRange::DEFAULT.first + 3);
    assert!(text.contains("fwmark://7"), "a declared one");
    assert!(!text.contains(&private), "{text}");
    assert!(!text.contains("192.0.2.99"), "{text}");
    assert!(text.contains("director_foreign_services 1\n"));
}

#[test]
fn a_service_that_is_asked_for_comes_with_its_servers_and_without_the_director() {
    let text = metrics("?service=web");
    assert!(text.contains("director_server_up{service=\"web\""));
    assert!(!text.contains("service=\"dns\""));
    assert!(!text.contains("director_build_info"));
    assert!(!text.contains("director_failover_"));
    assert!(!metrics("?servers=none").contains("director_server_"));
    assert!(!metrics("?service=web&servers=none").contains("director_server_"));
}

#[test]
fn wrong_parameters_are_refused() {
    let socket = run();
    for (query, part) in [
        ("?servers=some", "`servers` must be all or none"),
        ("?server=a", "no parameter `server`"),
        ("?service=nothing", "no service `nothing`"),
        ("?servers=all&servers=none", "duplicate parameter `servers`"),
    ] {
        let answer = get(&socket.socket(), &format!("/metrics{query}"));
        let (_, message) = answer.error();
        assert!(message.contains(part), "{query}: {message}");
    }
}

#[test]
fn open_metrics_ends_with_eof_and_names_units() {
    let running = run();
    let mut stream = connect(&running.socket());
    let head = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = super::raw::read(stream);
    let media_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.head.contains(media_type), "{}", answer.head);
    assert!(answer.body.ends_with("\n# EOF\n"));
    assert!(
        answer
            .body
            .contains("# TYPE director_service_bytes counter\n")
    );
    assert!(
        answer
            .body
            .contains("# UNIT director_service_bytes bytes\n")
    );
    assert!(answer.body.contains("\ndirector_service_bytes_total{"));
}

#[test]
fn gzip_is_what_gunzip_reads() {
    let running = with_sections();
    let mut stream = connect(&running.socket());
    // HTTP/1.0, so that the body is not in chunks.
    let head = "GET /metrics HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("metrics.gz");
    std::fs::write(&file, &bytes[end..]).unwrap();
    let gunzip = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
    assert!(gunzip.status.success());
    let text = String::from_utf8(gunzip.stdout).unwrap();
    assert_eq!(steady(&text), steady(&metrics("")));
}

#[test]
fn the_view_socket_shows_everything_and_changes_nothing() {
    let running = run();
    let view = running.view();
    for path in [
        "/v1/version",
        "/v1/status",
        "/v1/services/web",
        "/v1/events",
        "/v1/stats",
        "/v1/overlay",
        "/v1/history",
        "/metrics",
    ] {
        assert_eq!(get(&view, path).status, 200, "{path}");
    }
    let refused = |answer: &Answer, path: &str| {
        assert_eq!(answer.status, 405, "{path}");
        let (_, message) = answer.error();
        assert!(message.contains("this socket is read-only"), "{message}");
    };
    for path in [
        "/v1/drain",
        "/v1/undrain",
        "/v1/weight",
        "/v1/disable",
        "/v1/enable",
        "/v1/reload",
        "/v1/status",
        "/v1/anything",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            refused(&ask(&view, method, path, "{}"), path);
        }
    }
    assert_eq!(get(&view, "/v1/reload").status, 404);
    let asked: Vec<Request> = running.fake.asked.lock().unwrap().drain(..).collect();
    assert_eq!(asked, []);
}

#[test]
fn director_metrics_prints_and_writes_them() {
    let running = run_here();
    let director = |args: &[&str]| {
        let mut command = command(&running.socket(), "");
        command.args(args).output().unwrap()
    };
    let printed = director(&["metrics"]);
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("director_service_servers{service=\"web\""));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("director.prom");
    let output = director(&["metrics", "--output", file.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty());
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(steady(&written), steady(&printed));
    let open = director(&["metrics", "web", "--format", "openmetrics"]);
    assert!(String::from_utf8(open.stdout).unwrap().ends_with("# EOF\n"));

    let nowhere = director(&["metrics", "--output", "/nowhere/director.prom"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        said.contains("cannot write /nowhere/director.prom"),
        "{said}"
    );
}

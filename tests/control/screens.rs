//! What a user sees of 3, 39 and 2,284 services at 80 columns, and what the words of `status` and
//! `events` select.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use director::control::operator::Setting;
use director::control::snapshot::{
    Difference, Role, ServerState, ServerStatus, ServiceStatus, Snapshot,
};
use director::state::Sysctl;
use ipvs::{
    ForwardMethod, Server, ServerEntry, ServerKey, Service, ServiceEntry, ServiceKey, Stats, Table,
    TableService, Weight,
};
use unicode_width::UnicodeWidthStr;

use super::fake::{self, Running, at, check, found, run_with};
use super::raw;
use super::verbs::{Run, ageless, director, director_with};

/// Names of services, as many as needed.
const NAMES: [&str; 13] = [
    "shop", "api", "login", "mail-in", "mail-out", "ldap", "dns", "ntp", "search", "images",
    "wiki", "git", "chat",
];

fn now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn listen(number: u32) -> ServiceKey {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(192, 0, 2, 10)) + number);
    match number % 13 {
        6 | 7 => ServiceKey::udp(address, 53),
        _ => ServiceKey::tcp(address, 443),
    }
}

fn key(service: u32, server: u32) -> ServerKey {
    let address = u32::from(Ipv4Addr::new(10, 0, 0, 11)) + service * 32 + server;
    ServerKey::new(Ipv4Addr::from(address), 443)
}

/// A server that has been up for two days.
fn server(service: u32, number: u32) -> ServerStatus {
    let server = Server::new(key(service, number), ForwardMethod::DirectRoute);
    let server = server.weight(Weight::new(10).unwrap());
    ServerStatus {
        name: Some(format!("app{}", number + 1).into()),
        role: Role::Regular,
        server: Some(server),
        as_declared: server,
        state: ServerState::Up,
        reason: "status 200".into(),
        since: at(now() - 180_000),
        entered: at(now() - 180_000),
        until: None,
        drain: None,
        weight: None,
        checks: vec![(check(), found(true, "status 200", 9))],
    }
}

pub(crate) fn out(server: &mut ServerStatus, state: ServerState, reason: &str) {
    let (weight, none) = (Weight::ZERO, state == ServerState::Pending);
    server.server = (!none).then(|| server.as_declared.weight(weight));
    server.state = state;
    server.reason = reason.into();
    server.entered = at(now() - 7_500);
    if matches!(state, ServerState::Down | ServerState::Panic) {
        server.checks = vec![(check(), found(false, reason, 99))];
    }
}

pub(crate) fn service(number: u32, servers: u32) -> ServiceStatus {
    let name = NAMES[number as usize % NAMES.len()];
    let name = match number as usize / NAMES.len() {
        0 => name.to_owned(),
        more => format!("{name}-{}", more + 1),
    };
    let service = Service::new(listen(number), Service::WLC);
    ServiceStatus {
        name: name.into(),
        service,
        as_declared: service,
        pool: None,
        servers: (0..servers).map(|one| server(number, one)).collect(),
        up: servers as usize,
        declared: servers as usize,
        min_healthy: 1,
        panic: false,
        quorum: None,
        leaving: false,
    }
}

/// So many services, some of them in trouble.
pub(crate) fn many(services: u32, servers: impl Fn(u32) -> u32) -> Snapshot {
    let mut all = BTreeMap::new();
    for number in 0..services {
        let mut service = service(number, servers(number));
        match number {
            1 => {
                service.up -= 1;
                let text = "status 500, expected 204";
                out(&mut service.servers[1], ServerState::Down, text);
            }
            2 => {
                let one = &mut service.servers[0];
                service.up -= 1;
                out(
                    one,
                    ServerState::Drained,
                    "drained by root (alice): kernel update",
                );
                one.drain = Some(Box::new(Setting {
                    value: (),
                    by: "root (alice)".to_owned(),
                    reason: Some("kernel update".to_owned()),
                    at: at(now() - 7_500),
                    until: None,
                    ends: None,
                }));
            }
            20 => {
                (service.up, service.panic) = (0, true);
                for one in &mut service.servers {
                    let text = "timed out after 2s while connecting";
                    out(one, ServerState::Down, text);
                }
                let text = "kept in because too few are left; timed out after 2s while connecting";
                let one = &mut service.servers[0];
                out(one, ServerState::Panic, text);
                one.server = Some(one.as_declared);
                one.checks = vec![(
                    check(),
                    found(false, "timed out after 2s while connecting", 9),
                )];
            }
            _ => {}
        }
        all.insert(service.service.key, Arc::new(service));
    }
    Snapshot {
        revision: 7,
        file: "/etc/director/director.toml".into(),
        started: Some(at(now() - 180_060)),
        loaded: Some(at(now() - 90_000)),
        services: all,
        reconciled: Some(at(now() - 2)),
        ..Snapshot::default()
    }
}

/// The kernel's side: 30 connections on each server, 12 on one without weight.
fn table(snapshot: &Snapshot) -> Table {
    let services = snapshot.services.values().map(|status| {
        let servers = status.servers.iter().filter_map(|status| status.server);
        TableService {
            entry: ServiceEntry {
                service: status.service,
                stats: Stats::default(),
            },
            servers: servers
                .map(|server| ServerEntry {
                    server,
                    active: if server.weight == Weight::ZERO { 8 } else { 21 },
                    inactive: if server.weight == Weight::ZERO { 4 } else { 9 },
                    persistent: 0,
                    stats: Stats::default(),
                })
                .collect(),
        }
    });
    Table {
        services: services.collect(),
    }
}

pub(crate) fn running(snapshot: Snapshot) -> Running {
    let table = table(&snapshot);
    let running = run_with(snapshot);
    *running.fake.table.lock().unwrap() = Some(table);
    running
}

pub(crate) fn three() -> Running {
    running(many(3, |_| 3))
}

fn thirty_nine() -> Running {
    running(many(39, |_| 3))
}

pub(crate) fn shown(running: &Running, line: &str) -> String {
    let run: Run = director_with(running, line, &[("COLUMNS", "80")]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{line}");
    run.stdout
}

pub(crate) fn is_within(text: &str, width: usize) {
    for line in text.lines() {
        assert!(line.width() <= width, "{} of {width}: {line}", line.width());
    }
}

/// Compares with a golden text; ages in seconds may be one or two more.
pub(crate) fn golden(name: &str, text: &str) {
    let path = format!(
        "{}/tests/control/screens/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(std::path::Path::new(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let lines = |text: &str| text.lines().map(ageless).collect::<Vec<_>>();
    assert_eq!(lines(text), lines(&golden), "\n{text}");
    is_within(text, 80);
}

#[test]
fn three_services_have_a_table_each() {
    golden("3", &shown(&three(), "status"));
}

#[test]
fn thirty_nine_services_have_a_line_each_and_those_in_trouble_come_first() {
    let text = shown(&thirty_nine(), "status");
    golden("39", &text);
    assert_eq!(text.lines().count(), 4 + 2 + 39, "{text}");
}

#[test]
fn thousands_of_services_are_shown_without_listing_the_kernels_connections() {
    let running = running(many(2284, |number| 16 + number % 2));
    let began = Instant::now();
    let text = shown(&running, "status");
    println!("{:?}", began.elapsed());
    let first: String = text.lines().take(24).fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    });
    golden("2284", &first);
    is_within(&text, 80);
    assert_eq!(text.lines().count(), 4 + 2 + 2284);
    assert_eq!(*running.fake.tables.lock().unwrap(), 0, "not asked");
    // One of them is.
    let one = shown(&running, "status shop-2");
    assert!(one.contains("app16"), "{one}");
}

#[test]
fn all_servers_are_shown_to_those_who_ask() {
    let running = thirty_nine();
    let long = shown(&running, "status --long");
    assert_eq!(long.matches("app3").count(), 39, "{long}");
    is_within(&long, 80);
    let brief = shown(&three(), "status --brief");
    assert!(!brief.contains("app3") && brief.contains("3/3"), "{brief}");
    let named = shown(&running, "status chat chat-2 chat-3");
    assert_eq!(named.matches("app3").count(), 3, "{named}");
    assert!(named.contains("shown: 3 services, 9 servers"), "{named}");
}

#[test]
fn words_select_services_and_servers_in_any_form() {
    let running = thirty_nine();
    for (words, services, servers) in [
        ("api", 1, 3),
        ("api*", 3, 9),
        ("192.0.2.11:443", 1, 3),
        ("192.0.2.11", 1, 3),
        ("tcp://192.0.2.11:443", 1, 3),
        ("*:53", 6, 18),
        ("10.0.0.11", 1, 1),
        ("10.0.0.11:443", 1, 1),
        ("app2", 39, 39),
        ("api 10.0.0.11", 2, 4),
        ("--server app2 --service api*", 3, 3),
        ("--state down", 2, 3),
        ("--state down,panic", 2, 4),
        ("--state down --state drained", 3, 4),
        ("--state failed", 1, 3),
        ("--state degraded", 2, 6),
        ("api --state up", 1, 2),
    ] {
        let text = shown(&running, &format!("status {words}"));
        let servers = match servers {
            1 => "1 server".to_owned(),
            servers => format!("{servers} servers"),
        };
        let services = match services {
            1 => "1 service".to_owned(),
            services => format!("{services} services"),
        };
        let expected = format!("shown: {services}, {servers}");
        assert!(text.contains(&expected), "{words}: {expected}\n{text}");
        is_within(&text, 80);
        // The same over the socket, and in JSON.
        let json = shown(&running, &format!("status {words} --format json"));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let all = json["services"].as_array().unwrap();
        let number: usize = all
            .iter()
            .map(|one| one["servers"].as_array().unwrap().len())
            .sum();
        let found = format!("shown: {} service", all.len());
        assert!(
            text.contains(&found) && text.contains(&format!(", {number} server")),
            "{words}"
        );
        // And for counters.
        let stats = shown(&running, &format!("status {words} --stats"));
        let rows = stats.lines().filter(|line| line.contains("-> ")).count();
        let there = all
            .iter()
            .flat_map(|one| one["servers"].as_array().unwrap());
        let there = there.filter(|server| !server["weight"].is_null()).count();
        assert_eq!(rows, there, "{words}\n{stats}");
    }
}

#[test]
fn one_server_of_many_services_takes_two_lines_each() {
    let text = shown(&thirty_nine(), "status app2");
    assert!(text.lines().count() < 39 * 2 + 14, "{text}");
    assert_eq!(text.matches("STATE").count(), 1, "one header");
    let states = shown(&thirty_nine(), "status --state down");
    assert_eq!(states.matches("  down ").count(), 3, "{states}");
    assert!(
        !states.contains("app1 "),
        "the others are left out: {states}"
    );
}

#[test]
fn words_that_mean_nothing_are_named_and_states_without_servers_are_said() {
    let running = three();
    for (words, said) in [
        ("wob", "no service `wob` and no such server"),
        ("wob*", "no service `wob*` and no such server"),
        ("shop 10.9.9.9", "no service `10.9.9.9` and no such server"),
        ("--service 10.0.0.11", "no service `10.0.0.11`"),
        ("--server shop", "no server `shop`"),
        ("--state dwon", "no state `dwon`; there are panic, down,"),
    ] {
        let run = director(&running, &format!("status {words}"));
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{words}");
        assert!(run.stderr.contains(said), "{words}: {}", run.stderr);
    }
    let none = shown(&running, "status --state held,warming");
    assert!(
        none.contains("no server or service is held or warming"),
        "{none}"
    );
    let json = raw::get(&running.socket(), "/v1/status?state=held").json();
    assert_eq!(json["services"], serde_json::json!([]));
}

#[test]
fn long_names_and_addresses_of_ipv6_stay_within_80_columns_and_are_whole() {
    let mut snapshot = many(3, |_| 3);
    let long = "a-name-for-a-service-that-is-as-long-as-a-name-can-reasonably-be";
    let address: IpAddr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let listen = ServiceKey::tcp(address, 8443);
    let mut one = service(0, 3);
    one.name = long.into();
    let wide = Service::new(listen, Service::WLC).persistent(300);
    (one.service, one.as_declared) = (wide, wide);
    for server in &mut one.servers {
        server.as_declared.key = ServerKey::new(address, 8443);
        server.server = Some(server.as_declared);
        server.name = Some("app-with-a-long-name-of-its-own".into());
    }
    out(
        &mut one.servers[0],
        ServerState::Down,
        "certificate: it is for www.example.org, not for internal.example.org",
    );
    (one.up, one.panic, one.leaving) = (2, true, false);
    snapshot.services.insert(listen, Arc::new(one));
    snapshot.file = "/etc/director/a/path/that/goes/down/far/into/the/file/system.toml".into();
    snapshot.trouble = Some("the state directory is not there ".repeat(5).trim().into());
    let running = running(snapshot);
    for line in [
        "status",
        "status --brief",
        "status --long",
        "status app-with*",
    ] {
        let text = shown(&running, line);
        is_within(&text, 80);
        let whole: String = text.split_whitespace().collect();
        assert!(whole.contains("a-name-for-a-ser"), "{line}: {text}");
    }
    // A reader who has more room gets it, and a program whole lines.
    for environment in [&[("COLUMNS", "240")][..], &[]] {
        let wide = director_with(&running, "status", environment).stdout;
        assert!(
        wide.contains("down   app-with-a-long-name-of-its-own [2001:db8:1234:5678:9abc:def0:1234:5678]:8443"),
        "{wide}"
    );
        assert!(
            wide.contains("it is for www.example.org, not for internal.example.org"),
            "{wide}"
        );
    }
}

#[test]
fn what_differs_and_what_the_kernel_lacks_is_said_until_it_is_gone() {
    let mut snapshot = many(3, |_| 3);
    snapshot.drift = Arc::new([
        Difference {
            listen: Some(listen(0)),
            name: Some("shop".into()),
            text: "weight of 10.0.0.11:443 7 instead of 10".into(),
        },
        Difference {
            listen: None,
            name: None,
            text: "set net.ipv4.vs.conntrack 1".into(),
        },
    ]);
    snapshot.lacking = Arc::new([Sysctl::EstNice]);
    let running = running(snapshot);
    let text = shown(&running, "status");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "differs from the kernel",
        "DIFFERS: shop tcp://192.0.2.10:443: weight of 10.0.0.11:443 7 instead of 10",
        "DIFFERS: settings: set net.ipv4.vs.conntrack 1",
        "LACKING: net.ipv4.vs.est_nice is declared, but this kernel does not have it",
    ] {
        assert!(words.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("in sync"), "{text}");
    is_within(&text, 80);
    let json = raw::get(&running.socket(), "/v1/status").json();
    assert_eq!(json["drift"][0]["service"], "shop");
    assert_eq!(json["lacking"], serde_json::json!(["est_nice"]));
    let mut lacks = many(3, |_| 3);
    lacks.lacking = Arc::new([Sysctl::EstNice]);
    let text = shown(&self::running(lacks), "status");
    assert!(text.contains("except for 1 sysctl"), "{text}");
}

#[test]
fn events_are_chosen_by_the_director_and_times_are_local() {
    let running = fake::run();
    for (words, kinds) in [
        ("", "loaded server-down drained"),
        ("--kind server-down", "server-down"),
        ("--kind server-down,loaded", "loaded server-down"),
        ("--kind server-down --kind drained", "server-down drained"),
        ("--service web", "server-down drained"),
        ("--service w*", "server-down drained"),
        ("--service 192.0.2.10:80", "server-down drained"),
        ("--server 10.0.0.13", "drained"),
        ("--server 10.0.0.14:80", "server-down"),
        ("--server app3", "drained"),
        ("--service wob", ""),
        ("--since @1795260000", "drained"),
        ("--since @1795258739", "server-down drained"),
        ("--since @1795258740", "drained"),
        ("-n 1 --kind server-down,loaded", "server-down"),
        ("-n 1 --service web --server 10.0.0.14", "server-down"),
        ("--from 2 --kind loaded", ""),
    ] {
        let json = shown(&running, &format!("events {words} --format json"));
        let found: Vec<String> = json
            .lines()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["kind"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(found.join(" "), kinds, "{words}");
    }
    for (words, said) in [
        (
            "--kind server-donw",
            "no kind of event `server-donw`; there are server-up, server-down,",
        ),
        ("--since soon", "expected a time such as 10m"),
    ] {
        let run = director(&running, &format!("events {words}"));
        assert_eq!(run.code, Some(1), "{words}");
        assert!(run.stderr.contains(said), "{words}: {}", run.stderr);
    }
    for (zone, time) in [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-21 11:58:59 CET"),
        ("UTC", "2026-11-21 10:58:59 UTC"),
        ("", "2026-11-21 10:58:59 UTC"),
        ("Nowhere/At_All", "2026-11-21 10:58:59 UTC"),
        ("IST-5:30", "2026-11-21 16:28:59 IST"),
    ] {
        let text = director_with(&running, "events --kind server-down", &[("TZ", zone)]).stdout;
        assert!(
            text.starts_with(&format!("{time}  server-down")),
            "{zone}: {text}"
        );
        // As it is shown, it can be asked for.
        let mut command = super::verbs::command(&running.socket(), "events --since");
        let output = command.arg(time).env("TZ", zone).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), 2, "{zone}: {text}");
    }
}

#[test]
fn a_machine_in_maintenance_has_its_events_although_they_name_no_server() {
    let running = fake::run();
    let event = director::control::event::Event {
        kind: director::control::event::EventKind::Disabled,
        service: None,
        ..fake::event("10.0.0.16 in maintenance by root: new disks")
    };
    running.fake.published.record(event);
    for (words, number) in [
        ("10.0.0.16", 1),
        ("app6", 1),
        ("10.0.0.16:80", 1),
        ("10.0.0.17", 0),
    ] {
        let text = shown(
            &running,
            &format!("events --kind disabled --server {words}"),
        );
        assert_eq!(text.lines().count(), number, "{words}: {text}");
    }
}

#[test]
fn a_follower_hears_only_what_it_asked_for() {
    use std::io::{BufRead, BufReader};
    let running = fake::run();
    let mut command = super::verbs::command(
        &running.socket(),
        "events --follow --kind server-down --server 10.0.0.14 --format json",
    );
    let mut verb = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(verb.stdout.take().unwrap()).lines();
    let mut next = || -> u64 {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(next(), 1, "the last ones of those");
    for event in fake::events() {
        running.fake.published.record(event);
    }
    assert_eq!(next(), 4);
    verb.kill().unwrap();
    verb.wait().unwrap();
}

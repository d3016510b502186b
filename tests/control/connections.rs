//! `GET /v1/connections` and `GET /v1/why`.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipvs::{Connection, Connections};

use super::fake::{Running, run};
use super::raw::{connect, get, post};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// An entry as the kernel's table has it.
fn entry(row: &str) -> Connection {
    let line = format!("the title\n{row}\n");
    let mut table = Connections::over(line.as_bytes());
    table.next().unwrap().unwrap()
}

/// Two connections of a client of `web`, to app1 and app2, one of another client, one to another
/// service, and a template of the firewall-mark service.
fn some() -> Running {
    let running = run();
    let rows = [
        "TCP C6336407 C350 C000020A 0050 0A00000B 0050 ESTABLISHED 898",
        "TCP C6336407 C351 C000020A 0050 0A00000C 0050 FIN_WAIT 9",
        "TCP C6336408 C350 C000020A 0050 0A00000B 0050 ESTABLISHED 3",
        "UDP C6336408 C350 C0000263 0035 0A000063 0035 UDP 3",
        "IP C6336409 0000 00000007 0000 0A00000B 0050 NONE 50",
    ];
    let table = rows.map(entry);
    set(&running, move |number| {
        table.get(usize::try_from(number).unwrap()).cloned()
    });
    running
}

fn set(running: &Running, entry: impl Fn(u64) -> Option<Connection> + Send + Sync + 'static) {
    *running.fake.entries.lock().unwrap() = Arc::new(entry);
}

/// The number of rows, and the last line.
fn listed(running: &Running, query: &str) -> (usize, serde_json::Value) {
    let answer = get(&running.view(), &format!("/v1/connections{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let mut lines = answer.lines();
    let last = lines.pop().unwrap();
    assert_eq!(last["shown"], lines.len(), "{query}: {last}");
    (lines.len(), last)
}

#[test]
fn entries_are_listed_with_names_and_what_is_left_out_is_counted() {
    let running = some();
    let answer = get(&running.view(), "/v1/connections");
    assert!(answer.head.contains("application/jsonl"), "{}", answer.head);
    let lines = answer.lines();
    let first = serde_json::json!({
        "protocol": "tcp", "client": "198.51.100.7", "client_port": 50000, "template": false,
        "service": "web", "listen": "tcp://192.0.2.10:80", "server": "10.0.0.11:80",
        "server_name": "app1", "state": "ESTABLISHED", "expires_seconds": 898,
    });
    assert_eq!(lines[0], first);
    assert_eq!(lines[3]["service"], serde_json::Value::Null);
    let template = ["service", "listen", "server_name"].map(|key| lines[4][key].clone());
    assert_eq!(template, ["old", "fwmark://7", "app1"]);
    let end = serde_json::json!({ "entries": 5, "shown": 5, "left_out": 0, "incomplete": null });
    assert_eq!(lines[5..], [end]);

    for (query, rows) in [
        ("?service=web", 3),
        ("?service=tcp://192.0.2.10:80&state=fin_wait", 1),
        ("?service=udp://192.0.2.99:53", 1),
        ("?server=app1", 3),
        ("?server=app1&server=10.0.0.99", 4),
        ("?client=198.51.100.7", 2),
        ("?client=198.51.100.8/31", 3),
        ("?client=::/0", 0),
        ("?client=198.51.100.7&client=198.51.100.9", 3),
    ] {
        assert_eq!(listed(&running, query).0, rows, "{query}");
    }
    let (rows, end) = listed(&running, "?service=web&limit=1");
    assert_eq!(
        (rows, &end["left_out"], &end["entries"]),
        (1, &2.into(), &5.into())
    );
    assert_eq!(listed(&running, "?limit=0").1["left_out"], 5);
}

#[test]
fn the_busiest_are_counted_and_named() {
    let running = some();
    let top = |query: &str| get(&running.view(), &format!("/v1/connections{query}")).json();
    let servers = serde_json::json!({
        "entries": 5, "different": 3, "missed": 0,
        "top": [{ "server": "10.0.0.11:80", "name": "app1", "entries": 3 }],
    });
    assert_eq!(top("?top=servers&n=1"), servers);
    assert_eq!(top("?top=clients&service=web")["top"][0]["entries"], 2);
    assert_eq!(top("?top=services")["top"][0]["name"], "web");
    assert_eq!(top("?top=clients&n=0")["top"], serde_json::json!([]));
}

#[test]
fn a_hundred_thousand_clients_are_counted_in_bounded_memory() {
    let running = some();
    let one = entry("TCP C6336407 C350 C000020A 0050 0A00000B 0050 ESTABLISHED 898");
    // Every tenth entry is of one client, the others are of a client each.
    set(&running, move |number| {
        let mut one = one.clone();
        if number % 10 > 0 {
            let client = u32::try_from(number).unwrap();
            one.client
                .set_ip(std::net::Ipv4Addr::from_bits(client).into());
        }
        (number < 120_000).then_some(one)
    });
    let answer = get(&running.view(), "/v1/connections?top=clients&n=1").json();
    assert_eq!(
        (&answer["entries"], &answer["different"]),
        (&120_000.into(), &().into())
    );
    let missed = answer["missed"].as_u64().unwrap();
    assert!((1..=10).contains(&missed), "{answer}");
    let first = &answer["top"][0];
    assert_eq!(first["client"], "198.51.100.7", "{answer}");
    let counted = first["entries"].as_u64().unwrap();
    assert!((12_000 - missed..=12_000).contains(&counted), "{answer}");
}

#[test]
fn why_answers_for_a_connection_and_for_a_new_one() {
    let running = some();
    let why = |query: &str| get(&running.view(), &format!("/v1/why?{query}")).json();
    let answer = why("service=web&client=198.51.100.7:50001");
    assert_eq!(answer.as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer[0]["because"], "connection");
    assert_eq!(answer[0]["chosen"]["name"], "app2");
    assert_eq!(answer[0]["open"].as_array().unwrap().len(), 2);
    let answer = why("service=tcp://192.0.2.10:80&client=198.51.100.99");
    assert_eq!(answer[0]["because"], "best", "{answer}");
    assert_eq!(answer[0]["chosen"]["server"], "10.0.0.11:80");
    assert_eq!(answer[0]["others"][0]["name"], "app2");
}

#[test]
fn of_a_client_with_many_connections_a_thousand_are_listed_and_its_own_decides() {
    let running = some();
    let one = entry("TCP C6336407 C350 C000020A 0050 0A00000B 0050 ESTABLISHED 898");
    let last = entry("TCP C6336407 0007 C000020A 0050 0A00000C 0050 ESTABLISHED 898");
    set(&running, move |number| {
        let mut one = one.clone();
        one.client.set_port(10_000 + u16::try_from(number).ok()?);
        match number {
            0..5000 => Some(one),
            5000 => Some(last.clone()),
            _ => None,
        }
    });
    let answer = get(&running.view(), "/v1/why?service=web&client=198.51.100.7:7").json();
    assert_eq!(answer[0]["because"], "connection", "{}", answer[0]["text"]);
    assert_eq!(answer[0]["chosen"]["name"], "app2");
    assert_eq!(answer[0]["open"].as_array().unwrap().len(), 1001);
    assert_eq!(answer[0]["open_left_out"], 4000);
}

#[test]
fn what_cannot_be_answered_is_refused_with_the_parameter() {
    let running = some();
    let long = format!("/v1/connections?client={}", "9".repeat(5000));
    for (path, status, part) in [
        ("/v1/connections?client=10.0.0.0/33", 400, "`client`"),
        (long.as_str(), 400, "`client`"),
        ("/v1/connections?limit=-1", 400, "`limit`"),
        (
            "/v1/connections?limit=100001",
            400,
            "`limit` must be at most",
        ),
        (
            "/v1/connections?limit=99999999999999999999999",
            400,
            "`limit`",
        ),
        (
            "/v1/connections?limit=1&limit=2",
            400,
            "duplicate parameter `limit`",
        ),
        (
            "/v1/connections?n=3",
            400,
            "`n` is for an answer with `top`",
        ),
        ("/v1/connections?top=clients&limit=3", 400, "`limit`"),
        ("/v1/connections?top=clients&n=1001", 400, "`n`"),
        (
            "/v1/connections?top=hosts",
            400,
            "`top` must be clients, servers, services",
        ),
        ("/v1/connections?follow=true", 400, "`follow`"),
        ("/v1/connections?service=fwmark://7", 400, "mark"),
        ("/v1/connections?service=wob", 404, "no service `wob`"),
        ("/v1/connections?server=%00%ff", 404, "no server"),
        ("/v1/why", 400, "`service`"),
        ("/v1/why?service=web", 400, "`client`"),
        ("/v1/why?service=web&client=me", 400, "`client`"),
        ("/v1/why?service=web&client=10.0.0.1&to=x", 400, "`to`"),
        (
            "/v1/why?service=wob&client=10.0.0.1",
            404,
            "no service `wob`",
        ),
        ("/v1/why?service=web&client=2001:db8::1", 404, "family"),
        (
            "/v1/why?service=tcp://192.0.2.77:80&client=10.0.0.1",
            404,
            "the kernel has no",
        ),
    ] {
        let answer = get(&running.view(), path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.error().1.contains(part), "{path}: {}", answer.body);
    }
    assert_eq!(post(&running.socket(), "/v1/why", "").status, 405);
}

/// Whether there is a place for a reader of the connection table.
fn has_place(socket: &Path) -> bool {
    let answer = get(socket, "/v1/connections?service=wob");
    match answer.status {
        404 => true,
        503 => {
            assert_eq!(answer.error().0, "unavailable");
            assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
            false
        }
        _ => panic!("{}", answer.body),
    }
}

#[test]
fn readers_that_do_not_read_are_few_and_do_not_stay() {
    let running = some();
    let view = running.view();
    let one = entry("TCP C6336407 C350 C000020A 0050 0A00000B 0050 ESTABLISHED 898");
    set(&running, move |_| Some(one.clone()));
    let mut silent: Vec<UnixStream> = Vec::new();
    while has_place(&view) {
        assert!(silent.len() < 50, "everyone gets a place");
        let mut stream = connect(&view);
        let request = "GET /v1/connections?limit=100000 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        silent.push(stream);
    }
    // Others are answered meanwhile, and the places come back although the table has no end.
    assert_eq!(get(&view, "/v1/version").status, 200);
    let start = Instant::now();
    while !has_place(&view) {
        assert!(start.elapsed() < PATIENCE, "the places are gone");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(silent);
}

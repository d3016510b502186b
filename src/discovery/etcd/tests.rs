//! What lines and answers do to what is known; real servers are in `tests/kernel/discovery/etcd.rs`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;
use crate::discovery::rules;
use crate::state::discovery::{HttpServers, HttpUrl};
use crate::state::health::TlsSpec;

fn etcd() -> Etcd {
    etcd_at(2379)
}

fn etcd_at(port: u16) -> Etcd {
    let url = HttpUrl {
        is_tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        prefix: String::new(),
    };
    Etcd::new(&EtcdSource {
        servers: HttpServers {
            urls: vec![url],
            tls: TlsSpec::default(),
        },
        prefix: "/app/".to_owned(),
        login: None,
    })
}

/// A store that gives this answer to everything; its port.
fn store(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn event(kind: &str, key: &str, value: &str) -> Value {
    let (key, value) = (encode(key.as_bytes()), encode(value.as_bytes()));
    match kind {
        "PUT" => json!({ "kv": { "key": key, "value": value, "mod_revision": "7" } }),
        kind => json!({ "type": kind, "kv": { "key": key, "mod_revision": "7" } }),
    }
}

fn line(events: &[Value]) -> Vec<u8> {
    let header = json!({ "cluster_id": "14841639068965178418", "revision": "7" });
    let line = json!({ "result": { "header": header, "events": events } });
    line.to_string().into_bytes()
}

fn said(etcd: &Etcd) -> Vec<String> {
    match etcd.answer() {
        Answer::Servers(servers) => servers
            .iter()
            .map(|(place, _)| rules::shown(*place))
            .collect(),
        Answer::Failed(why) => vec![why],
    }
}

#[test]
fn the_end_of_a_prefix_is_the_first_key_after_it() {
    assert_eq!(range_end(b"/app/"), b"/app0");
    assert_eq!(range_end(b"a\xff\xff"), b"b");
    assert_eq!(range_end(b"\xff"), [0]);
    assert_eq!(range_end(b""), [0]);
}

#[test]
fn events_change_the_list_and_a_key_that_is_no_server_stops_it_until_it_is_one() {
    let mut etcd = etcd();
    let created = br#"{"result":{"header":{"revision":"6"},"created":true}}"#;
    assert_eq!(etcd.take(created), Ok(false));
    let both = [
        event("PUT", "/app/a", "10.0.0.1:80"),
        event("PUT", "/app/10.0.0.2", ""),
    ];
    assert_eq!(etcd.take(&line(&both)), Ok(true));
    assert_eq!(said(&etcd), ["10.0.0.2", "10.0.0.1:80"]);
    etcd.take(&line(&[event("PUT", "/app/b", "blue")])).unwrap();
    assert_eq!(said(&etcd), ["the key `/app/b`: `blue` is not an address"]);
    let last = [event("DELETE", "/app/b", ""), event("DELETE", "/app/a", "")];
    etcd.take(&line(&last)).unwrap();
    assert_eq!(said(&etcd), ["10.0.0.2"]);
}

#[test]
fn a_line_that_ends_the_watch_says_why() {
    for (line, words) in [
        (
            r#"{"result":{"canceled":true,"compact_revision":"9"}}"#,
            "before revision 9 is compacted",
        ),
        (
            r#"{"result":{"canceled":true,"cancel_reason":"no right"}}"#,
            "canceled: no right",
        ),
        (r#"{"error":{"message":"no leader"}}"#, "ended: no leader"),
        (
            r#"{"result":{"events":[{"type":"MOVE"}]}}"#,
            "does not send",
        ),
        (
            r#"{"result":{"events":[{"kv":{"key":"%"}}]}}"#,
            "does not send",
        ),
        (
            r#"{"result":{"header":{"revision":"-1"}}}"#,
            "does not send",
        ),
        ("[", "does not send"),
    ] {
        let why = etcd().take(line.as_bytes()).unwrap_err();
        assert!(why.contains(words), "{line}: {why}");
    }
    let foreign = line(&[event("PUT", "/app2/a", "10.0.0.1")]);
    let why = etcd().take(&foreign).unwrap_err();
    assert!(why.contains("another key, `/app2/a`"), "{why}");
}

#[test]
fn a_store_that_went_back_or_is_another_one_counts_only_after_a_while() {
    let header = |cluster_id, revision| Header {
        cluster_id,
        revision,
    };
    let mut etcd = etcd();
    etcd.believe(header(1, 9)).unwrap();
    etcd.believe(header(1, 9)).unwrap();
    let why = etcd.believe(header(1, 2)).unwrap_err();
    assert!(why.contains("from revision 9 to 2"), "{why}");
    let why = etcd.believe(header(2, 90)).unwrap_err();
    assert!(why.contains("another cluster"), "{why}");
    etcd.believe(header(1, 10)).unwrap();
    assert_eq!(etcd.doubted, None);
    etcd.doubt = Duration::ZERO;
    etcd.believe(header(2, 3)).unwrap();
    assert_eq!(etcd.store, Some(header(2, 3)));
}

#[test]
fn more_keys_than_any_pool_has_servers_are_an_error() {
    let mut etcd = etcd();
    for number in 0..MOST - 1 {
        etcd.keys
            .insert(number.to_be_bytes().to_vec(), Err(String::new()));
    }
    let why = etcd.put(b"/app/a".to_vec(), b"10.0.0.1").unwrap_err();
    assert!(
        why.contains("no pool has more than 100000 servers"),
        "{why}"
    );
}

#[test]
fn a_value_is_an_address_or_a_table_and_the_key_may_be_the_address() {
    let well = |rest: &str, value: &str| {
        let (place, listed) = server_of(rest.as_bytes(), value.as_bytes()).unwrap();
        (rules::shown(place), listed.weight)
    };
    assert_eq!(well("a", " 10.0.0.1:80\n"), ("10.0.0.1:80".into(), None));
    assert_eq!(well("a", "\"10.0.0.1\""), ("10.0.0.1".into(), None));
    assert_eq!(
        well("[2001:db8::1]:80", ""),
        ("[2001:db8::1]:80".into(), None)
    );
    let table = r#"{"weight": 3, "port": 81}"#;
    assert_eq!(well("10.0.0.1", table), ("10.0.0.1:81".into(), Some(3)));
    let table = r#"{"weight": 3, "address": "10.0.0.2:82"}"#;
    assert_eq!(well("10.0.0.1:80", table), ("10.0.0.2:82".into(), Some(3)));
    for (rest, value) in [
        ("a", ""),
        ("", ""),
        ("a", "{}"),
        ("a", "{\"address\": \"10.0.0.1\", \"x\": 1}"),
        ("a", "{\"address\": "),
        ("a", "\"10.0.0.1"),
        ("a", "[\"10.0.0.1\"]"),
        ("a", "app.example.org"),
        ("a/10.0.0.1", ""),
    ] {
        assert!(
            server_of(rest.as_bytes(), value.as_bytes()).is_err(),
            "{rest} {value}"
        );
    }
    assert!(server_of(b"a", b"\xff").is_err());
    assert!(server_of(b"a", &vec![b'1'; LONGEST + 1]).is_err());
}

#[test]
fn a_million_keys_a_hundred_megabytes_and_a_page_of_a_proxy_are_refused() {
    let million = json!({ "header": { "revision": "9" }, "count": "1000000", "more": true });
    for (answer, words) in [
        (
            million.to_string().into_bytes(),
            "1000000 keys begin with `/app/`, and no pool has more than 100000 servers",
        ),
        (vec![b' '; 100 << 20], "longer than 64 MiB"),
        (b"<html>".to_vec(), "that etcd does not give"),
    ] {
        let Answer::Failed(why) = etcd_at(store(answer)).ask().answer else {
            panic!("a list, and not: {words}");
        };
        assert!(why.contains(words), "{why}");
    }
}

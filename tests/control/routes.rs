//! Every route, and every kind of refusal.

use std::io::{BufRead, BufReader, Write};

use director::control::operator::{Note, RefusalKind, Request, ServerRequest};
use director::http::api;
use serde_json::{Value, json};

use super::fake::{self, Mood, NOON, run};
use super::raw::{ask, connect, get, post, read};

#[test]
fn the_version_says_which_director_it_is() {
    let running = run();
    let answer = get(&running.socket(), "/v1/version");
    assert_eq!(answer.status, 200);
    let signature = format!("director-version: {}", env!("CARGO_PKG_VERSION"));
    assert!(answer.head.contains(&signature), "{}", answer.head);
    let expected = json!({
        "api": "v1", "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(),
        "boot": "0f0e0d0c-0b0a-0908-0706-050403020100", "namespace": [4, 4_026_531_840_u64],
        "state_dir": "/var/lib/director/net-4026531840", "file": "/etc/director/services.toml",
        "started": NOON - 90_000,
    });
    assert_eq!(answer.json(), expected);
}

#[test]
fn status_shows_everything() {
    let running = run();
    let json = get(&running.socket(), "/v1/status").json();
    assert_eq!(json["revision"], 42);
    assert_eq!(json["foreign"], json!(["udp://192.0.2.99:53"]));
    assert_eq!(
        json["disabled"],
        json!([{ "address": "10.0.0.16", "by": "root", "reason": "new disks",
                 "at": NOON - 7200, "until": null }])
    );
    let names: Vec<_> = json["services"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    let web = names[0];
    assert_eq!(web["listen"], "tcp://192.0.2.10:80");
    assert_eq!((&web["up"], &web["declared"]), (&json!(2), &json!(7)));
    let servers = web["servers"].as_array().unwrap().iter();
    let states: Vec<_> = servers
        .map(|server| server["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        [
            "up", "warming", "drained", "down", "held", "disabled", "pending", "standby", "standby"
        ]
    );
    let drained = &web["servers"][2];
    let expected = json!({
        "name": "app3", "address": "10.0.0.13:80", "role": "regular", "state": "drained",
        "weight": 0, "declared_weight": 10, "reason": "drained by root (alice): kernel update",
        "since": NOON - 3661, "state_since": NOON - 600, "until": null,
        "drain": { "by": "root (alice)", "reason": "kernel update", "at": NOON - 600,
                   "until": NOON + 6630 },
        "weight_set": null,
        "checks": [{ "kind": "tcp", "passed": true, "text": "connected", "at": NOON - 1,
                     "took_ms": 3, "streak": 4, "successes": 1200, "failures": 7, "not_asked": 0, "not_checked": null,
                     "interval_ms": 2000, "longest_gap_ms": 2110 }],
    });
    assert_eq!(drained, &expected);
    assert_eq!(web["servers"][0]["weight_set"]["weight"], 40);
    assert_eq!(
        web["servers"][6]["weight"],
        Value::Null,
        "not in the kernel"
    );
    // The program can read what it writes.
    let read: api::Status = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);
}

#[test]
fn services_are_found_by_name_and_by_listen_address() {
    let running = run();
    let socket = running.socket();
    for path in [
        "/v1/services/web",
        "/v1/services/tcp://192.0.2.10:80",
        "/v1/services/tcp%3A%2F%2F192.0.2.10%3A80",
        "/v1/status?service=web",
        "/v1/status?service=tcp://192.0.2.10:80&service=web",
    ] {
        let json = get(&socket, path).json();
        let services = json["services"].as_array().unwrap();
        assert_eq!(services.len(), 1, "{path}");
        assert_eq!(services[0]["name"], "web", "{path}");
    }
    let both = get(&socket, "/v1/status?service=web&service=fwmark://7").json();
    assert_eq!(both["services"].as_array().unwrap().len(), 2);
}

#[test]
fn counters_are_the_kernels_and_private_services_are_hidden() {
    let running = run();
    let socket = running.socket();
    let json = get(&socket, "/v1/stats").json();
    let services = json["services"].as_array().unwrap();
    let listens: Vec<_> = services.iter().map(|service| &service["listen"]).collect();
    assert_eq!(listens, ["tcp://192.0.2.10:80", "udp://192.0.2.99:53"]);
    assert_eq!(services[0]["name"], "web");
    assert_eq!(services[1]["name"], Value::Null, "foreign");
    let first = &services[0]["servers"][0];
    let expected = json!({
        "name": "app1", "address": "10.0.0.11:80", "weight": 10, "active": 22, "inactive": 5,
        "persistent": 0,
        "total": { "connections": 77, "packets_in": 770, "packets_out": 0, "bytes_in": 77_000,
                   "bytes_out": 0 },
        "rate": { "connections": 11, "packets_in": 110, "packets_out": 0, "bytes_in": 11_000,
                  "bytes_out": 0 },
    });
    assert_eq!(first, &expected);
    let brief = get(&socket, "/v1/stats?brief=true").json();
    let brief = &brief["services"][0];
    assert_eq!(brief["servers"], json!([]));
    let sum = |field: &str| {
        let servers = services[0]["servers"].as_array().unwrap().iter();
        servers
            .map(|server| server[field].as_u64().unwrap())
            .sum::<u64>()
    };
    for field in ["active", "inactive"] {
        assert!(sum(field) > 0);
        assert_eq!(brief[field], sum(field));
        assert_eq!(services[0][field], brief[field]);
    }
    let one = get(&socket, "/v1/stats?service=udp://192.0.2.99:53").json();
    assert_eq!(one["services"].as_array().unwrap().len(), 1);
    assert_eq!(
        get(&socket, "/v1/stats?service=fwmark://1828716547").status,
        404
    );
    let read: api::Stats = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json);
}

#[test]
fn the_overlay_has_both_configurations() {
    let running = run();
    let json = get(&running.socket(), "/v1/overlay").json();
    let overlay: api::Overlay = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&overlay).unwrap(), json);
    assert_eq!(overlay.disabled.len(), 1);
    let web = &overlay.services[0];
    assert_ne!(web.declared, web.now, "the fallback flag is lent");
    let down = &web.servers[3];
    assert_eq!(down.declared.weight.get(), 10);
    assert_eq!(down.now.map(|server| server.weight.get()), Some(0));
    assert_eq!(web.servers[6].now, None);
}

#[test]
fn the_files_in_force_are_shown_as_they_were_read() {
    let running = run();
    let json = get(&running.socket(), "/v1/files").json();
    let files: api::Files = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&files).unwrap(), json);
    assert_eq!(files.root, "/etc/director/director.toml");
    let paths: Vec<_> = files.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/etc/director/director.toml",
            "/etc/director/services.d/web.toml"
        ]
    );
    assert!(files.files[1].text.contains("${REDIS}"), "{files:?}");
    assert_eq!(get(&running.socket(), "/v1/files?x=1").status, 400);
}

#[test]
fn events_are_lines_from_a_number_on() {
    let running = run();
    let socket = running.socket();
    let kinds = |path: &str| -> Vec<String> {
        let lines = get(&socket, path).lines();
        let shown = lines.iter().map(|line| match line["kind"].as_str() {
            Some(kind) => kind.to_owned(),
            None => line.to_string(),
        });
        shown.collect()
    };
    let end = r#"{"next":3}"#;
    assert_eq!(
        kinds("/v1/events"),
        ["loaded", "server-down", "drained", end]
    );
    assert_eq!(kinds("/v1/events?from=2"), ["drained", end]);
    assert_eq!(kinds("/v1/events?last=1"), ["drained", end]);
    assert_eq!(kinds("/v1/events?from=3"), [end]);
    assert_eq!(
        kinds("/v1/events?from=4").len(),
        4,
        "of the time before a restart: everything since is new"
    );
    let event = &get(&socket, "/v1/events?from=1").lines()[0];
    let expected = json!({
        "id": 1, "at_ms": (NOON - 3661) * 1000 + 123, "kind": "server-down", "service": "web",
        "listen": "tcp://192.0.2.10:80", "server": "10.0.0.14:80", "text": "down: connection refused",
    });
    assert_eq!(event, &expected);
    let read: api::Line = serde_json::from_value(event.clone()).unwrap();
    assert!(matches!(read, api::Line::Event(_)), "{read:?}");
}

#[test]
fn events_that_are_no_longer_kept_are_counted() {
    let running = run();
    for _ in 0..5000 {
        running.fake.published.record(fake::events().remove(0));
    }
    let lines = get(&running.socket(), "/v1/events?from=3").lines();
    let first = 5003 - 4096;
    assert_eq!(lines[0], json!({ "missed": first - 3, "next": first }));
    assert_eq!(lines[1]["id"], first);
    assert_eq!(lines.len(), 1 + 4096 + 1);
}

#[test]
fn a_follower_hears_what_happens() {
    let running = run();
    let mut stream = connect(&running.socket());
    write!(
        stream,
        "GET /v1/events?last=1&follow=true HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = || -> Value {
        let line = lines.find(|line| line.starts_with('{')).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert_eq!(next()["id"], 2);
    assert_eq!(next(), json!({ "next": 3 }), "all that was");
    for id in 3..6 {
        running.fake.published.record(fake::events().remove(1));
        assert_eq!(next()["id"], id);
    }
}

#[test]
fn a_request_reaches_the_core_with_the_kernels_word_for_who_asks() {
    let running = run();
    let me = nix::unistd::User::from_uid(nix::unistd::getuid());
    let me = me.unwrap().unwrap().name;
    let body = r#"{ "service": "web", "server": "app1", "reason": "kernel update",
                    "for_seconds": 7200, "on_behalf_of": "alice" }"#;
    let answer = post(&running.socket(), "/v1/drain", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let done =
        json!({ "done": ["tcp://192.0.2.10:80 10.0.0.11:80: drained by root: kernel update"] });
    assert_eq!(answer.json(), done);
    let asked = running.fake.asked.lock().unwrap().pop_front();
    let expected = ServerRequest {
        service: Some("web".into()),
        server: "app1".into(),
        force: false,
        note: Note {
            by: format!("{me} (alice)"),
            reason: Some("kernel update".into()),
            for_seconds: Some(7200),
        },
    };
    assert_eq!(asked, Some(Request::Drain(expected)));
}

#[test]
fn every_verb_has_its_request() {
    let running = run();
    let socket = running.socket();
    let of = r#""service": "web", "server": "10.0.0.11""#;
    for (path, body, expected) in [
        ("undrain", format!("{{{of}}}"), "undrain"),
        ("undrain", r#"{"server": "app1"}"#.into(), "undrain"),
        (
            "drain",
            r#"{"server": "app1", "force": true}"#.into(),
            "drain",
        ),
        (
            "weight",
            format!(r#"{{{of}, "weight": 0, "force": true}}"#),
            "weight",
        ),
        (
            "disable",
            r#"{"server": "app1", "force": true}"#.into(),
            "disable",
        ),
        ("weight", format!(r#"{{{of}, "weight": 3}}"#), "weight"),
        ("weight", format!(r#"{{{of}, "weight": null}}"#), "weight"),
        ("disable", r#"{"server": "10.0.0.11"}"#.into(), "disable"),
        ("enable", r#"{"server": "10.0.0.11"}"#.into(), "enable"),
        ("reload", r#"{"force": true}"#.into(), "reload"),
        ("reload", String::new(), "reload"),
    ] {
        let answer = post(&socket, &format!("/v1/{path}"), &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let asked = running.fake.asked.lock().unwrap().pop_front().unwrap();
        let asked = serde_json::to_value(&asked).unwrap();
        assert_eq!(asked["do"], expected);
        assert_eq!(
            asked["force"],
            match body.contains("true") {
                true => json!(true),
                false if path == "reload" => json!(false),
                false => Value::Null,
            }
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_the_core_hears_of_it() {
    let running = run();
    let socket = running.socket();
    let long = "x".repeat(501);
    for (path, body, said) in [
        ("/v1/drain", "", "missing field `server`"),
        ("/v1/drain", "{", "the body: EOF"),
        ("/v1/drain", "[1]", "the body: invalid"),
        (
            "/v1/drain",
            r#"{"service": "web", "server": "a", "for_second": 5}"#,
            "unknown field `for_second`",
        ),
        (
            "/v1/drain",
            r#"{"service": "web", "server": "a", "for_seconds": 0}"#,
            "`for_seconds` is 1 to",
        ),
        (
            "/v1/drain",
            r#"{"service": "web", "server": ""}"#,
            "`server` is empty",
        ),
        (
            "/v1/drain",
            r#"{"service": "web", "server": "a", "reason": "\u001b[2J"}"#,
            "`reason` contains a control character",
        ),
        (
            "/v1/disable",
            &format!(r#"{{"server": "a", "reason": "{long}"}}"#),
            "limited to 500 characters",
        ),
        (
            "/v1/weight",
            r#"{"service": "web", "server": "a"}"#,
            "missing field `weight`",
        ),
        (
            "/v1/weight",
            r#"{"service": "web", "server": "a", "weight": 2147483648}"#,
            "a weight is at most 2147483647",
        ),
    ] {
        let answer = post(&socket, path, body);
        let (kind, message) = answer.error();
        assert_eq!(
            (answer.status, kind.as_str()),
            (400, "invalid"),
            "{path} {body}"
        );
        assert!(message.contains(said), "{path} {body}: {message}");
    }
    assert!(running.fake.asked.lock().unwrap().is_empty());
}

#[test]
fn questions_are_read_strictly() {
    let running = run();
    let socket = running.socket();
    for (path, status, said) in [
        ("/v1/status?servise=web", 400, "no parameter `servise`"),
        ("/v1/status?service=wob", 404, "no service `wob`"),
        ("/v1/services/wob", 404, "no service `wob`"),
        ("/v1/services/%ff", 400, "UTF-8"),
        ("/v1/stats?service=wob", 404, "no service `wob`"),
        ("/v1/events?from=x", 400, "`from` must be an integer"),
        (
            "/v1/events?from=1&from=2",
            400,
            "duplicate parameter `from`",
        ),
        ("/v1/events?from=1&last=2", 400, "either `from` or `last`"),
        (
            "/v1/events?follow=yes",
            400,
            "`follow` must be true or false",
        ),
        ("/v1/history?when=1", 400, "no parameter `when`"),
        ("/v1/history?since=noon", 400, "`since` must be an integer"),
        ("/v1/history/at", 400, "`at` is missing"),
        ("/v1/history/at?at=5", 404, "there is no history yet"),
        ("/v1/history/diff?from=5", 400, "`to` is missing"),
        ("/v1/history/files?at=5", 404, "there is no history yet"),
        ("/v2/status", 404, "no route /v2/status"),
        ("/", 404, "see docs/api.md"),
        ("/v1/drain", 405, "does not support GET"),
    ] {
        let answer = get(&socket, path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        let (_, message) = answer.error();
        assert!(message.contains(said), "{path}: {message}");
        assert!(answer.head.contains("application/json"), "{path}");
    }
    assert_eq!(ask(&socket, "DELETE", "/v1/status", "").status, 405);
}

#[test]
fn the_cores_refusals_have_their_status() {
    let running = run();
    let socket = running.socket();
    let body = r#"{"server": "10.0.0.11"}"#;
    for (kind, status, word) in [
        (RefusalKind::NotFound, 404, "not-found"),
        (RefusalKind::Invalid, 400, "invalid"),
        (RefusalKind::Refused, 409, "refused"),
        (RefusalKind::Kernel, 502, "kernel"),
        (RefusalKind::Unavailable, 503, "unavailable"),
    ] {
        *running.fake.mood.lock().unwrap() = Mood::Refuses(kind);
        let answer = post(&socket, "/v1/disable", body);
        assert_eq!(answer.status, status);
        let error = (word.to_owned(), "no, and here is why".to_owned());
        assert_eq!(answer.error(), error);
    }
    *running.fake.mood.lock().unwrap() = Mood::Stopping;
    let answer = post(&socket, "/v1/disable", body);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error().1, "the director is stopping");
}

#[test]
fn a_request_for_another_network_namespace_is_neither_answered_nor_carried_out() {
    let running = run();
    let ask = |namespace: &str, method: &str, path: &str| {
        let mut stream = connect(&running.socket());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\ndirector-namespace: {namespace}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .unwrap();
        read(stream)
    };
    for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/reload"), ("GET", "/x")] {
        let answer = ask("4:4026531841", method, path);
        assert_eq!(answer.status, 421, "{path}");
        let (kind, message) = answer.error();
        assert_eq!(kind, "not-found");
        assert!(message.contains("net:[4026531840]"), "{message}");
        assert!(
            answer.head.contains("director-namespace: 4:4026531840"),
            "{}",
            answer.head
        );
    }
    assert!(running.fake.asked.lock().unwrap().is_empty());
    assert_eq!(ask("4:4026531840", "GET", "/v1/status").status, 200);
    assert_eq!(ask("4:4026531840", "POST", "/v1/reload").status, 200);
}

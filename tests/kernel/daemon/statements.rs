//! What `docs/api.md` says in words about a director that runs. Its examples are checked by
//! `tests/kernel/documents`.

use serde_json::{Value, json};

use super::operator::WEB;
use super::{Daemon, SERVICE, weights};
use crate::lab::{Lan, Tcp, eventually};

fn status(daemon: &Daemon<'_>) -> Value {
    daemon.get("/v1/status").expect("it answers")
}

fn first_server(status: &Value) -> Value {
    status["services"][0]["servers"][0].clone()
}

/// Waits until a time of the status is later than another, in whole seconds.
#[track_caller]
fn later(daemon: &Daemon<'_>, field: &str, than: u64) -> Value {
    eventually(&format!("`{field}` is later than {than}"), || {
        let status = status(daemon);
        status[field]
            .as_u64()
            .is_some_and(|at| at > than)
            .then_some(status)
    })
}

#[test]
#[ignore = "needs the lab"]
fn the_answer_to_a_reload_comes_when_the_file_is_in_force() {
    let net = Lan::nat().real_servers(3).build();
    let daemon = Daemon::start(&net.director, WEB);
    let loaded = status(&daemon)["loaded"].as_u64().unwrap();
    let asked = later(&daemon, "now", loaded)["now"].as_u64().unwrap();
    daemon.write(&WEB.replace("weight = 3", "weight = 4"));
    let answer = daemon.post("/v1/reload", &json!({}));
    let done = answer["done"][0].as_str().unwrap_or_default();
    assert!(done.starts_with("in force: 1 service, "), "{answer}");
    assert_eq!(weights(&net.director, SERVICE), "1=1 2=1 3=4");
    later(&daemon, "loaded", asked - 1);

    let events = daemon.http("GET /v1/events HTTP/1.0\r\n\r\n").unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<_> = events.iter().map(|event| &event["kind"]).collect();
    let at = kinds.iter().position(|kind| *kind == "reloading").unwrap();
    assert_eq!(kinds[at + 1], "loaded", "{events:?}");
}

/// A repair does not count by itself, and a difference that is only reported counts no more.
#[test]
#[ignore = "needs the lab"]
fn reconciled_is_when_a_comparison_found_what_director_expects() {
    let net = Lan::nat().real_servers(3).build();
    let report = format!("{WEB}[policy]\ndrift = \"report\"\n");
    for (file, then, repairs) in [(WEB, "1=1 2=1 3=3", true), (&report, "1=1 2=7 3=3", false)] {
        let daemon = Daemon::start(&net.director, file);
        let first = later(&daemon, "reconciled", 0)["reconciled"].as_u64();
        later(&daemon, "reconciled", first.unwrap());
        net.director
            .run("ipvsadm -e -t 10.1.0.100:80 -r 10.2.0.12:80 -m -w 7");
        eventually("it is seen", || {
            daemon.log().contains("7 instead of 1").then_some(())
        });
        daemon.weights(SERVICE, then);
        let now = status(&daemon)["now"].as_u64().unwrap();
        if repairs {
            later(&daemon, "reconciled", now);
        } else {
            // The difference stays, and so does the time before it.
            let then = later(&daemon, "now", now + 5);
            assert!(then["reconciled"].as_u64().unwrap() <= now, "{then}");
            assert!(!then["drift"].as_array().unwrap().is_empty(), "{then}");
        }
        assert_eq!(weights(&net.director, SERVICE), then);
    }
}

#[test]
#[ignore = "needs the lab"]
fn since_is_of_the_verdict_and_a_drain_has_a_time_of_its_own() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let checked = WEB.replace("scheduler", "check = { type = \"tcp\" }\nscheduler");
    let daemon = Daemon::start(&net.director, &checked);
    daemon.weights(SERVICE, "1=1 2=1 3=3");
    let up = eventually("it is up", || {
        let server = first_server(&status(&daemon));
        (server["state"] == "up").then_some(server)
    });
    let since = up["since"].as_u64().unwrap();
    later(&daemon, "now", since);
    let body = json!({ "service": "web", "server": "10.2.0.11", "reason": "new disks",
                       "for_seconds": 7200 });
    let answer = daemon.post("/v1/drain", &body);
    let done = "tcp://10.1.0.100:80 10.2.0.11:80: drained by root: new disks";
    assert_eq!(answer, json!({ "done": [done] }));
    let drained = first_server(&status(&daemon));
    assert_eq!(drained["state"], "drained");
    assert_eq!(drained["since"], since, "{drained}");
    assert!(drained["drain"]["at"].as_u64() > Some(since), "{drained}");
    assert_eq!(drained["until"], drained["drain"]["until"]);

    // Maintenance has its times at the top.
    daemon.post(
        "/v1/undrain",
        &json!({ "service": "web", "server": "10.2.0.11" }),
    );
    // Put back, it is judged anew.
    let up = eventually("it is up again", || {
        let server = first_server(&status(&daemon));
        (server["state"] == "up").then_some(server)
    });
    assert!(
        up["since"].as_u64() >= drained["drain"]["at"].as_u64(),
        "{up}"
    );
    let since = up["since"].as_u64().unwrap();
    daemon.post(
        "/v1/disable",
        &json!({ "server": "10.2.0.11", "for_seconds": 7200 }),
    );
    let status = status(&daemon);
    let disabled = first_server(&status);
    assert_eq!(disabled["state"], "disabled");
    assert_eq!(disabled["since"], since, "{disabled}");
    assert_eq!(disabled["until"], Value::Null);
    assert!(status["disabled"][0]["until"].is_u64(), "{status}");
}

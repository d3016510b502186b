//! `type = "file"`.

use std::fs;
use std::path::Path;

use super::{SERVICE, file, pool, refused, said, verb};
use crate::daemon::Daemon;
use crate::lab::Lan;

/// Replaces a file as a deployment should.
fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// A director whose pool is listed in `app.json` beside its file.
fn start<'h>(net: &'h Lan, first: &str, more: &str) -> Daemon<'h> {
    let mut daemon = Daemon::idle(&net.director, "version = 1\n");
    let list = daemon.path("app.json");
    replace(&list, first);
    let source = format!(
        "discover = {{ type = \"file\", path = \"{}\" }}\n{more}",
        list.display()
    );
    daemon.write(&file(&source));
    daemon.launch();
    daemon
}

#[test]
#[ignore = "needs the lab"]
fn servers_come_and_go_with_a_file() {
    let net = Lan::nat().real_servers(3).build();
    let daemon = start(
        &net,
        r#"["10.2.0.11", {"address": "10.2.0.12", "weight": 5}]"#,
        "max_removed = 100",
    );
    // The first list is there before anything is in force.
    assert!(daemon.log().contains("3 changes made"), "{}", daemon.log());
    daemon.weights(SERVICE, "1=1 2=5");
    let list = daemon.path("app.json");
    replace(&list, r#"{"servers": ["10.2.0.12", "10.2.0.13:80"]}"#);
    daemon.weights(SERVICE, "2=1 3=1");
    replace(
        &list,
        r#"[{"targets": ["10.2.0.11:80", "10.2.0.12:80"], "labels": {"a": "b"}}]"#,
    );
    daemon.weights(SERVICE, "1=1 2=1");
    daemon.becomes(
        "what the pool shows",
        &(2.into(), 0.into(), true, true),
        || {
            let status = pool(&daemon);
            (
                status["servers"].clone(),
                status["absent"].clone(),
                status["refused"].is_null(),
                status["answered"].is_u64(),
            )
        },
    );
    let log = daemon.log();
    assert!(log.contains("discovered"), "{log}");
    let web = daemon.get("/v1/services/web").unwrap();
    assert_eq!(web["services"][0]["pool"], "app", "{web}");
    let exported = said(&verb(&net.director, &daemon, &["export"]));
    assert!(exported.contains("[pool.app]\ndiscover = "), "{exported}");
    assert!(!exported.contains("10.2.0.11"), "{exported}");
    let words = ["history", "web", "10.2.0.11:80", "--format", "json"];
    daemon.becomes("the history says what added the server", &true, || {
        let rows = said(&verb(&net.director, &daemon, &words)).replace(' ', "");
        rows.contains("\"by\":\"discovery\"")
    });
}

#[test]
#[ignore = "needs the lab"]
fn a_list_that_has_no_place_in_the_service_file_is_taken_back() {
    let net = Lan::nat().real_servers(3).build();
    let mut daemon = Daemon::idle(&net.director, "version = 1\n");
    let list = daemon.path("app.json");
    let source = format!(
        "discover = {{ type = \"file\", path = \"{}\" }}\nmax_removed = 100",
        list.display()
    );
    replace(&list, r#"["10.2.0.11", "10.2.0.12"]"#);
    // A server cannot be a backup server of its own service.
    daemon.write(&(file(&source) + "backup = [\"10.2.0.13\"]\n"));
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1");
    replace(&list, r#"["10.2.0.11", "10.2.0.12", "10.2.0.13"]"#);
    refused(&daemon, "does not go together with the service file");
    daemon.becomes("nothing is rejected any more", &true, || {
        daemon.get("/v1/status").unwrap()["rejected"].is_null()
    });
    daemon.weights(SERVICE, "1=1 2=1");
    // A start with the source away begins with the list that goes together with the file.
    fs::remove_file(&list).unwrap();
    daemon.stop();
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1");
    replace(&list, r#"["10.2.0.12"]"#);
    daemon.weights(SERVICE, "2=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_file_that_is_empty_damaged_or_gone_changes_nothing_and_status_says_why() {
    let net = Lan::nat().real_servers(3).build();
    let daemon = start(&net, r#"["10.2.0.11", "10.2.0.12"]"#, "max_servers = 3");
    let list = daemon.path("app.json");
    for (text, words) in [
        ("[]", "an empty list: 2 servers stay"),
        ("", "app.json"),
        (r#"["10.2.0.11","#, "app.json"),
        (r#"["10.2.0.13", "web3"]"#, "`web3` is not an address"),
        (r#"["10.2.0.13", "10.2.0.13"]"#, "10.2.0.13 twice"),
        (r#"["10.2.0.13", "224.0.0.1"]"#, "not a unicast address"),
        (r#"["10.2.0.13:0"]"#, "port 0"),
        (
            r#"[{"address": "10.2.0.13", "wieght": 3}]"#,
            "no key `wieght`",
        ),
        (
            r#"["10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4"]"#,
            "`max_servers` is 3",
        ),
    ] {
        replace(&list, text);
        refused(&daemon, words);
        daemon.weights(SERVICE, "1=1 2=1");
    }
    fs::remove_file(&list).unwrap();
    refused(&daemon, "No such file");
    daemon.weights(SERVICE, "1=1 2=1");
    let shown = said(&verb(&net.director, &daemon, &["status"]));
    assert!(shown.contains("pool app (file): 2 servers"), "{shown}");
    assert!(shown.contains("rejected"), "{shown}");
    replace(&list, r#"["10.2.0.12", "10.2.0.13"]"#);
    daemon.weights(SERVICE, "2=1 3=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_restart_with_the_source_away_begins_with_the_last_list() {
    let net = Lan::nat().real_servers(3).build();
    let mut daemon = start(&net, r#"["10.2.0.11", "10.2.0.12"]"#, "");
    daemon.weights(SERVICE, "1=1 2=1");
    let list = daemon.path("app.json");
    fs::rename(&list, daemon.path("away.json")).unwrap();
    daemon.stop();
    // `plan` reads the list as well.
    let planned = verb(&net.director, &daemon, &["plan", "services.toml"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    daemon.launch();
    refused(&daemon, "No such file");
    daemon.weights(SERVICE, "1=1 2=1");
    assert!(pool(&daemon)["answered"].is_null(), "not since this start");
    fs::rename(daemon.path("away.json"), &list).unwrap();
    daemon.becomes("the source answers", &true, || {
        pool(&daemon)["answered"].is_u64()
    });
    daemon.weights(SERVICE, "1=1 2=1");
}

#[test]
#[ignore = "needs the lab"]
fn a_source_that_wipes_itself_takes_half_and_the_rest_stays() {
    let net = Lan::nat().real_servers(4).build();
    let four = r#"["10.2.0.11", "10.2.0.12", "10.2.0.13", "10.2.0.14"]"#;
    let daemon = start(&net, four, "allow_empty = true");
    daemon.weights(SERVICE, "1=1 2=1 3=1 4=1");
    replace(&daemon.path("app.json"), "[]");
    daemon.weights(SERVICE, "3=1 4=1");
    daemon.becomes("two are no longer listed", &serde_json::json!(2), || {
        pool(&daemon)["absent"].clone()
    });
    replace(&daemon.path("app.json"), four);
    daemon.weights(SERVICE, "1=1 2=1 3=1 4=1");
}

#[test]
#[ignore = "needs the lab"]
fn discover_asks_once_and_prints() {
    let net = Lan::nat().real_servers(1).build();
    let list =
        r#"["10.2.0.11:81", {"address": "10.2.0.12", "weight": 5, "name": "b", "backup": true}]"#;
    let daemon = start(&net, list, "");
    let asked = verb(
        &net.director,
        &daemon,
        &["discover", "app", "services.toml"],
    );
    assert_eq!(
        said(&asked),
        "10.2.0.11:81\n10.2.0.12 weight 5 name b backup\n2 servers\n"
    );
    let asked = verb(
        &net.director,
        &daemon,
        &["discover", "other", "services.toml"],
    );
    assert_eq!(asked.status.code(), Some(1));
    let text = said(&asked);
    assert!(
        text.contains("`other` is no pool that finds its servers; those are `app`"),
        "{text}"
    );
}

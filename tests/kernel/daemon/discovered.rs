//! Servers that come and go by themselves, under traffic, from a source that is killed, wiped, slow
//! and lies.

use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::json;

use super::chaos::{Dice, seed};
use super::{Daemon, SERVICE, asked_during, failed};
use crate::discovery::etcd::{Etcd, PORT, encode};
use crate::lab::{Lan, Tcp, V4, paced_ms};

const CHANGES: usize = 100;

/// What a broken source writes. `None`: the file is gone.
const LIES: [Option<&str>; 7] = [
    None,
    Some(""),
    Some("[]"),
    Some(r#"["10.2.0.11", "10.2.0.1"#),
    Some(r#"["224.0.0.1"]"#),
    Some(r#"["10.2.0.13", "10.2.0.13"]"#),
    Some(r#"{"error": "not the leader", "servers": null}"#),
];

/// Where the servers are listed.
trait Store {
    /// Lists these servers, with their weights.
    fn list(&mut self, servers: &[(usize, usize)], dice: &mut Dice);
    /// Breaks in some way, until the next list.
    fn lie(&mut self, dice: &mut Dice);
}

/// A file, by its path.
struct Written(PathBuf);

impl Written {
    fn write(&self, text: Option<&str>, in_place: bool) {
        let path = &self.0;
        match text {
            None => fs::remove_file(path).unwrap_or_default(),
            Some(text) if in_place => fs::write(path, text).unwrap(),
            Some(text) => {
                let beside = path.with_extension("new");
                fs::write(&beside, text).unwrap();
                fs::rename(beside, path).unwrap();
            }
        }
    }
}

impl Store for Written {
    fn list(&mut self, servers: &[(usize, usize)], dice: &mut Dice) {
        let servers: Vec<_> = servers.iter().map(|server| table(*server)).collect();
        let text = format!("[{}]", servers.join(", "));
        self.write(Some(&text), dice.below(3) == 0);
    }

    fn lie(&mut self, dice: &mut Dice) {
        self.write(LIES[dice.below(LIES.len())], dice.below(2) == 0);
    }
}

/// etcd, and whether it runs.
struct Stored<'h>(Etcd<'h>, bool);

impl Store for Stored<'_> {
    fn list(&mut self, servers: &[(usize, usize)], _: &mut Dice) {
        let Self(etcd, runs) = self;
        if !std::mem::replace(runs, true) {
            etcd.restart();
        }
        let mut steps = vec![json!({ "request_delete_range": { "key": encode("/app/lie") } })];
        for number in 1..=4 {
            let key = encode(&format!("/app/{number}"));
            let listed = servers.iter().find(|(other, _)| *other == number);
            steps.push(match listed {
                Some(server) => {
                    json!({ "request_put": { "key": key, "value": encode(&table(*server)) } })
                }
                None => json!({ "request_delete_range": { "key": key } }),
            });
        }
        etcd.ask("kv/txn", &json!({ "success": steps }));
    }

    fn lie(&mut self, dice: &mut Dice) {
        let Self(etcd, runs) = self;
        match dice.below(4) {
            _ if !*runs => {}
            0 => {
                etcd.stop();
                *runs = false;
            }
            1 => {
                let all = json!({ "key": encode("/app/"), "range_end": encode("/app0") });
                etcd.ask("kv/deleterange", &all);
            }
            2 => etcd.put("/app/lie", "224.0.0.1"),
            _ => etcd.put("/app/lie", r#"{"address": "10.2.0.1"#),
        }
    }
}

fn table((number, weight): (usize, usize)) -> String {
    format!(r#"{{"address": "10.2.0.1{number}", "weight": {weight}}}"#)
}

/// Lists servers 1 and 2 always, 3 and 4 sometimes; returns the expected weights.
fn list(store: &mut dyn Store, dice: &mut Dice) -> String {
    let mut servers = Vec::new();
    for number in 1..=4 {
        if number <= 2 || dice.below(2) > 0 {
            servers.push((number, 1 + dice.below(3)));
        }
    }
    store.list(&servers, dice);
    let expected = servers.iter();
    let expected = expected.map(|(number, weight)| format!("{number}={weight}"));
    expected.collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "needs the lab"]
fn a_hundred_changes_of_a_source_that_lies_lose_no_request() {
    let net = Lan::nat().addresses(4).real_servers(4).build();
    let daemon = Daemon::idle(&net.director, "version = 1\n");
    let path = daemon.path("app.json");
    let source = format!("type = \"file\", path = \"{}\"", path.display());
    hundred_changes(&net, daemon, &mut Written(path), &source);
}

#[test]
#[ignore = "needs the lab"]
fn a_hundred_changes_of_an_etcd_that_is_killed_wiped_and_filled_with_rubbish_lose_no_request() {
    let net = Lan::nat().addresses(4).real_servers(4).build();
    let daemon = Daemon::idle(&net.director, "version = 1\n");
    let mut store = Stored(Etcd::start(&net.director), true);
    let source = format!("type = \"etcd\", url = \"http://127.0.0.1:{PORT}\", prefix = \"/app\"");
    hundred_changes(&net, daemon, &mut store, &source);
}

fn hundred_changes(net: &Lan, mut daemon: Daemon<'_>, store: &mut dyn Store, source: &str) {
    let seed = seed();
    eprintln!("discovered: DIRECTOR_SEED={seed}");
    let mut dice = Dice(seed);
    let _servers = net.serve(Tcp, 80);
    store.list(&[(1, 1), (2, 1)], &mut dice);
    daemon.write(&format!(
        "version = 1\n[pool.app]\ndiscover = {{ {source} }}\n\
         settle = {{ min = \"0s\" }}\nmax_removed = 1000\nweight_steps = {{ every = \"100ms\" }}\n\
         [service.web]\nlisten = \"{SERVICE}\"\nforward = \"nat\"\nscheduler = \"wrr\"\ndrain = \"2s\"\n\
         pool = \"app\"\ncheck = {{ type = \"tcp\", interval = \"200ms\", timeout = \"5s\" }}\n"
    ));
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1");
    let client = net.client(1);
    let ask = client
        .ask(Tcp, net.service(V4, 80))
        .from(client.addresses(V4));
    let asked = asked_during(&ask, 2, || {
        for change in 0..CHANGES {
            if dice.below(3) == 0 {
                store.lie(&mut dice);
                thread::sleep(paced_ms(u64::try_from(dice.below(200)).unwrap()));
            } else {
                let expected = list(store, &mut dice);
                // Some of them are followed by the next before they are seen.
                if change % 4 == 0 {
                    daemon.weights(SERVICE, &expected);
                } else {
                    thread::sleep(paced_ms(u64::try_from(dice.below(200)).unwrap()));
                }
            }
        }
        let expected = list(store, &mut dice);
        daemon.weights(SERVICE, &expected);
    });
    let failed = failed(&asked);
    let log = daemon.log();
    assert!(failed.is_empty(), "DIRECTOR_SEED={seed}: {failed:?}\n{log}");
    assert!(asked.len() > CHANGES, "{} requests", asked.len());
    assert!(log.contains("discovery-refused"), "{log}");
    assert!(log.contains("discovery-restored"), "{log}");
}

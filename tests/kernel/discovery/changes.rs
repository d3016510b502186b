//! A hundred random changes of a source under traffic, and everything that can happen to the source.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::etcd::{Etcd, encode, recovers, source};
use super::{SERVICE, file, refused};
use crate::daemon::chaos::{Dice, seed};
use crate::daemon::{Daemon, asked_during, failed};
use crate::lab::{Lan, Tcp, V4, paced_ms};

/// Real servers; the first two are declared all the time.
const SERVERS: u8 = 6;
const ALWAYS: u8 = 2;
const CHANGES: usize = 100;
/// A server that comes and goes more often than this stays for a minute (`rules.rs`).
const MOST_TURNS: u32 = 4;

/// What happens to the source, each of them once.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Wiped,
    Lies,
    Empties,
    Slow,
}

const FAULTS: [Fault; 5] = [
    Fault::Killed,
    Fault::Wiped,
    Fault::Lies,
    Fault::Empties,
    Fault::Slow,
];

/// The source and what it lists.
struct Scene<'h> {
    dice: Dice,
    etcd: Etcd<'h>,
    /// The weights of the listed servers, by number.
    listed: BTreeMap<u8, u32>,
    turns: BTreeMap<u8, u32>,
}

impl Scene<'_> {
    fn put(&self, number: u8) {
        let weight = self.listed[&number];
        let value = json!({ "address": format!("10.2.0.1{number}"), "weight": weight });
        self.etcd.put(&format!("/app/{number}"), &value.to_string());
    }

    /// A server comes or goes, or has another weight.
    fn change(&mut self) {
        let number = 1 + u8::try_from(self.dice.below(usize::from(SERVERS))).unwrap();
        let weight = 1 + u32::try_from(self.dice.below(5)).unwrap();
        let turns = self.turns.entry(number).or_default();
        let may_turn = number > ALWAYS && *turns < MOST_TURNS;
        match self.listed.contains_key(&number) {
            true if may_turn && self.dice.below(2) == 0 => {
                *turns += 1;
                self.listed.remove(&number);
                self.etcd.delete(&format!("/app/{number}"));
            }
            false if !may_turn => {}
            is_listed => {
                *turns += u32::from(!is_listed);
                self.listed.insert(number, weight);
                self.put(number);
            }
        }
    }

    fn happen(&mut self, fault: Fault, daemon: &Daemon<'_>) {
        match fault {
            Fault::Killed => {
                self.etcd.stop();
                refused(daemon, "connection refused");
                self.etcd.restart();
            }
            Fault::Wiped => {
                let revision = self.etcd.revision();
                self.etcd.stop();
                self.etcd.lose_data();
                self.etcd.restart();
                refused(daemon, "the store went back");
                for number in self.listed.keys() {
                    self.put(*number);
                }
                // With what else is written to it, it is no longer behind.
                while self.etcd.revision() <= revision {
                    self.etcd.put("/other", "");
                }
            }
            Fault::Lies => {
                for (lie, words) in [
                    ("224.0.0.1", "not a unicast address"),
                    ("10.2.0.11", "10.2.0.11 twice"),
                    ("blue", "`blue` is not an address"),
                ] {
                    self.etcd.put("/app/lie", lie);
                    refused(daemon, words);
                }
                self.etcd.delete("/app/lie");
            }
            Fault::Empties => {
                let all = json!({ "key": encode("/app/"), "range_end": encode("/app0") });
                self.etcd.ask("kv/deleterange", &all);
                refused(daemon, "an empty list");
                for number in self.listed.keys() {
                    self.put(*number);
                }
            }
            Fault::Slow => {
                self.etcd.freeze();
                thread::sleep(Duration::from_secs(2));
                self.etcd.thaw();
            }
        }
        recovers(daemon);
    }
}

#[test]
#[ignore = "needs the lab"]
fn after_a_hundred_changes_and_every_fault_the_servers_are_those_of_the_source() {
    let seed = seed();
    eprintln!("changes: DIRECTOR_SEED={seed}");
    let net = Lan::nat().addresses(4).real_servers(SERVERS).build();
    let _servers = net.serve(Tcp, 80);
    let mut scene = Scene {
        dice: Dice(seed),
        etcd: Etcd::start(&net.director),
        listed: (1..=ALWAYS).map(|number| (number, 1)).collect(),
        turns: BTreeMap::new(),
    };
    for number in 1..=ALWAYS {
        scene.put(number);
    }
    let checked = file(&source("")).replace(
        "check = false",
        "check = { type = \"tcp\", interval = \"200ms\", timeout = \"5s\" }\nscheduler = \"wrr\"",
    );
    let checked = checked.replace("drain = \"0s\"", "drain = \"2s\"");
    let daemon = Daemon::start(&net.director, &checked);
    daemon.weights(SERVICE, "1=1 2=1");
    let mut faults: BTreeMap<usize, Fault> = BTreeMap::new();
    for (at, fault) in FAULTS.into_iter().enumerate() {
        // One in each fifth of the changes.
        let share = CHANGES / FAULTS.len();
        faults.insert(at * share + scene.dice.below(share), fault);
    }
    let client = net.client(1);
    let ask = client
        .ask(Tcp, net.service(V4, 80))
        .from(client.addresses(V4));
    let asked = asked_during(&ask, 1, || {
        for change in 0..CHANGES {
            scene.change();
            if let Some(fault) = faults.get(&change) {
                scene.happen(*fault, &daemon);
            }
            let pause = 20 + scene.dice.below(150);
            thread::sleep(paced_ms(u64::try_from(pause).unwrap()));
        }
        let weights = scene.listed.iter();
        let expected = weights.map(|(number, weight)| format!("{number}={weight}"));
        daemon.weights(SERVICE, &expected.collect::<Vec<_>>().join(" "));
        recovers(&daemon);
    });
    let failed = failed(&asked);
    let log = daemon.log();
    assert!(failed.is_empty(), "DIRECTOR_SEED={seed}: {failed:?}\n{log}");
    assert!(asked.len() > CHANGES, "{} requests", asked.len());
}

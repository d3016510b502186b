//! Servers that come and go by themselves, under traffic, from a source that is killed, wiped, slow
//! and lies.

use std::fs;
use std::thread;

use super::chaos::{Dice, seed};
use super::{Daemon, SERVICE, asked_during, failed};
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

struct Source<'d> {
    daemon: &'d Daemon<'d>,
    /// The weights that the last list asks for.
    expected: String,
}

impl Source<'_> {
    fn write(&self, text: Option<&str>, in_place: bool) {
        let path = self.daemon.path("app.json");
        match text {
            None => fs::remove_file(&path).unwrap_or_default(),
            Some(text) if in_place => fs::write(&path, text).unwrap(),
            Some(text) => {
                let beside = self.daemon.path("app.new");
                fs::write(&beside, text).unwrap();
                fs::rename(beside, path).unwrap();
            }
        }
    }

    /// Servers 1 and 2 always, 3 and 4 sometimes, with weights.
    fn list(&mut self, dice: &mut Dice) {
        let mut servers = Vec::new();
        let mut expected = Vec::new();
        for number in 1..=4 {
            if number > 2 && dice.below(2) == 0 {
                continue;
            }
            let weight = 1 + dice.below(3);
            servers.push(format!(
                r#"{{"address": "10.2.0.1{number}", "weight": {weight}}}"#
            ));
            expected.push(format!("{number}={weight}"));
        }
        self.expected = expected.join(" ");
        self.write(
            Some(&format!("[{}]", servers.join(", "))),
            dice.below(3) == 0,
        );
    }
}

#[test]
#[ignore = "needs the lab"]
fn a_hundred_changes_of_a_source_that_lies_lose_no_request() {
    let seed = seed();
    eprintln!("discovered: DIRECTOR_SEED={seed}");
    let mut dice = Dice(seed);
    let net = Lan::nat().addresses(4).real_servers(4).build();
    let _servers = net.serve(Tcp, 80);
    let mut daemon = Daemon::idle(&net.director, "version = 1\n");
    fs::write(daemon.path("app.json"), r#"["10.2.0.11", "10.2.0.12"]"#).unwrap();
    daemon.write(&format!(
        "version = 1\n[pool.app]\ndiscover = {{ type = \"file\", path = \"{}\" }}\n\
         settle = {{ min = \"0s\" }}\nmax_removed = 1000\nweight_steps = {{ every = \"100ms\" }}\n\
         [service.web]\nlisten = \"{SERVICE}\"\nforward = \"nat\"\nscheduler = \"wrr\"\ndrain = \"2s\"\n\
         pool = \"app\"\ncheck = {{ type = \"tcp\", interval = \"200ms\", timeout = \"5s\" }}\n",
        daemon.path("app.json").display()
    ));
    daemon.launch();
    daemon.weights(SERVICE, "1=1 2=1");
    let client = net.client(1);
    let ask = client
        .ask(Tcp, net.service(V4, 80))
        .from(client.addresses(V4));
    let mut source = Source {
        daemon: &daemon,
        expected: "1=1 2=1".to_owned(),
    };
    let asked = asked_during(&ask, 2, || {
        for change in 0..CHANGES {
            if dice.below(3) == 0 {
                source.write(LIES[dice.below(LIES.len())], dice.below(2) == 0);
                thread::sleep(paced_ms(u64::try_from(dice.below(200)).unwrap()));
            } else {
                source.list(&mut dice);
                // Some of them are followed by the next before they are seen.
                if change % 4 == 0 {
                    daemon.weights(SERVICE, &source.expected);
                } else {
                    thread::sleep(paced_ms(u64::try_from(dice.below(200)).unwrap()));
                }
            }
        }
        source.list(&mut dice);
        daemon.weights(SERVICE, &source.expected);
    });
    let failed = failed(&asked);
    let log = daemon.log();
    assert!(failed.is_empty(), "DIRECTOR_SEED={seed}: {failed:?}\n{log}");
    assert!(asked.len() > CHANGES, "{} requests", asked.len());
    assert!(log.contains("discovery-refused"), "{log}");
    assert!(log.contains("discovery-restored"), "{log}");
}

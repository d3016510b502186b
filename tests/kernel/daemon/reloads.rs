//! The file changes under traffic, and only the tables show it.

use std::thread;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{Daemon, Declared, SERVICE, asked_during, failed, listed, weights};
use crate::lab::{Lan, Tcp, V4, eventually, paced_ms};

/// The declarations in turn: servers join, change weight, leave, and come back.
const TURNS: [Declared; 5] = [
    &[(1, 1), (2, 1), (3, 1)],
    &[(1, 1), (2, 1), (3, 1), (4, 1)],
    &[(1, 3), (2, 1), (3, 2), (4, 1)],
    &[(1, 3), (3, 2), (4, 5)],
    &[(1, 1), (2, 2), (3, 1)],
];

fn file(servers: Declared) -> String {
    let servers = listed(servers.iter().copied());
    format!(
        "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"wrr\"
drain = \"2s\"
check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"1s\" }}
servers = [{servers}]
"
    )
}

fn expected(servers: Declared) -> String {
    let shown = servers
        .iter()
        .map(|(number, weight)| format!("{number}={weight}"));
    shown.collect::<Vec<_>>().join(" ")
}

/// How the director is told.
#[derive(Debug, Clone, Copy)]
enum Word {
    /// Not at all: it looks once a second.
    None,
    Signal,
    Socket,
}

impl Word {
    fn say(self, daemon: &Daemon<'_>) {
        match self {
            Self::None => {}
            Self::Signal => daemon.signal(Signal::SIGHUP),
            Self::Socket => {
                daemon.post("/v1/reload", &json!({}));
            }
        }
    }
}

const WORDS: [Word; 3] = [Word::Signal, Word::None, Word::Socket];

#[test]
#[ignore = "needs the lab"]
fn twenty_reloads_in_a_row_fail_no_request() {
    let net = Lan::nat().addresses(4).real_servers(4).build();
    let _servers = net.serve(Tcp, 80);
    let daemon = Daemon::start(&net.director, &file(TURNS[0]));
    daemon.weights(SERVICE, &expected(TURNS[0]));
    let client = net.client(1);
    let ask = client
        .ask(Tcp, net.service(V4, 80))
        .from(client.addresses(V4));
    let asked = asked_during(&ask, 2, || {
        for reload in 1..=20 {
            let word = WORDS[reload % WORDS.len()];
            if reload % 4 == 0 {
                broken(&daemon, word);
            }
            let turn = TURNS[reload % TURNS.len()];
            daemon.write(&file(turn));
            word.say(&daemon);
            daemon.weights(SERVICE, &expected(turn));
        }
    });
    eprintln!("20 reloads, {} requests", asked.len());
    assert!(asked.len() > 100, "{} requests", asked.len());
    let (failed, log) = (failed(&asked), daemon.log());
    assert!(failed.is_empty(), "{failed:?}\n{log}");
    assert!(
        !log.contains("somebody"),
        "it takes itself for another\n{log}"
    );
}

/// A file with mistakes changes nothing, and the director reports it.
fn broken(daemon: &Daemon<'_>, word: Word) {
    let before = weights(daemon.host, SERVICE);
    daemon.write("version = 1\n[service.web]\nlisten = \"tcp://nowhere:80\"\n");
    word.say(daemon);
    eventually("the file is rejected", || {
        let status = daemon.get("/v1/status")?;
        status["rejected"].is_string().then_some(())
    });
    thread::sleep(paced_ms(300));
    assert_eq!(weights(daemon.host, SERVICE), before, "{word:?}");
}

#[test]
#[ignore = "needs the lab"]
fn what_replaces_a_server_is_up_before_that_leaves() {
    let net = Lan::nat().addresses(4).real_servers(4).build();
    let mut servers = net.serve(Tcp, 80);
    let late = servers.split_off(3);
    drop(late);
    let daemon = Daemon::start(&net.director, &file(TURNS[0]));
    daemon.weights(SERVICE, &expected(TURNS[0]));
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let asked = asked_during(&ask, 1, || {
        // Server 4 replaces server 2, and does not run yet.
        daemon.write(&file(&[(1, 1), (3, 1), (4, 1)]));
        daemon.signal(Signal::SIGHUP);
        eventually("the new file is in force", || {
            let status = daemon.get("/v1/status")?;
            let servers = status["services"][0]["servers"].as_array()?;
            let is_known = |server: &serde_json::Value| server["address"] == "10.2.0.14:80";
            servers.iter().any(is_known).then_some(())
        });
        thread::sleep(paced_ms(2_000));
        assert_eq!(weights(&net.director, SERVICE), "1=1 2=1 3=1");
        servers.push(net.real(4).serve(Tcp, 80));
        daemon.weights(SERVICE, "1=1 3=1 4=1");
    });
    let failed = failed(&asked);
    assert!(failed.is_empty(), "{failed:?}\n{}", daemon.log());
}

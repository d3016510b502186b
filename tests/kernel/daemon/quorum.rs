//! The quorum of a service beside Debian's keepalived: the same servers die and come back, and the
//! same ones serve.

use serde_json::Value;

use super::keepalived::Keeper;
use super::{Daemon, SERVICE, weights};
use crate::lab::{Host, Lan, Server, Tcp, eventually, paced_ms};

/// The numbers and weights of the real servers; the sorry server is the next one.
const SERVERS: [(usize, u32); 3] = [(1, 1), (2, 1), (3, 2)];

const SORRY: usize = 4;

/// What happens to a real server.
#[derive(Debug, Clone, Copy)]
enum Act {
    Kill(usize),
    Revive(usize),
}

use Act::{Kill, Revive};

/// All go, one by one, and come back; the weights of those that are up: 4, 2, 1, 0, 1, 2, 4, 2, 4.
const ACTS: [Act; 8] = [
    Kill(3),
    Kill(2),
    Kill(1),
    Revive(1),
    Revive(2),
    Revive(3),
    Kill(3),
    Revive(3),
];

fn ours(hysteresis: u32) -> String {
    let servers = SERVERS
        .map(|(number, weight)| format!("{{ address = \"10.2.0.1{number}\", weight = {weight} }}"));
    format!(
        "
version = 1
[service.web]
listen = \"{SERVICE}\"
forward = \"nat\"
scheduler = \"wrr\"
drain = \"0s\"
damping = false
quorum = 2
hysteresis = {hysteresis}
check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"200ms\", rise = 1, fall = 1 }}
servers = [{}]
sorry = [\"10.2.0.1{SORRY}\"]
",
        servers.join(", ")
    )
}

fn theirs(hysteresis: u32) -> String {
    let tick = paced_ms(200).as_secs_f64();
    let servers = SERVERS.map(|(number, weight)| {
        format!(
            "    real_server 10.2.0.1{number} 80 {{
        weight {weight}
        TCP_CHECK {{
            connect_timeout {tick}
            retry 0
        }}
    }}
"
        )
    });
    format!(
        "
virtual_server 10.1.0.100 80 {{
    delay_loop {tick}
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    quorum 2
    hysteresis {hysteresis}
    sorry_server 10.2.0.1{SORRY} 80
{}}}
",
        servers.concat()
    )
}

/// The servers that new clients reach, with their weights.
fn serving(host: &Host) -> String {
    let all = weights(host, SERVICE);
    let serving = all.split(' ').filter(|server| !server.ends_with("=0"));
    serving.collect::<Vec<_>>().join(" ")
}

/// What keepalived logs when a check has found the new state of a server.
fn line(act: Act) -> String {
    match act {
        Kill(number) => format!("[10.2.0.1{number}]:tcp:80 failed"),
        Revive(number) => format!("[10.2.0.1{number}]:tcp:80 success"),
    }
}

fn count(keeper: &Keeper<'_>, act: Act) -> usize {
    keeper.log().matches(&line(act)).count()
}

/// Whether the checks have found the new state of a server.
fn has_found(keeper: &Keeper<'_>, act: Act, before: usize) -> bool {
    match (keeper, act) {
        (Keeper::Director(daemon), Kill(number)) => state(daemon, number) == "down",
        (Keeper::Director(daemon), Revive(number)) => state(daemon, number) != "down",
        (Keeper::Keepalived { .. }, _) => count(keeper, act) > before,
    }
}

/// The director's word on a real server.
fn state(daemon: &Daemon<'_>, number: usize) -> String {
    let status = daemon.get("/v1/status").expect("the director answers");
    let servers = status["services"][0]["servers"].as_array().cloned();
    let address = format!("10.2.0.1{number}:80");
    let servers = servers.unwrap_or_default();
    let found = servers.iter().find(|server| server["address"] == *address);
    let state = found.map_or(&Value::Null, |server| &server["state"]);
    state.as_str().unwrap_or_default().to_owned()
}

/// Who serves after each act.
fn course(net: &Lan, keeper: &Keeper<'_>, expected: &[&str]) -> Vec<String> {
    let mut servers: Vec<Option<Server>> = net.serve(Tcp, 80).into_iter().map(Some).collect();
    let all = "1=1 2=1 3=2";
    let wait = |what: &str, expected: &str| {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || (serving(&net.director) == expected).then_some(()));
        }));
        assert!(
            found.is_ok(),
            "{what}: {} instead of {expected}; the log:\n{}",
            serving(&net.director),
            keeper.log()
        );
        expected.to_owned()
    };
    let mut course = vec![wait("at first", all)];
    for (act, expected) in ACTS.into_iter().zip(expected) {
        let before = count(keeper, act);
        match act {
            Kill(number) => drop(servers[number - 1].take()),
            Revive(number) => servers[number - 1] = Some(net.real(number).serve(Tcp, 80)),
        }
        eventually(&format!("{act:?} is found"), || {
            has_found(keeper, act, before).then_some(())
        });
        course.push(wait(&format!("after {act:?}"), expected));
    }
    course
}

/// The course by both.
fn courses(hysteresis: u32, expected: &[&str]) {
    if !std::path::Path::new("/usr/sbin/keepalived").exists() {
        eprintln!("there is no keepalived, so no test");
        return;
    }
    let mut found = Vec::new();
    for name in ["keepalived", "director"] {
        let net = Lan::nat().real_servers(4).build();
        let keeper = match name {
            "director" => Keeper::director_with(&net.director, &ours(hysteresis)),
            _ => Keeper::keepalived_with(&net.director, &theirs(hysteresis)),
        };
        found.push(course(&net, &keeper, expected));
    }
    assert_eq!(found[0], found[1], "keepalived and director");
}

#[test]
#[ignore = "needs the lab"]
fn a_quorum_is_lost_and_gained_as_by_keepalived() {
    courses(
        0,
        &[
            "1=1 2=1",
            "4=1",
            "4=1",
            "4=1",
            "1=1 2=1",
            "1=1 2=1 3=2",
            "1=1 2=1",
            "1=1 2=1 3=2",
        ],
    );
}

#[test]
#[ignore = "needs the lab"]
fn a_quorum_with_hysteresis_is_lost_and_gained_as_by_keepalived() {
    courses(
        1,
        &[
            "1=1 2=1",
            "1=1",
            "4=1",
            "4=1",
            "4=1",
            "1=1 2=1 3=2",
            "1=1 2=1",
            "1=1 2=1 3=2",
        ],
    );
}

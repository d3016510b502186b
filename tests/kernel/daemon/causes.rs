//! Outages of many servers have a common cause, and damping, which is on by default, holds none of
//! them out for it: once the network is back, requests fail only until the checks notice.

use std::thread;
use std::time::{Duration, Instant};

use super::keepalived::Keeper;
use super::{Asked, Daemon, SERVICE, asked_during, failed, weights};
use crate::lab::{Lan, Tcp, V4, paced_ms};

/// What goes down and comes back.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// The link of each server.
    Links,
    /// The director's own interface.
    Interface,
    /// The bridge between them.
    Bridge,
}

const ALL: &str = "1=1 2=1 3=1";

/// A verdict takes three tries of 200 ms; damping as by default.
const FILE: &str = "
version = 1
[service.web]
listen = \"tcp://10.1.0.100:80\"
forward = \"nat\"
scheduler = \"wrr\"
drain = \"2s\"
check = { type = \"tcp\", interval = \"200ms\", fast_interval = \"200ms\", timeout = \"200ms\", \
         rise = 2, fall = 3 }
servers = [\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]
";

impl Cause {
    fn turn(self, net: &Lan, on: bool) {
        let state = if on { "up" } else { "down" };
        match self {
            Self::Links => {
                for real in net.reals() {
                    real.ip(&format!("link set eth0 {state}\n"));
                    if on {
                        real.ip("route add default via 10.2.0.1\n");
                    }
                }
            }
            Self::Interface => net.director.ip(&format!("link set eth1 {state}\n")),
            Self::Bridge => net.turn("back", on),
        }
    }
}

/// Interrupts it four times; returns the requests of two seconds after the network is back and the
/// checks have noticed.
fn after_four(net: &Lan, cause: Cause) -> Vec<Asked> {
    for _ in 0..4 {
        cause.turn(net, false);
        thread::sleep(paced_ms(1_200));
        cause.turn(net, true);
        thread::sleep(paced_ms(1_200));
    }
    let start = Instant::now();
    while weights(&net.director, SERVICE) != ALL && start.elapsed() < paced_ms(5_000) {
        thread::sleep(paced_ms(20));
    }
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let ask = ask.patience(paced_ms(500));
    asked_during(&ask, 1, || thread::sleep(paced_ms(2_000)))
}

#[test]
#[ignore = "needs the lab"]
fn a_network_that_went_and_came_four_times_is_served_by_all_again() {
    for cause in [Cause::Links, Cause::Interface, Cause::Bridge] {
        let net = Lan::nat().real_servers(3).build();
        let _servers = net.serve(Tcp, 80);
        let daemon = Daemon::start(&net.director, FILE);
        daemon.weights(SERVICE, ALL);
        let asked = after_four(&net, cause);
        let lost = failed(&asked).len();
        eprintln!("director, {cause:?}: {lost} of {} failed", asked.len());
        let (shown, log) = (weights(&net.director, SERVICE), daemon.log());
        assert_eq!(shown, ALL, "{cause:?}\n{log}");
        assert_eq!(lost, 0, "{cause:?}\n{log}");
        assert!(!log.contains("held out"), "{cause:?}\n{log}");
    }
    if !std::path::Path::new("/usr/sbin/keepalived").exists() {
        eprintln!("there is no keepalived to compare with");
        return;
    }
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let _keeper = Keeper::keepalived(&net.director);
    thread::sleep(paced_ms(2_000));
    let asked = after_four(&net, Cause::Links);
    let lost = failed(&asked).len();
    eprintln!("keepalived, Links: {lost} of {} failed", asked.len());
}

/// With the default pace, a failure takes up to eight seconds to be detected. If links are off for
/// eight seconds, some of their servers therefore go down, and others almost do.
#[test]
#[ignore = "needs the lab"]
fn links_that_are_off_for_as_long_as_it_takes_to_see_hold_none_out() {
    let net = Lan::nat().real_servers(3).build();
    let _servers = net.serve(Tcp, 80);
    let check = FILE.find("check = ").unwrap()..FILE.find("servers = ").unwrap();
    let file = FILE.replace(&FILE[check], "check = \"tcp\"\n");
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, ALL);
    for _ in 0..4 {
        Cause::Links.turn(&net, false);
        thread::sleep(Duration::from_secs(8));
        Cause::Links.turn(&net, true);
        thread::sleep(Duration::from_secs(8));
    }
    daemon.weights(SERVICE, ALL);
    let log = daemon.log();
    assert!(!log.contains("held out"), "{log}");
    assert!(log.contains(" down: "), "{log}");
}

#[test]
#[ignore = "needs the lab"]
fn a_server_that_goes_and_comes_by_itself_is_held_out_and_serves_when_it_is_the_last() {
    let net = Lan::nat().real_servers(3).build();
    let mut servers = net.serve(Tcp, 80);
    let daemon = Daemon::start(&net.director, FILE);
    daemon.weights(SERVICE, ALL);
    for turn in 0..3 {
        drop(servers.remove(0));
        daemon.weights(SERVICE, "1=0 2=1 3=1");
        servers.insert(0, net.real(1).serve(Tcp, 80));
        if turn < 2 {
            daemon.weights(SERVICE, ALL);
        }
    }
    daemon.becomes("the first is held", &"held".to_owned(), || state(&daemon));
    // Not at about the same time as its last failure.
    thread::sleep(paced_ms(2_000));
    servers.truncate(1);
    daemon.weights(SERVICE, "1=1 2=0 3=0");
    daemon.becomes("the first is in", &"up".to_owned(), || state(&daemon));
    let ask = net.client(1).ask(Tcp, net.service(V4, 80));
    let asked = asked_during(&ask, 1, || thread::sleep(Duration::from_secs(1)));
    assert_eq!(failed(&asked).len(), 0, "{}", daemon.log());
    assert!(
        daemon
            .log()
            .contains("kept in because too few others are up")
    );
}

/// The state of the first server in `status`.
fn state(daemon: &Daemon<'_>) -> String {
    let status = daemon.get("/v1/status").unwrap();
    let state = &status["services"][0]["servers"][0]["state"];
    state.as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs the lab"]
fn a_server_behind_an_interface_of_the_director_without_a_carrier_is_not_held() {
    let net = Lan::nat().clients(2).real_servers(2).build();
    let _servers = net.serve(Tcp, 80);
    let _other = net.client(2).serve(Tcp, 80);
    let file = FILE.replace(
        "[\"10.2.0.11\", \"10.2.0.12\", \"10.2.0.13\"]",
        "[\"10.1.2.1\", \"10.2.0.12\"]",
    );
    let daemon = Daemon::start(&net.director, &file);
    daemon.weights(SERVICE, "1=1 2=1");
    for _ in 0..4 {
        net.turn("director-eth1", false);
        daemon.weights(SERVICE, "1=1 2=0");
        net.turn("director-eth1", true);
        daemon.weights(SERVICE, "1=1 2=1");
    }
    assert!(!daemon.log().contains("held out"), "{}", daemon.log());
    // The same from the view of a server whose own link it is.
    for _ in 0..3 {
        net.real(2).ip("link set eth0 down\n");
        daemon.weights(SERVICE, "1=1 2=0");
        net.real(2)
            .ip("link set eth0 up\nroute add default via 10.2.0.1\n");
        daemon.becomes("it answers", &true, || {
            let status = daemon.get("/v1/status").unwrap();
            let server = &status["services"][0]["servers"][1];
            ["up", "held"].contains(&server["state"].as_str().unwrap())
        });
    }
    daemon.becomes("it is held", &true, || daemon.log().contains("held out"));
}

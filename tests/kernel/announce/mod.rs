//! Announcing by bird and FRR, with the configurations of `docs/announce.md`, to a router that runs
//! bird.
//!
//! ```text
//!   client 10.9.0.1 ── router 10.0.0.254 ──┬── a 10.0.0.1   b 10.0.0.2   c 10.0.0.3
//!                                          └── real1 10.0.0.11   real2 10.0.0.12
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod bird;
mod ecmp;
mod frr;
mod leases;
mod routing;
mod verbs;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::daemon::Daemon;
use crate::lab::{Drawing, Host, Sketch, Switch, eventually};

/// The addresses of the tests' section.
const VIRTUAL: [&str; 2] = ["192.0.2.10", "2001:db8::10"];

/// The machines.
struct Farm {
    directors: Vec<Host>,
    router: Host,
    client: Host,
    reals: Vec<Host>,
    _switch: Switch,
}

impl Farm {
    fn new(directors: usize) -> Self {
        let inside = |name: &str, number: u8| {
            let addresses = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
            Sketch::new(name)
                .plug("lan", &addresses)
                .line("route add default via 10.0.0.254")
                .line("route add default via fd00::254")
        };
        let forwards = |sketch: Sketch| {
            sketch
                .sysctl("net.ipv4.ip_forward", "1")
                .sysctl("net.ipv6.conf.all.forwarding", "1")
        };
        let mut drawing = Drawing::new();
        for (name, number) in ["a", "b", "c"].into_iter().zip(1..).take(directors) {
            drawing = drawing.host(forwards(inside(name, number)));
        }
        for (name, number) in [("real1", 11), ("real2", 12)] {
            let mut real = inside(name, number)
                .sysctl("net.ipv4.conf.all.arp_ignore", "1")
                .sysctl("net.ipv4.conf.all.arp_announce", "2");
            for address in VIRTUAL {
                real = real.virtual_address(address.parse().unwrap(), "lo");
            }
            drawing = drawing.host(real);
        }
        let router = Sketch::new("router")
            .plug("lan", &["10.0.0.254/24", "fd00::254/64"])
            .plug("front", &["10.9.0.254/24", "fd09::254/64"])
            .sysctl("net.ipv4.fib_multipath_hash_policy", "1")
            .sysctl("net.ipv6.fib_multipath_hash_policy", "1");
        let client = Sketch::new("client")
            .plug("front", &["10.9.0.1/24", "fd09::1/64"])
            .line("route add default via 10.9.0.254")
            .line("route add default via fd09::254");
        let (mut hosts, switch) = drawing.host(forwards(router)).host(client).build();
        let client = hosts.pop().unwrap();
        let router = hosts.pop().unwrap();
        let reals = hosts.split_off(directors);
        Self {
            directors: hosts,
            router,
            client,
            reals,
            _switch: switch,
        }
    }

    /// Waits until the router has a route to both addresses by exactly these directors, `1` for `a`.
    #[track_caller]
    fn routed_by(&self, daemon: &Daemon<'_>, directors: &[u8]) {
        let expected: BTreeSet<u8> = directors.iter().copied().collect();
        daemon.becomes(
            "the router's next hops",
            &[expected.clone(), expected],
            || VIRTUAL.map(|address| next_hops(&self.router, address)),
        );
    }
}

/// The last numbers of the next hops of a host's route to an address.
fn next_hops(host: &Host, address: &str) -> BTreeSet<u8> {
    let family = if address.contains(':') { "-6" } else { "-4" };
    let shown = host.run(&format!("ip {family} -o route show {address}"));
    let words: Vec<&str> = shown.split_whitespace().collect();
    let hops = words.windows(2).filter(|pair| pair[0] == "via");
    let hops = hops.filter_map(|pair| match pair[1].parse().ok()? {
        IpAddr::V4(v4) => Some(v4.octets()[3]),
        IpAddr::V6(v6) => Some(v6.octets()[15]),
    });
    hops.collect()
}

/// Whether a host has the address on an interface.
fn has(host: &Host, address: &str) -> bool {
    let shown = host.run("ip -o addr show");
    shown.contains(&format!(" {address}/"))
}

/// Waits until it has both of them, or none.
#[track_caller]
fn holds(daemon: &Daemon<'_>, host: &Host, expected: bool) {
    daemon.becomes("the addresses are there", &[expected; 2], || {
        VIRTUAL.map(|address| has(host, address))
    });
}

/// The state of director's section.
fn state(daemon: &Daemon<'_>) -> String {
    let status = daemon.get("/v1/status").expect("the director answers");
    let section = &status["announce"][0];
    let word = section["state"].as_str().unwrap_or_default();
    let pending = section["in_place"] == false && word != "waiting";
    format!("{word}{}", if pending { ", pending" } else { "" })
}

/// Waits until the section is in this state.
#[track_caller]
fn becomes(daemon: &Daemon<'_>, expected: &str) {
    daemon.becomes("the state", &expected.to_owned(), || state(daemon));
}

/// Waits until the log has this.
#[track_caller]
fn logs(daemon: &Daemon<'_>, text: &str) {
    daemon.becomes(text, &true, || daemon.log().contains(text));
}

/// A file with one service on both addresses, and a section for them.
fn file(more: &str) -> String {
    format!(
        "version = 1
[kernel]
sloppy_tcp = true
[service.web]
listen = [\"tcp://192.0.2.10:80\", \"tcp://[2001:db8::10]:80\"]
forward = \"dr\"
scheduler = {{ name = \"mh\", flags = [\"port\", \"fallback\"] }}
servers = [\"10.0.0.11\", \"10.0.0.12\", \"fd00::11\", \"fd00::12\"]
check = {{ type = \"tcp\", interval = \"200ms\", timeout = \"150ms\", rise = 1, fall = 1 }}
[announce.front]
addresses = [\"192.0.2.10\", \"2001:db8::10\"]
{more}
"
    )
}

/// Waits until a host has a local route of director's to each address, or none.
#[track_caller]
fn usable(host: &Host, expected: bool) {
    eventually(&format!("local routes: {expected}"), || {
        let shown = ["-4", "-6"]
            .map(|family| host.run(&format!("ip {family} route show table local proto 114")));
        let found = shown
            .iter()
            .zip(VIRTUAL)
            .all(|(shown, address)| shown.contains(address) == expected);
        found.then_some(())
    });
}

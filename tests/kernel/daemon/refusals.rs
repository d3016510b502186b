//! UDP servers that refuse at most as often as a kernel lets them, and send nothing else.

use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::Daemon;
use crate::lab::{Family, Host, Lan, V4, V6, paced_ms};

/// Their ports: eleven, more than a kernel refuses in a second.
const PORTS: std::ops::RangeInclusive<u16> = 9001..=9011;

/// A service of these servers, whose checks expect nothing.
fn service(name: &str, listen: &str, address: IpAddr) -> String {
    let servers = PORTS.map(|port| match address {
        IpAddr::V4(address) => format!("\"{address}:{port}\""),
        IpAddr::V6(address) => format!("\"[{address}]:{port}\""),
    });
    let servers = servers.collect::<Vec<_>>().join(", ");
    format!(
        "[service.{name}]\nlisten = \"{listen}\"\nscheduler = \"rr\"\nforward = \"nat\"\n\
         servers = [{servers}]\n\
         check = {{ type = \"udp\", send = \"?\", interval = \"1s\", fast_interval = \"500ms\", \
         timeout = \"400ms\", rise = 2, fall = 2 }}\n"
    )
}

/// How many servers are in each state: `down 11`.
fn states(daemon: &Daemon<'_>, service: usize) -> String {
    let status = daemon.get("/v1/status").unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for server in status["services"][service]["servers"]
        .as_array()
        .into_iter()
        .flatten()
    {
        all.push(server["state"].as_str().unwrap_or("?").to_owned());
    }
    all.sort_unstable();
    let mut counted: Vec<(String, usize)> = Vec::new();
    for state in all {
        match counted.last_mut() {
            Some((last, number)) if *last == state => *number += 1,
            _ => counted.push((state, 1)),
        }
    }
    let words = counted
        .iter()
        .map(|(state, number)| format!("{state} {number}"));
    words.collect::<Vec<_>>().join(", ")
}

/// Waits until all are in this state.
#[track_caller]
fn become_all(daemon: &Daemon<'_>, expected: &str) {
    let end = Instant::now() + paced_ms(120_000);
    loop {
        let found = [states(daemon, 0), states(daemon, 1)];
        if found.iter().all(|found| found == expected) {
            return;
        }
        assert!(
            Instant::now() < end,
            "{found:?} instead of {expected}: {}",
            daemon.log()
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// Opens the ports of a host, on which nothing answers.
fn open(host: &Host, family: Family) -> Vec<UdpSocket> {
    let address = host.address(family);
    let open = |port| UdpSocket::bind((address, port)).unwrap();
    host.enter(|| PORTS.map(open).collect())
}

#[test]
#[ignore = "needs the lab"]
fn eleven_dead_udp_services_of_one_host_are_all_found_and_none_flaps() {
    let net = Lan::nat().real_servers(1).build();
    let real = net.real(1);
    assert_eq!(real.read_sysctl("net.ipv4.icmp_ratelimit"), "1000");
    let file = format!(
        "version = 1\n{}{}",
        service("v4", "udp://10.1.0.100:5000", real.address(V4)),
        service("v6", "udp://[fd00:1::100]:5000", real.address(V6)),
    );
    let daemon = Daemon::start(&net.director, &file);
    become_all(&daemon, "down 11");
    let until = Instant::now() + paced_ms(30_000);
    while Instant::now() < until {
        let found = [states(&daemon, 0), states(&daemon, 1)];
        assert_eq!(found, ["down 11", "down 11"], "{}", daemon.log());
        thread::sleep(Duration::from_millis(200));
    }
    let silent = [open(real, V4), open(real, V6)];
    become_all(&daemon, "up 11");
    // One dies alone, next to ten that are up.
    let [mut v4, mut v6] = silent;
    drop((v4.pop(), v6.pop()));
    become_all(&daemon, "down 1, up 10");
}

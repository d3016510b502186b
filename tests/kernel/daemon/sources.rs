//! Checks leave from no virtual address: the servers of direct routing hold these too, and would
//! answer themselves.

use std::net::IpAddr;

use super::operator::verb;
use super::{Daemon, weights};
use crate::lab::{Family, Host, Lan, Tcp, Udp, V4, V6, eventually};

const SERVICES: [&str; 2] = ["tcp://10.1.0.100:80", "tcp://[fd00:1::100]:80"];

/// The server of each, as [`weights`] numbers it: by its last byte, 0x11 for IPv6.
const NUMBERS: [u8; 2] = [1, 7];

/// The services of both families, with checks of all kinds of sockets.
fn file(checks: &str) -> String {
    let [v4, v6] = SERVICES;
    format!(
        "version = 1
[defaults]
forward = \"dr\"
[defaults.check]
interval = \"100ms\"
timeout = \"1s\"
rise = 1
fall = 2
[pool.app]
servers = [{{ address = [\"10.1.0.11\", \"fd00:1::11\"] }}]
[service.web]
listen = [\"{v4}\", \"{v6}\"]
pool = \"app\"
check = [{checks}]
"
    )
}

const ALL: &str = r#""tcp", "idle", "ping",
  { type = "tcp", send = "x\n", expect = "real" },
  { type = "udp", port = 80, send = "x\n", expect = "real" }"#;

/// Makes the virtual addresses the ones that the kernel chooses towards the servers.
fn prefer_virtual_addresses(director: &Host) {
    director.ip(
        "addr del 10.1.0.1/16 dev eth0\naddr del 10.1.0.100/32 dev eth0\n\
         addr add 10.1.0.100/16 dev eth0\naddr add 10.1.0.1/16 dev eth0\n\
         addr del fd00:1::100/128 dev eth0\naddr add fd00:1::100/128 dev eth0 nodad\n\
         route add fd00:1::/64 dev eth0 metric 2000\n",
    );
    for (server, address) in [("10.1.0.11", "10.1.0.100"), ("fd00:1::11", "fd00:1::100")] {
        let route = director.run(&format!("ip route get {server}"));
        assert!(route.contains(&format!("src {address} ")), "{route}");
    }
}

fn own(family: Family) -> (IpAddr, &'static str) {
    match family {
        V4 => ([10, 1, 0, 1].into(), "10.1.0.1/16"),
        V6 => ("fd00:1::1".parse().unwrap(), "fd00:1::1/64"),
    }
}

#[test]
#[ignore = "needs the lab"]
fn checks_leave_from_an_address_that_servers_of_direct_routing_do_not_hold() {
    let net = Lan::dr().real_servers(1).build();
    let _serving = [net.serve(Tcp, 80), net.serve(Udp, 80)];
    prefer_virtual_addresses(&net.director);
    let daemon = Daemon::start(&net.director, &file(ALL));
    for (service, number) in SERVICES.iter().zip(NUMBERS) {
        daemon.weights(service, &format!("{number}=1"));
    }
    // A check through the forwarding path too.
    daemon.write(&file(
        r#"{ type = "tcp", through = true, interval = "150ms" }"#,
    ));
    for (service, number) in SERVICES.into_iter().zip(NUMBERS) {
        eventually("it is checked through the forwarding path", || {
            let status = daemon.get("/v1/status")?;
            let services = status["services"].as_array()?;
            let service = services.iter().find(|one| one["listen"] == service)?;
            let check = &service["servers"][0]["checks"][0];
            (check["interval_ms"] == 150 && check["successes"].as_u64() > Some(2)).then_some(())
        });
        daemon.weights(service, &format!("{number}=1"));
    }
}

#[test]
#[ignore = "needs the lab"]
fn an_address_of_its_own_that_comes_and_goes_is_noticed() {
    let net = Lan::dr().real_servers(1).build();
    let _serving = net.serve(Tcp, 80);
    prefer_virtual_addresses(&net.director);
    for family in Family::BOTH {
        net.director
            .ip(&format!("addr del {} dev eth0\n", own(family).1));
    }
    let daemon = Daemon::start(&net.director, &file("\"tcp\""));
    for (family, at, address) in [(V4, 0, "10.1.0.100"), (V6, 1, "fd00:1::100")] {
        let (service, number) = (SERVICES[at], NUMBERS[at]);
        let why = format!("the check leaves from the virtual address {address}, as this machine");
        eventually("status says why the check fails", || {
            verb(&daemon, "status").stdout.contains(&why).then_some(())
        });
        let log = daemon.log();
        assert!(log.contains("checked from a virtual address"), "{log}");
        net.director
            .ip(&format!("addr add {} dev eth0\n", own(family).1));
        // Of duplicate address detection the check knows nothing: it tries again.
        daemon.weights(service, &format!("{number}=1"));
        net.director
            .ip(&format!("addr del {} dev eth0\n", own(family).1));
        let out = format!("{number}=0");
        daemon.becomes("it is out again", &out, || weights(&net.director, service));
    }
}

//! `accept = false`: what no service takes does not reach the machine's programs.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Link, VIRTUAL, becomes, has};
use crate::daemon::Daemon;
use crate::lab::{Host, eventually};

/// A virtual address of each family, and a service on port 80 of the first one.
fn file(accept: bool) -> String {
    format!(
        "version = 1
[service.web]
listen = \"tcp://{VIRTUAL}:80\"
forward = \"nat\"
servers = [\"10.0.0.2\"]
[failover.front]
id = 51
interface = \"eth0\"
interval = \"100ms\"
addresses = [\"{VIRTUAL}\", \"fd00::100\"]
accept = {accept}
"
    )
}

/// Whether a client reaches a program there.
fn reaches(client: &Host, address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    client.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
}

/// Whether it answers ICMP echo.
fn echoes(client: &Host, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    // Identifier 7, sequence 1; the kernel computes the checksum of ICMPv6.
    let (domain, protocol, request, reply) = match address {
        IpAddr::V4(_) => (
            Domain::IPV4,
            Protocol::ICMPV4,
            [8, 0, 0xf7, 0xf7, 0, 7, 0, 1],
            0,
        ),
        IpAddr::V6(_) => (
            Domain::IPV6,
            Protocol::ICMPV6,
            [128, 0, 0, 0, 0, 7, 0, 1],
            129,
        ),
    };
    client.enter(|| {
        let mut socket = Socket::new(domain, Type::RAW, Some(protocol)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        socket.connect(&SocketAddr::new(address, 0).into()).unwrap();
        socket.send(&request).unwrap();
        let mut buffer = [0; 128];
        // Neighbour discovery comes here as well.
        (0..8).any(|_| {
            let length = socket.read(&mut buffer).unwrap_or(0);
            let start = if address.is_ipv4() { 20 } else { 0 };
            buffer[..length].get(start) == Some(&reply)
        })
    })
}

/// The table in the kernel, or nothing.
fn table(host: &Host) -> String {
    let outcome = host.attempt("nft list table inet director_accept");
    match outcome.success() {
        true => outcome.stdout,
        false => String::new(),
    }
}

#[test]
#[ignore = "needs the lab"]
fn what_no_service_takes_is_dropped() {
    let link = Link::new();
    // User-Mode Linux has no nftables for IPv4 and IPv6.
    let has_nftables = link.a.attempt("nft add table inet probe").success();
    if !has_nftables {
        let daemon = Daemon::start(&link.a, &file(false));
        becomes(&daemon, "active");
        eventually("the log says why", || {
            let log = daemon.log();
            let why = log.contains("`accept = false` is not in force: ");
            (why && log.contains("CONFIG_NF_TABLES_INET")).then_some(())
        });
        assert!(has(&link.a, VIRTUAL), "it works otherwise");
        return;
    }
    let listeners: Vec<TcpListener> = link.a.enter(|| {
        let on = |address: &str| TcpListener::bind(address).unwrap();
        vec![on("0.0.0.0:22"), on("[::]:23")]
    });
    for listener in listeners {
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.map(|mut stream| stream.read(&mut [0]));
            }
        });
    }
    let mut daemon = Daemon::start(&link.a, &file(true));
    becomes(&daemon, "active");
    let (v4, v6) = (format!("{VIRTUAL}:22"), "[fd00::100]:23");
    for address in [&v4, v6] {
        eventually(&format!("{address} answers"), || {
            reaches(&link.client, address).then_some(())
        });
    }
    daemon.write(&file(false));
    eventually("the table", || {
        table(&link.a).contains("fd00::100").then_some(())
    });
    let is_closed = || {
        for address in [&v4, v6] {
            assert!(!reaches(&link.client, address), "{address}");
        }
        // Everything else is as it was.
        for address in ["10.0.0.1:22", "[fd00::1]:23"] {
            assert!(reaches(&link.client, address), "{address}");
        }
        for address in [VIRTUAL, "fd00::100"] {
            assert!(echoes(&link.client, address), "{address}");
        }
    };
    is_closed();
    // It survives the process as the addresses do, and the next one goes on.
    daemon.kill();
    assert!(table(&link.a).contains(VIRTUAL));
    daemon.launch();
    becomes(&daemon, "active");
    is_closed();
    daemon.stop();
    assert!(table(&link.a).contains(VIRTUAL));
    daemon.write(&file(true));
    daemon.launch();
    becomes(&daemon, "active");
    eventually("the table is gone", || {
        table(&link.a).is_empty().then_some(())
    });
    eventually("it answers again", || {
        reaches(&link.client, &v4).then_some(())
    });
}

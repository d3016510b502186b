//! Connections of the active director as they begin, over the channel.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use ipvs::Client;
use ipvs_sync::{Encoder, Entry, Flags, tcp};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol as Transport, Socket, Type};

use super::channel::{Pair, VIRTUAL, alive, becomes, happens, peer};
use crate::daemon::Daemon;
use crate::lab::{Host, Protocol::Tcp, eventually};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 81);

/// The ports of the daemons: as the kernel has it, and of the relay's master.
const PORTS: [u16; 2] = [8848, 8850];

/// A file whose peers send their tables once, at the start.
fn file(pair: &Pair, priority: u8) -> String {
    let file = pair.file(priority, &pair.key("0123456789abcdef"), [1, 1, 1]);
    file.replace("role = \"backup\"", "role = \"relay\"")
        .replace("resync = \"5s\"", "resync = \"1d\"")
}

/// What multicasts to the group on the link between the directors.
fn ears(host: &Host) -> Vec<UdpSocket> {
    host.enter(|| {
        let index = nix::net::if_::if_nametoindex("eth0").unwrap();
        let on = InterfaceIndexOrAddress::Index(index);
        let ear = |port| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Transport::UDP)).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind_device(Some(b"eth0")).unwrap();
            let at = SocketAddr::new(GROUP.into(), port);
            socket.bind(&at.into()).unwrap();
            socket.join_multicast_v4_n(&GROUP, &on).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.into()
        };
        PORTS.map(ear).into()
    })
}

/// The active connections that the kernel of a host counts.
fn active(host: &Host) -> u32 {
    let table = host.enter(|| Client::connect().unwrap().table().unwrap());
    let servers = table.services.iter().flat_map(|service| &service.servers);
    servers.map(|server| server.active).sum()
}

#[track_caller]
fn has(host: &Host, connections: u32) {
    eventually(&format!("{} has {connections}", host.name()), || {
        (active(host) == connections).then_some(())
    });
}

/// Two directors, the first one active, that relay to each other.
fn relaying(pair: &Pair) -> [Daemon<'_>; 2] {
    let a = Daemon::start(&pair.net.director, &file(pair, 150));
    becomes(&a, "active");
    let b = Daemon::start(pair.b(), &file(pair, 100));
    becomes(&b, "backup");
    happens(&b, "relay-started", "`a`");
    happens(&a, "relay-started", "`b`");
    happens(&b, "resync-done", "`a` sent 0 connections");
    [a, b]
}

#[test]
#[ignore = "needs the lab"]
fn new_connections_are_in_the_other_table_without_multicast_and_survive() {
    let pair = Pair::new();
    let service = format!("{VIRTUAL}:80").parse().unwrap();
    let reals = pair.net.reals().iter();
    let _web: Vec<_> = reals.map(|real| real.serve_at(Tcp, &[service])).collect();
    let ears = ears(pair.b());
    let [mut a, b] = relaying(&pair);
    // The last of them, too, after which none comes.
    let mut open = pair.open(50);
    has(pair.b(), 50);
    for ear in &ears {
        let nothing = ear.recv(&mut [0; 64]).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    }
    // No echo: the first director has no entry from the second one.
    eventually("the status counts them", || {
        (peer(&b)["relay"]["entries"].as_u64()? >= 50).then_some(())
    });
    let relay = &peer(&a)["relay"];
    assert_eq!(
        (&relay["entries"], &relay["refused"]),
        (&0.into(), &0.into())
    );

    a.kill();
    becomes(&b, "active");
    assert_eq!(alive(&mut open), 50);
    happens(&b, "relay-stopped", "`a`");
    // What comes now is relayed the other way, after a kill as well.
    a.launch();
    happens(&a, "resync-done", "`b` sent 50 connections");
    becomes(&a, "active");
    becomes(&b, "backup");
    let mut more = pair.open(20);
    has(pair.b(), 70);
    assert_eq!((alive(&mut open), alive(&mut more)), (50, 20));
}

/// A message with a connection that would be accepted.
fn forged() -> Vec<u8> {
    let mut encoder = Encoder::new(0, Encoder::ETHERNET);
    let entry = Entry {
        flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
        state: tcp::ESTABLISHED,
        timeout: 900,
        ..Entry::new(
            6,
            "198.18.0.1:40000".parse().unwrap(),
            format!("{VIRTUAL}:80").parse().unwrap(),
            "10.1.0.11:80".parse().unwrap(),
        )
    };
    encoder.push(&entry).unwrap();
    encoder.finish().unwrap()
}

#[test]
#[ignore = "needs the lab"]
fn what_another_process_sends_to_the_group_is_not_relayed() {
    let pair = Pair::new();
    let service = format!("{VIRTUAL}:80").parse().unwrap();
    let reals = pair.net.reals().iter();
    let _web: Vec<_> = reals.map(|real| real.serve_at(Tcp, &[service])).collect();
    let _both = relaying(&pair);
    pair.net.director.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Transport::UDP)).unwrap();
        socket.bind_device(Some(b"lo")).unwrap();
        let to = SocketAddr::new(IpAddr::V4(GROUP), PORTS[1]);
        for message in [forged(), vec![0; 9000]] {
            socket.send_to(&message, &to.into()).unwrap();
        }
    });
    // Read after the forged ones.
    let _open = pair.open(10);
    has(pair.b(), 10);
}

//! SIP: the persistence engine `sip` reads the Call-ID of a message (RFC 3261 section 20.8), and
//! with one-packet scheduling each message follows its call.
//!
//! ```text
//!   client1:p ── Call-ID: a ──►┐                 ┌─► real1   a
//!   client1:p ── Call-ID: b ──►┤ engine sip, ops ├─► real2   b
//!   client2:q ── Call-ID: a ──►┘                 └─► real1   a   if client2 is client1
//!                                                                under the service's mask
//! ```
//!
//! A call is identified together with the client's address under the mask (`ip_vs_sip_ct_match`):
//! for a call from several addresses, the mask must cover them all.

use std::{collections::BTreeMap, net::UdpSocket, time::Duration};

use ipvs::{Connections, Family as Of, Name, Netmask, Service, ServiceFlags};

use super::{all, balance, dr, nat, service};
use crate::lab::{
    Connection,
    Family::{self, V4, V6},
    Lan,
    Protocol::Udp,
    Server,
};

/// The port of SIP.
const SIP: u16 = 5060;

/// Round robin, so that only the Call-ID can keep a call together. All clients of the network are
/// one under the mask.
fn by_call(net: &Lan, family: Family) -> Service {
    let everybody = match family {
        V4 => Netmask::V4([255, 255, 0, 0].into()),
        V6 => Netmask::V6(64),
    };
    service(Udp, net.service(family, SIP), "rr")
        .persistent(60)
        .netmask(everybody)
        .engine(Name::from_static("sip"))
}

/// A request as a telephone sends it.
fn register(call: &str) -> String {
    format!(
        "REGISTER sip:example.org SIP/2.0\r\n\
         Via: SIP/2.0/UDP phone.example.org;branch=z9hG4bK776asdhds\r\n\
         From: <sip:alice@example.org>;tag=1928301774\r\n\
         To: <sip:alice@example.org>\r\n\
         Call-ID: {call}\r\n\
         CSeq: 1 REGISTER\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// The server that answers a message of this call.
fn call(phone: &mut Connection, call: &str) -> String {
    phone
        .say(register(call).as_bytes())
        .expect("every message is answered")
}

/// A telephone: a socket that keeps its port.
fn phone(net: &Lan, client: usize, family: Family) -> Connection {
    net.client(client)
        .connect(Udp, net.service(family, SIP))
        .expect("a socket")
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_call_stays_with_its_server_from_either_side() {
    let net = Lan::dr().clients(2).build();
    let _serving = net.serve(Udp, SIP);
    for family in Family::BOTH {
        let sip = by_call(&net, family).with_flags(ServiceFlags::ONE_PACKET);
        balance(&net.director, &sip, all(&net, family, SIP, dr));
        let [mut alice, mut bob] = [1, 2].map(|client| phone(&net, client, family));
        let calls = ["a@example.org", "b@example.org", "c@example.org"];
        // One telephone, three calls: each is scheduled.
        let homes: BTreeMap<&str, String> = calls
            .into_iter()
            .map(|id| (id, call(&mut alice, id)))
            .collect();
        let mut different: Vec<&String> = homes.values().collect();
        different.sort();
        assert_eq!(different, ["real1", "real2", "real3"], "{family:?}");
        // Two telephones, the same calls in another order: each finds its server.
        for id in ["c@example.org", "a@example.org", "b@example.org"] {
            assert_eq!(call(&mut bob, id), homes[id], "{family:?}: {id}");
            assert_eq!(call(&mut alice, id), homes[id], "{family:?}: {id}");
        }
    }
    let mut known: Vec<String> = net
        .director
        .enter(|| Connections::open()?.collect::<ipvs::Result<Vec<_>>>())
        .expect("the connection table can be read")
        .into_iter()
        .filter_map(|entry| entry.engine)
        .map(|engine| String::from_utf8_lossy(&engine.data).into_owned())
        .collect();
    known.sort();
    known.dedup();
    assert_eq!(known, ["a@example.org", "b@example.org", "c@example.org"]);
}

/// Without one-packet scheduling, the connection takes precedence: everything from one socket goes
/// where its first message went.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn without_one_packet_scheduling_a_socket_stays_with_its_first_call() {
    let net = Lan::dr().clients(2).build();
    let _serving = net.serve(Udp, SIP);
    let sip = by_call(&net, V4);
    balance(&net.director, &sip, all(&net, V4, SIP, dr));
    let mut alice = phone(&net, 1, V4);
    let first = call(&mut alice, "a@example.org");
    assert_eq!(call(&mut alice, "b@example.org"), first, "by its socket");
    // The Call-ID of a new socket is examined.
    let mut bob = phone(&net, 2, V4);
    assert_eq!(call(&mut bob, "a@example.org"), first, "by its Call-ID");
    let mut carol = phone(&net, 2, V4);
    assert_ne!(call(&mut carol, "b@example.org"), first, "scheduled");
}

/// The contrast: with the default mask, an address is part of its calls.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn without_a_mask_each_address_has_calls_of_its_own() {
    let net = Lan::dr().clients(2).build();
    let _serving = net.serve(Udp, SIP);
    let sip = by_call(&net, V4)
        .netmask(Netmask::host(Of::V4))
        .with_flags(ServiceFlags::ONE_PACKET);
    balance(&net.director, &sip, all(&net, V4, SIP, dr));
    let [mut alice, mut bob] = [1, 2].map(|client| phone(&net, client, V4));
    let first = call(&mut alice, "a@example.org");
    let other = call(&mut bob, "a@example.org");
    assert_ne!(first, other, "scheduled anew");
    assert_eq!(call(&mut alice, "a@example.org"), first);
    assert_eq!(call(&mut bob, "a@example.org"), other);
}

/// A datagram in which the engine finds no Call-ID is dropped silently (`ip_vs_sched_persist`), not
/// balanced by its address as without an engine.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_is_no_sip_is_dropped() {
    let net = Lan::dr().build();
    let serving = net.serve(Udp, SIP);
    balance(&net.director, &by_call(&net, V4), all(&net, V4, SIP, dr));
    let answers = net
        .client(1)
        .ask(Udp, net.service(V4, SIP))
        .patience(Duration::from_millis(300))
        .times(2)
        .run();
    assert_eq!(answers.to_string(), "timeout=2");
    // The same path is open to a telephone.
    call(&mut phone(&net, 1, V4), "a@example.org");
    let reached: usize = serving.iter().map(Server::answers).sum();
    assert_eq!(reached, 1, "datagrams that reached a server");
}

/// The engine also finds the way back, by the Call-ID in a server's message (`ip_vs_sip_conn_out`):
/// with NAT, answers come from the virtual address although one-packet scheduling has left no
/// connection, and so do messages that a server starts.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_gives_what_servers_say_the_virtual_address() {
    let net = Lan::nat().real_servers(1).build();
    for family in Family::BOTH {
        let sip = by_call(&net, family).with_flags(ServiceFlags::ONE_PACKET);
        balance(&net.director, &sip, all(&net, family, SIP, nat));
        let [server, alice] = [(net.real(1), SIP), (net.client(1), 0)].map(|(host, port)| {
            let socket = host.enter(|| UdpSocket::bind((host.address(family), port)));
            let socket = socket.expect("a free port");
            let patience = Some(Duration::from_secs(5));
            socket.set_read_timeout(patience).expect("a limit");
            socket
        });
        let mut buffer = [0; 1024];

        let asked = register("a@example.org");
        alice
            .send_to(asked.as_bytes(), net.service(family, SIP))
            .expect("sent");
        let (_, from) = server.recv_from(&mut buffer).expect("the request");
        assert_eq!(from, alice.local_addr().expect("an address"), "{family:?}");

        for call in ["a@example.org", "begun@example.org"] {
            let said = register(call);
            server.send_to(said.as_bytes(), from).expect("sent");
            let (length, source) = alice.recv_from(&mut buffer).expect("what it says");
            assert_eq!(&buffer[..length], said.as_bytes(), "{family:?}");
            assert_eq!(source, net.service(family, SIP), "{family:?}: {call}");
        }
    }
}

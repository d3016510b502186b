//! One-packet scheduling: each datagram of a flow separately.
//!
//! ```text
//!   client:port ── d1 d2 d3 d4 d5 d6 ──► service           real1 d1 d2 d3 d4 d5 d6
//!                                        service with ops  real1 d1 d4, real2 d2 d5, real3 d3 d6
//! ```

use std::{net::UdpSocket, time::Duration};

use ipvs::ServiceFlags;

use super::{all, balance, connections, dr, nat, service, unbalance};
use crate::lab::{
    Connection,
    Family::{self, V4},
    Lan,
    Protocol::{Tcp, Udp},
};

/// The servers that answer six datagrams of one flow, sorted.
fn six(mut flow: Connection) -> Vec<String> {
    let mut answered: Vec<String> = (0..6)
        .map(|_| flow.ask().expect("every datagram is answered"))
        .collect();
    answered.sort();
    answered
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn each_datagram_is_scheduled_alone() {
    let net = Lan::dr().build();
    let _dns = net.serve(Udp, 53);
    for family in Family::BOTH {
        let dns = service(Udp, net.service(family, 53), "rr");
        let flow = || {
            net.client(1)
                .connect(Udp, net.service(family, 53))
                .expect("a socket")
        };
        balance(&net.director, &dns, all(&net, family, 53, dr));
        let together = six(flow());
        assert!(
            together.iter().all(|name| *name == together[0]),
            "{family:?}: one flow, one server: {together:?}"
        );
        let known = connections(&net.director).len();
        unbalance(&net.director, &dns);

        balance(
            &net.director,
            &dns.with_flags(ServiceFlags::ONE_PACKET),
            all(&net, family, 53, dr),
        );
        assert_eq!(
            six(flow()),
            ["real1", "real1", "real2", "real2", "real3", "real3"],
            "{family:?}: one flow, every server"
        );
        assert_eq!(
            connections(&net.director).len(),
            known,
            "{family:?}: no entry is left of them"
        );
        unbalance(&net.director, &dns);
    }
}

/// The kernel accepts the flag for TCP and ignores it.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn tcp_does_not_heed_it() {
    let net = Lan::dr().build();
    let _web = net.serve(Tcp, 80);
    let web = service(Tcp, net.service(V4, 80), "rr").with_flags(ServiceFlags::ONE_PACKET);
    balance(&net.director, &web, all(&net, V4, 80, dr));
    let held = net
        .client(1)
        .connect(Tcp, net.service(V4, 80))
        .expect("the handshake stays with one server");
    let answered = six(held);
    assert!(answered.iter().all(|name| *name == answered[0]));
    assert_eq!(connections(&net.director).len(), 1);
}

/// With NAT, the director has no entry by which to recognize the answer: it forwards it unchanged,
/// with the real server's own address, and a connected client never sees it.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_leaves_the_answer_as_it_is() {
    let net = Lan::nat().real_servers(1).build();
    let _dns = net.serve(Udp, 53);
    let dns = service(Udp, net.service(V4, 53), "rr").with_flags(ServiceFlags::ONE_PACKET);
    balance(&net.director, &dns, all(&net, V4, 53, nat));
    let client = net.client(1);
    let (answer, from) = client.enter(|| {
        let socket = UdpSocket::bind((client.address(V4), 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a time limit");
        socket.send_to(b"?\n", net.service(V4, 53)).expect("sent");
        let mut buffer = [0; 64];
        let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
        (buffer[..length].to_vec(), from)
    });
    assert_eq!(answer, b"real1\n");
    assert_eq!(from, net.server(V4, 1, 53), "not the virtual address");
}

//! A health check on the path of the clients' packets.
//!
//! ```text
//!   director 10.1.0.1 ── socket with mark 1001, to the virtual address ──► IPVS, service fwmark
//!      ▲                                                                   1001: real1 alone
//!      └── from the virtual address: the director's own (accept_local) ◄── real1 ◄──┘
//! ```

use std::time::Duration;

use ipvs::{ForwardMethod, Service};

use super::SILENCE;
use crate::{
    lab::{Ask, Failure, Lan, Protocol, Tcp, Udp, V4},
    rig::{PORT, Rig, marked, real},
};

/// The mark of the private service of a real server.
fn mark(number: usize) -> u32 {
    1000 + u32::try_from(number).unwrap()
}

/// A check of one server through its private service.
fn check(rig: &Rig, protocol: Protocol, number: usize) -> Ask<'_> {
    let service = rig.net.service(V4, PORT);
    rig.net.director.ask(protocol, service).mark(mark(number))
}

/// A network with a service and a private one for each real server.
fn checked() -> (Rig, Service) {
    let mut rig = Rig::new(Lan::dr().build(), ForwardMethod::DirectRoute);
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    for number in 1..=3 {
        let private = marked(V4, mark(number), "rr");
        let server = rig.server(&private, number);
        rig.ipvs.add_service(&private).unwrap();
        rig.ipvs.add_server(&private.key, &server).unwrap();
    }
    (rig, web)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_marked_check_finds_a_server_that_lost_the_virtual_address() {
    let (rig, web) = checked();
    // The answer comes from an address that the director itself has.
    let strict = check(&rig, Tcp, 1).patience(SILENCE).run();
    assert_eq!(strict.0[0].by, Err(Failure::Timeout));
    let director = &rig.net.director;
    director.sysctl("net.ipv4.conf.eth0.accept_local", "1");
    for number in 1..=3 {
        let answers = check(&rig, Tcp, number).times(2).run();
        assert_eq!(answers.by(&real(number)), 2, "{answers}");
    }

    rig.net.real(2).ip("addr del 10.1.0.100/32 dev lo\n");
    let lost = check(&rig, Tcp, 2).patience(SILENCE).run();
    assert_eq!(lost.by("real2"), 0, "{lost}");
    assert_eq!(lost.failures().len(), 1, "{lost}");
    // A check of its own address does not notice, while a third of the clients suffers.
    let own = director.ask(Tcp, rig.net.server(V4, 2, PORT)).run();
    assert_eq!(own.by("real2"), 1);
    let patience = Duration::from_secs(2);
    let clients = rig.ask(&web).times(3).patience(patience).run();
    assert_eq!(
        (clients.by("real1"), clients.by("real3")),
        (1, 1),
        "{clients}"
    );
    for number in [1, 3] {
        assert_eq!(check(&rig, Tcp, number).run().by(&real(number)), 1);
    }
}

/// Connections are found by addresses and ports, not by marks.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn checks_of_several_servers_need_source_ports_of_their_own() {
    let (rig, _) = checked();
    let director = &rig.net.director;
    director.sysctl("net.ipv4.conf.eth0.accept_local", "1");
    for number in 1..=3 {
        let shared = check(&rig, Udp, number).port(9_053).run();
        assert_eq!(shared.by("real1"), 1, "the first one answers for all");
        let own = check(&rig, Udp, number).run();
        assert_eq!(own.by(&real(number)), 1, "{own}");
    }
}

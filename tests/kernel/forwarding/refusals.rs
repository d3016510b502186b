//! What a client sees if nothing is balanced.
//!
//! ```text
//!   no such service on a virtual address     the director's own stack: nobody listens, refused
//!   a service without usable servers         ICMP port unreachable, TCP too (ip_vs_leave)
//!   a server that does not listen            whatever its own stack says
//! ```

use std::time::Duration;

use ipvs::Weight;

use super::{all, balance, nat, service};
use crate::lab::{
    Answer, Failure,
    Family::{self, V4, V6},
    Lan,
    Protocol::{self, Sctp, Tcp, Udp},
};

/// How long to wait for an answer: not long if none is expected.
fn patience(in_vain: bool) -> Duration {
    Duration::from_millis(if in_vain { 300 } else { 5000 })
}

/// A director and one real server that report every refusal, rather than six and then one per
/// second.
fn talkative() -> Lan {
    let net = Lan::nat().real_servers(1).build();
    net.director.sysctls(&[
        ("net.ipv4.icmp_ratelimit", "0"),
        ("net.ipv6.icmp.ratelimit", "0"),
    ]);
    net
}

/// The failure of a request without an answer.
fn failure(net: &Lan, protocol: Protocol, family: Family, port: u16, in_vain: bool) -> Failure {
    let mut answers = net
        .client(1)
        .ask(protocol, net.service(family, port))
        .patience(patience(in_vain))
        .run();
    let Answer { by, .. } = answers.0.remove(0);
    by.expect_err("nobody is there to answer")
}

/// With a service on port 80 of the same address.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_port_without_service_is_the_directors_own() {
    let net = talkative();
    for family in Family::BOTH {
        for protocol in Protocol::ALL {
            let _elsewhere = net.real(1).serve(protocol, 81);
            let web = service(protocol, net.service(family, 80), "rr");
            balance(&net.director, &web, all(&net, family, 80, nat));
            assert_eq!(
                failure(&net, protocol, family, 81, false),
                Failure::Refused,
                "{protocol}, {family:?}"
            );
            // The director's stack refuses: a local listener is reached.
            let _own = net.director.serve(protocol, 81);
            let answers = net.client(1).ask(protocol, net.service(family, 81)).run();
            assert_eq!(answers.to_string(), "director=1", "{protocol}, {family:?}");
        }
    }
}

/// Each client by its own stack: SCTP ignores an ICMP port unreachable and tries again (RFC 4960
/// section 11.4), so such a client waits in vain.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_without_a_server_refuses() {
    let net = talkative();
    for family in Family::BOTH {
        for protocol in Protocol::ALL {
            // The director itself listens: its own stack must not get the packet.
            let _own = net.director.serve(protocol, 80);
            let empty = service(protocol, net.service(family, 80), "rr");
            balance(&net.director, &empty, []);
            let expected = match protocol {
                Sctp => Failure::Timeout,
                Tcp | Udp => Failure::Refused,
            };
            assert_eq!(
                failure(&net, protocol, family, 80, protocol == Sctp),
                expected,
                "{protocol}, {family:?}"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_service_whose_servers_all_have_weight_zero_refuses() {
    let net = talkative();
    for (protocol, family) in [(Tcp, V4), (Udp, V4), (Udp, V6)] {
        let _own = net.director.serve(protocol, 80);
        let _web = net.serve(protocol, 80);
        let web = service(protocol, net.service(family, 80), "rr");
        let servers = all(&net, family, 80, nat);
        let servers = servers.into_iter().map(|it| it.weight(Weight::ZERO));
        balance(&net.director, &web, servers);
        assert_eq!(
            failure(&net, protocol, family, 80, false),
            Failure::Refused,
            "{protocol}, {family:?}"
        );
    }
}

/// IPVS does not check whether a server listens: the answer of the server's stack is passed on.
///
/// Kernels differ about an error in IPv6: `handle_response_icmp` verifies its checksum without the
/// pseudo-header that is part of it (RFC 4443 section 2.3), and drops packets that no one has
/// vouched for. User-Mode Linux does so too; on Debian's kernels the client gets the error.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_that_does_not_listen_refuses_in_its_own_name() {
    let net = Lan::nat().real_servers(2).build();
    for family in Family::BOTH {
        for protocol in Protocol::ALL {
            let odd = (protocol, family) == (Udp, V6);
            let _half = net.real(1).serve(protocol, 80);
            let web = service(protocol, net.service(family, 80), "rr");
            balance(&net.director, &web, all(&net, family, 80, nat));
            let answers = net
                .client(1)
                .ask(protocol, net.service(family, 80))
                .patience(Duration::from_secs(if odd { 1 } else { 5 }))
                .times(4)
                .run()
                .to_string();
            let told = answers == "real1=2 refused=2";
            let dropped = odd && answers == "real1=2 timeout=2";
            assert!(told || dropped, "{protocol}, {family:?}: {answers}");
        }
    }
}

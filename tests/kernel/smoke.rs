//! The lab itself: every topology carries traffic, and the scheduler's spread arrives at the
//! client as the kernel's documentation says. Debian's `ipvsadm` configures the director, so a
//! failure here is the lab's and not the library's.

use crate::lab::{
    Family::{self, V4, V6},
    Lan,
    Protocol::{self, Sctp, Tcp, Udp},
    Server, eventually,
};

/// Twenty requests each from three servers.
const EVENLY: &str = "real1=20 real2=20 real3=20";

/// Asks 60 times through a round-robin service whose servers get `forward`.
fn spread(net: &Lan, protocol: Protocol, family: Family, forward: &str) -> String {
    let servers = net.serve(protocol, 80);
    net.balance(protocol, family, 80, "-s rr", forward);
    let answers = net
        .client(1)
        .ask(protocol, net.service(family, 80))
        .times(60)
        .run();
    let answered: usize = servers.iter().map(Server::answers).sum();
    assert_eq!(
        answered, 60,
        "requests that reached a server; the client saw {answers}"
    );
    answers.to_string()
}

/// The same, through a tunnel: the packets must have come out of `device` on the real server.
fn through(device: &str, family: Family, forward: &str) {
    let net = Lan::tun().build();
    assert_eq!(spread(&net, Tcp, family, forward), EVENLY, "{forward}");
    let packets = net.real(1).packets_into(device);
    assert!(
        packets >= 60,
        "{packets} packets came out of {device} for 20 connections: {forward}"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_spreads_tcp_evenly() {
    for family in Family::BOTH {
        assert_eq!(
            spread(&Lan::nat().build(), Tcp, family, "-m"),
            EVENLY,
            "{family:?}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_spreads_udp_evenly() {
    for family in Family::BOTH {
        assert_eq!(
            spread(&Lan::nat().build(), Udp, family, "-m"),
            EVENLY,
            "{family:?}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_spreads_sctp_evenly() {
    for family in Family::BOTH {
        assert_eq!(
            spread(&Lan::nat().build(), Sctp, family, "-m"),
            EVENLY,
            "{family:?}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn direct_routing_answers_past_the_director() {
    for family in Family::BOTH {
        let net = Lan::dr().build();
        assert_eq!(spread(&net, Tcp, family, "-g"), EVENLY, "{family:?}");
        // The kernel adds its counters up every two seconds (ip_vs_est.c).
        eventually("60 connections and no packet on the way back", || {
            let stats = net.director.run("ipvsadm -Ln --stats --exact");
            let row = stats.lines().find(|row| row.starts_with("TCP"))?;
            let numbers: Vec<&str> = row.split_whitespace().skip(2).collect();
            (numbers[0] == "60" && numbers[2] == "0").then_some(())
        });
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ipip_tunnels_carry_both_families() {
    through("ipip", V4, "-i");
    through("ip6tnl", V6, "-i");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_tunnels_carry_both_families() {
    through("ipip", V4, "-i --tun-type gue --tun-port 6080");
    // Without a checksum the receiver drops it: RFC 6935 allows that only where it is configured.
    through("ip6tnl", V6, "-i --tun-type gue --tun-port 6080 --tun-csum");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_tunnels_carry_both_families() {
    through("gre", V4, "-i --tun-type gre");
    through("ip6gre", V6, "-i --tun-type gre");
}

//! Firewall-mark services: all packets with a mark belong to one service.
//!
//! ```text
//!   VIP1:80 ─┐
//!   VIP1:443 ┼─ mark 7 ──► fwmark service ──► real servers
//!   VIP2:80 ─┘
//! ```

use super::{all, balance, dr, marked, nat};
use crate::lab::{
    Family::{self, V4},
    Lan,
    Protocol::{Sctp, Tcp, Udp},
};

const MARK: u32 = 7;

/// Marks packets to these ports of the first two virtual addresses.
fn mark_web(net: &Lan, family: Family, ports: &str) {
    for n in [0, 1] {
        let address = net.nth_service(family, n, 0).ip();
        let matches = format!("-d {address} -p tcp -m multiport --dports {ports}");
        net.director.mark(family, &matches, MARK);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn two_ports_and_two_addresses_are_one_service() {
    let net = Lan::dr().real_servers(3).virtual_addresses(2).build();
    let (_http, _https, _other) = (net.serve(Tcp, 80), net.serve(Tcp, 443), net.serve(Tcp, 81));
    for family in Family::BOTH {
        mark_web(&net, family, "80,443");
        let web = marked(family, MARK, "rr");
        balance(&net.director, &web, all(&net, family, 0, dr));
        // One round robin covers them all.
        let answered: Vec<String> = [(0, 80), (0, 443), (1, 80), (1, 443), (0, 80), (1, 443)]
            .into_iter()
            .flat_map(|(n, port)| {
                let at = net.nth_service(family, n, port);
                net.client(1).ask(Tcp, at).run().sequence()
            })
            .collect();
        let (first, second) = answered.split_at(3);
        assert_eq!(first, second, "{family:?}: the same three again");
        for real in ["real1", "real2", "real3"] {
            assert!(first.contains(&real.to_owned()), "{family:?}: {first:?}");
        }
        let unmarked = net.client(1).ask(Tcp, net.service(family, 81)).run();
        assert_eq!(unmarked.to_string(), "refused=1", "{family:?}: no mark");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_keeps_the_port_of_the_packet_if_the_server_names_none() {
    let net = Lan::nat().real_servers(2).virtual_addresses(2).build();
    let (_http, _https) = (net.serve(Tcp, 80), net.serve(Tcp, 443));
    for family in Family::BOTH {
        mark_web(&net, family, "80,443");
        let web = marked(family, MARK, "rr");
        balance(&net.director, &web, all(&net, family, 0, nat));
        for (n, port) in [(0, 80), (0, 443), (1, 80), (1, 443)] {
            let at = net.nth_service(family, n, port);
            let answers = net.client(1).ask(Tcp, at).times(4).run();
            assert_eq!(answers.to_string(), "real1=2 real2=2", "{at}");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_goes_to_the_port_that_the_server_names() {
    let net = Lan::nat().real_servers(2).virtual_addresses(2).build();
    // Nothing listens on 80 or 443.
    let _app = net.serve(Tcp, 8080);
    for family in Family::BOTH {
        mark_web(&net, family, "80,443");
        let web = marked(family, MARK, "rr");
        balance(&net.director, &web, all(&net, family, 8080, nat));
        for (n, port) in [(0, 80), (0, 443), (1, 80), (1, 443)] {
            let at = net.nth_service(family, n, port);
            let answers = net.client(1).ask(Tcp, at).times(4).run();
            assert_eq!(answers.to_string(), "real1=2 real2=2", "{at}");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn one_mark_takes_every_protocol() {
    let net = Lan::nat().real_servers(2).build();
    let matches = format!("-d {}", net.virtual_address(V4));
    net.director.mark(V4, &matches, MARK);
    balance(
        &net.director,
        &marked(V4, MARK, "rr"),
        all(&net, V4, 0, nat),
    );
    for protocol in [Tcp, Udp, Sctp] {
        let _serving = net.serve(protocol, 5000);
        let at = net.service(V4, 5000);
        let answers = net.client(1).ask(protocol, at).times(4).run();
        assert_eq!(answers.to_string(), "real1=2 real2=2", "{protocol}");
    }
}

//! The three forwarding methods with the three protocols and both families.
//!
//! ```text
//!            there                          back                 port      address
//!   NAT      director, address rewritten    through director     any       any
//!   DR       director, MAC rewritten        past the director    same      VIP on lo
//!   TUN      director, IP around IP         past the director    same      VIP on lo
//! ```

use std::net::SocketAddr;

use ipvs::{ForwardMethod, Server};

use super::{all, balance, counted, dr, nat, servers, service, tun};
use crate::lab::{
    Family::{self, V4},
    Lan,
    Protocol::{self, Tcp},
};

/// Balances each protocol and family over two real servers that listen on `port`; the services are
/// on port 80. Returns the number of answer packets that the director saw, by service.
fn spread(net: &Lan, port: u16, method: fn(SocketAddr) -> Server) -> Vec<usize> {
    let mut wire = net.director.tap();
    let mut back = Vec::new();
    for protocol in Protocol::ALL {
        let _serving = net.serve(protocol, port);
        for family in Family::BOTH {
            let web = service(protocol, net.service(family, 80), "rr");
            balance(&net.director, &web, all(net, family, port, method));
            let answers = net
                .client(1)
                .ask(protocol, net.service(family, 80))
                .times(10)
                .run();
            assert_eq!(
                answers.to_string(),
                "real1=5 real2=5",
                "{protocol}, {family:?}"
            );
            let mut packets = wire.packets_to(net.client(1).address(family));
            // Ignores the hosts' address resolution.
            let number = web.key.protocol().map(ipvs::Protocol::number);
            packets.retain(|packet| number == Some(packet.protocol.into()));
            back.push(packets.len());
        }
    }
    back
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn nat_maps_the_port_and_sees_both_directions() {
    let net = Lan::nat().real_servers(2).build();
    let back = spread(&net, 8080, nat);
    assert!(back.iter().all(|packets| *packets >= 10), "{back:?}");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn direct_routing_sees_one_direction() {
    let net = Lan::dr().real_servers(2).build();
    assert_eq!(spread(&net, 80, dr), [0; 6], "packets back");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn tunnels_see_one_direction() {
    let net = Lan::tun().real_servers(2).build();
    assert_eq!(spread(&net, 80, tun), [0; 6], "packets back");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn counters_count_what_the_director_sees() {
    let methods = [
        (Lan::nat(), nat as fn(SocketAddr) -> Server),
        (Lan::dr(), dr),
        (Lan::tun(), tun),
    ];
    let asked = methods.map(|(net, method)| {
        let net = net.real_servers(2).build();
        let _web = net.serve(Tcp, 80);
        let web = service(Tcp, net.service(V4, 80), "rr");
        balance(&net.director, &web, all(&net, V4, 80, method));
        let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(10).run();
        assert_eq!(answers.to_string(), "real1=5 real2=5");
        (net, web)
    });
    let [nat, dr, tun] = asked.map(|(net, web)| counted(&net.director, &web, 10));
    for total in [nat, dr, tun] {
        // SYN, ACK and the request of each.
        assert!(total.packets_in >= 30, "{total:?}");
        assert!(total.bytes_in >= 30 * 40, "{total:?}");
    }
    assert!(nat.packets_out >= 20 && nat.bytes_out >= 20 * 40, "{nat:?}");
    assert_eq!((dr.packets_out, dr.bytes_out), (0, 0));
    assert_eq!((tun.packets_out, tun.bytes_out), (0, 0));
}

/// The port in a server's entry is only a part of its name.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn direct_routing_and_tunnels_keep_the_port_of_the_service() {
    for (net, method) in [
        (Lan::dr(), dr as fn(SocketAddr) -> Server),
        (Lan::tun(), tun),
    ] {
        let net = net.real_servers(1).build();
        let _web = net.serve(Tcp, 80);
        let web = service(Tcp, net.service(V4, 80), "rr");
        balance(&net.director, &web, all(&net, V4, 8080, method));
        assert_eq!(
            servers(&net.director, &web)[0].server.key.port,
            8080,
            "the kernel keeps what it was told"
        );
        let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(4).run();
        assert_eq!(answers.to_string(), "real1=4");
    }
}

/// A server with one of the director's own addresses is the director itself, whatever forwarding
/// method was requested, which the table still shows: packets go up its own stack.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_directors_own_address_is_served_locally() {
    let net = Lan::dr().real_servers(1).build();
    let _far = net.real(1).serve(Tcp, 80);
    let _near = net.director.serve(Tcp, 80);
    for family in Family::BOTH {
        let web = service(Tcp, net.service(family, 80), "rr");
        let own = SocketAddr::new(net.director.address(family), 80);
        let far = net.server(family, 1, 80);
        balance(&net.director, &web, [dr(own), dr(far)]);
        let answers = net
            .client(1)
            .ask(Tcp, net.service(family, 80))
            .times(6)
            .run();
        assert_eq!(answers.to_string(), "director=3 real1=3", "{family:?}");
        for entry in servers(&net.director, &web) {
            assert_eq!(
                entry.server.forward,
                ForwardMethod::DirectRoute,
                "{family:?}"
            );
        }
    }
}

//! Persistence: a client stays with its real server.
//!
//! ```text
//!   client ── first connection ──► scheduler ──► real2      template: client & mask -> real2
//!   client ── any later one ─────► template  ──► real2      while it lives
//! ```
//!
//! Entries of the connection table with port 0 on the client's side are the templates.

use std::{net::IpAddr, thread, time::Duration};

use ipvs::{Netmask, Server as RealServer, Service, Timeouts};

use super::{all, balance, dr, marked, nat, service, tables, templates};
use crate::lab::{
    Answers,
    Family::{self, V4, V6},
    Lan,
    Protocol::{self, Tcp, Udp},
    eventually,
};

/// Round robin, so that only persistence can keep a client anywhere.
fn persistent(net: &Lan, protocol: Protocol, family: Family, port: u16) -> Service {
    service(protocol, net.service(family, port), "rr").persistent(60)
}

/// The only server in these answers.
#[track_caller]
fn one(answers: &Answers) -> String {
    let counts = answers.counts();
    assert!(
        counts.len() == 1 && answers.failures().is_empty(),
        "one server and no other: {answers}"
    );
    counts.into_keys().next().unwrap_or_default().to_owned()
}

/// The servers of these addresses of a client, each asked three times.
fn homes(net: &Lan, client: usize, service: std::net::SocketAddr, from: &[IpAddr]) -> Vec<String> {
    let ask = net.client(client).ask(Tcp, service).times(3);
    from.iter()
        .map(|address| one(&ask.clone().from([*address]).run()))
        .collect()
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_stays_with_its_server() {
    let net = Lan::nat().clients(3).build();
    for protocol in Protocol::ALL {
        let _serving = net.serve(protocol, 80);
        for family in Family::BOTH {
            let web = persistent(&net, protocol, family, 80);
            balance(&net.director, &web, all(&net, family, 80, nat));
            let ask = |client| {
                let at = net.service(family, 80);
                one(&net.client(client).ask(protocol, at).times(4).run())
            };
            let mut homes = [ask(1), ask(2), ask(3)];
            assert_eq!(homes, [ask(1), ask(2), ask(3)], "{protocol}, {family:?}");
            homes.sort();
            assert_eq!(
                homes,
                ["real1", "real2", "real3"],
                "{protocol}, {family:?}: new clients are scheduled"
            );
        }
    }
}

/// A service on port 0 accepts every port, and has one template for all of them.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn port_zero_is_every_port_and_one_server() {
    let net = Lan::dr().clients(2).build();
    let _serving = [80, 443, 8080].map(|port| net.serve(Tcp, port));
    for family in Family::BOTH {
        let any = persistent(&net, Tcp, family, 0);
        balance(&net.director, &any, all(&net, family, 0, dr));
        let ask = |client, port| {
            let at = net.service(family, port);
            one(&net.client(client).ask(Tcp, at).times(2).run())
        };
        let homes = [1, 2].map(|client| {
            let home = ask(client, 80);
            assert_eq!(home, ask(client, 443), "{family:?}");
            assert_eq!(home, ask(client, 8080), "{family:?}");
            home
        });
        assert_ne!(homes[0], homes[1], "{family:?}: two clients, round robin");
    }
}

/// The contrast: services on two ports are independent.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn each_port_has_its_own_persistence() {
    let net = Lan::dr().clients(2).real_servers(2).build();
    let _serving = [80, 443].map(|port| net.serve(Tcp, port));
    for port in [80, 443] {
        let web = persistent(&net, Tcp, V4, port);
        balance(&net.director, &web, all(&net, V4, port, dr));
    }
    let ask = |client, port| {
        let at = net.service(V4, port);
        one(&net.client(client).ask(Tcp, at).times(2).run())
    };
    // The clients come in a different order on each port.
    let http = [ask(1, 80), ask(2, 80)];
    let https = [ask(2, 443), ask(1, 443)];
    assert_eq!(http, https, "the first comer gets the first server");
}

/// What each of a client's addresses gets on 80 and on 443, under a scheduler without persistence.
fn homes_on_two_ports(net: &Lan, family: Family, scheduler: &str) -> [Vec<String>; 2] {
    [80, 443].map(|port| {
        let web = service(Tcp, net.service(family, port), scheduler);
        balance(&net.director, &web, all(net, family, port, dr));
        let addresses = net.client(1).addresses(family);
        homes(net, 1, net.service(family, port), &addresses)
    })
}

/// `mh` hashes the servers with their ports (`ip_vs_mh_permutate`); `sh` only knows their order. So
/// `director check` warns of several ports under the first, and not under the second.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_source_hash_joins_two_ports_and_a_maglev_hash_does_not() {
    for (scheduler, joins) in [("sh", true), ("mh", false)] {
        let net = Lan::dr().addresses(20).build();
        let _serving = [80, 443].map(|port| net.serve(Tcp, port));
        for family in Family::BOTH {
            let [http, https] = homes_on_two_ports(&net, family, scheduler);
            assert_eq!(
                http == https,
                joins,
                "{scheduler}, {family:?}: {http:?}, {https:?}"
            );
            let servers: std::collections::BTreeSet<_> = http.iter().collect();
            assert!(
                servers.len() > 1,
                "{scheduler}, {family:?}: they are spread"
            );
        }
    }
}

/// The template of a marked service has no port: one for all that the mark joins.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_mark_with_persistence_joins_two_ports() {
    let net = Lan::dr().addresses(6).build();
    let _serving = [80, 443].map(|port| net.serve(Tcp, port));
    for family in Family::BOTH {
        let matches = format!(
            "-d {} -p tcp -m multiport --dports 80,443",
            net.virtual_address(family)
        );
        net.director.mark(family, &matches, 80);
        let web = marked(family, 80, "rr").persistent(60);
        balance(&net.director, &web, all(&net, family, 0, dr));
        let addresses = net.client(1).addresses(family);
        let [http, https] =
            [80, 443].map(|port| homes(&net, 1, net.service(family, port), &addresses));
        assert_eq!(http, https, "{family:?}");
        let servers: std::collections::BTreeSet<_> = http.iter().collect();
        assert_eq!(servers.len(), 3, "{family:?}: {http:?}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_under_one_mask_share_a_server() {
    let net = Lan::nat().clients(3).addresses(3).build();
    let _web = net.serve(Tcp, 80);
    let masked = persistent(&net, Tcp, V4, 80).netmask(Netmask::V4([255, 255, 255, 0].into()));
    balance(&net.director, &masked, all(&net, V4, 80, nat));
    // Client i has 10.1.i.1 to 10.1.i.3.
    let mut networks = [1, 2, 3].map(|client| {
        let from = net.client(client).addresses(V4);
        let mut homes = homes(&net, client, net.service(V4, 80), &from);
        homes.dedup();
        assert_eq!(homes.len(), 1, "10.1.{client}.0/24: {homes:?}");
        homes.remove(0)
    });
    networks.sort();
    assert_eq!(networks, ["real1", "real2", "real3"], "each /24 its own");
    let known: Vec<String> = templates(&net.director)
        .iter()
        .map(|template| template.client.ip().to_string())
        .collect();
    assert_eq!(known, ["10.1.1.0", "10.1.2.0", "10.1.3.0"]);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn ipv6_clients_under_one_prefix_share_a_server() {
    let net = Lan::nat().clients(2).real_servers(3).build();
    let _web = net.serve(Tcp, 80);
    let masked = persistent(&net, Tcp, V6, 80).netmask(Netmask::V6(64));
    balance(&net.director, &masked, all(&net, V6, 80, nat));
    // Besides fd00:1::/64, which they share, each client has a network of its own.
    let mut networks = vec![(1, vec![net.client(1).address(V6)])];
    networks[0].1.push(net.client(1).address(V6));
    for client in [1, 2] {
        let own = [1, 2].map(|host| format!("fd00:{client}0::{host}"));
        for address in &own {
            let line = format!("addr add {address}/64 dev eth0 nodad\n");
            net.client(client).ip(&line);
        }
        net.director
            .ip(&format!("route add fd00:{client}0::/64 dev eth0\n"));
        let own = own.map(|address| address.parse().expect("an address"));
        networks.push((client, own.to_vec()));
    }
    let mut chosen: Vec<String> = networks
        .into_iter()
        .map(|(client, from)| {
            let mut homes = homes(&net, client, net.service(V6, 80), &from);
            homes.dedup();
            assert_eq!(homes.len(), 1, "{from:?}: {homes:?}");
            homes.remove(0)
        })
        .collect();
    let common = chosen[0].clone();
    let neighbour = homes(&net, 2, net.service(V6, 80), &[net.client(2).address(V6)]);
    assert_eq!(neighbour, [common], "both clients have fd00:1::/64");
    chosen.sort();
    assert_eq!(chosen, ["real1", "real2", "real3"], "each /64 its own");
    let known: Vec<String> = templates(&net.director)
        .iter()
        .map(|template| template.client.ip().to_string())
        .collect();
    assert_eq!(known, ["fd00:1::", "fd00:10::", "fd00:20::"]);
}

/// Clients with the same last byte share a server, whatever the third byte is.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_mask_may_have_holes() {
    let net = Lan::nat().clients(2).addresses(3).build();
    let _web = net.serve(Tcp, 80);
    let masked = persistent(&net, Tcp, V4, 80).netmask(Netmask::V4([255, 255, 0, 255].into()));
    balance(&net.director, &masked, all(&net, V4, 80, nat));
    let [first, second] = [1, 2].map(|client| {
        let from = net.client(client).addresses(V4);
        homes(&net, client, net.service(V4, 80), &from)
    });
    assert_eq!(first, second, "10.1.1.k and 10.1.2.k");
    let mut different = first;
    different.sort();
    assert_eq!(different, ["real1", "real2", "real3"]);
    let known: Vec<String> = templates(&net.director)
        .iter()
        .map(|template| template.client.ip().to_string())
        .collect();
    assert_eq!(known, ["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
}

/// One mark over two ports: for a shop with http and https.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_mark_keeps_a_client_over_ports_and_addresses() {
    let net = Lan::nat().clients(2).virtual_addresses(2).build();
    let _serving = [80, 443].map(|port| net.serve(Tcp, port));
    for family in Family::BOTH {
        for n in [0, 1] {
            let address = net.nth_service(family, n, 0).ip();
            let matches = format!("-d {address} -p tcp -m multiport --dports 80,443");
            net.director.mark(family, &matches, 7);
        }
        let shop = marked(family, 7, "rr").persistent(60);
        balance(&net.director, &shop, all(&net, family, 0, nat));
        let homes = [1, 2].map(|client| {
            let mut homes: Vec<String> = [(0, 80), (0, 443), (1, 80), (1, 443)]
                .into_iter()
                .map(|(n, port)| {
                    let at = net.nth_service(family, n, port);
                    one(&net.client(client).ask(Tcp, at).times(2).run())
                })
                .collect();
            homes.dedup();
            assert_eq!(homes.len(), 1, "{family:?}: {homes:?}");
            homes.remove(0)
        });
        assert_ne!(homes[0], homes[1], "{family:?}: two clients, round robin");
    }
    // The mark is in the place of an address.
    let v4 = templates(&net.director)
        .into_iter()
        .find(|template| template.client.is_ipv4())
        .expect("the IPv4 clients have templates");
    assert!(v4.protocol == "IP", "{v4:?}");
    assert_eq!(v4.virtual_service.ip(), IpAddr::from([0, 0, 0, 7]));
}

/// A network that forgets UDP flows after `udp` seconds, and whose clients stay for one second.
fn short(udp: u32) -> (Lan, Vec<RealServer>) {
    let net = Lan::nat().build();
    let limits = Timeouts {
        udp,
        ..Timeouts::default()
    };
    tables(&net.director)
        .set_timeouts(&limits)
        .expect("time limits can be set");
    let dns = service(Udp, net.service(V4, 53), "rr").persistent(1);
    let servers = all(&net, V4, 53, nat);
    balance(&net.director, &dns, servers.clone());
    (net, servers)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_without_connections_is_forgotten_after_the_timeout() {
    let (net, _) = short(1);
    let _serving = net.serve(Udp, 53);
    let ask = net.client(1).ask(Udp, net.service(V4, 53));
    let first = one(&ask.run());
    eventually("the template is gone", || {
        templates(&net.director).is_empty().then_some(())
    });
    let second = one(&ask.run());
    assert_ne!(first, second, "round robin goes on");
}

/// A template that expires while its client has a connection stays for at least a minute:
/// `ip_vs_conn_expire` gives it 60 more seconds, whatever the timeout of the service is.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_with_a_connection_is_remembered_longer() {
    let (net, _) = short(300);
    let _serving = net.serve(Udp, 53);
    let mut held = net
        .client(1)
        .connect(Udp, net.service(V4, 53))
        .expect("a socket");
    let home = held.ask().expect("an answer");
    let extended = eventually("the template expires and stays", || {
        let template = templates(&net.director).pop().expect("it never goes");
        (template.expires > Duration::from_secs(1)).then_some(template)
    });
    assert!(
        extended.expires <= Duration::from_secs(60),
        "a minute: {extended:?}"
    );
    // Longer than the timeout, once more.
    thread::sleep(Duration::from_millis(1200));
    let ask = net.client(1).ask(Udp, net.service(V4, 53)).times(4);
    assert_eq!(one(&ask.run()), home, "its new connections too");
}

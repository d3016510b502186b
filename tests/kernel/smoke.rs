//! The lab itself: every topology carries traffic, and the scheduler's spread arrives at the client
//! as documented by the kernel. Debian's `ipvsadm` configures the director, so a failure here is
//! the lab's and not the library's.

use std::net::SocketAddr;

use crate::lab::{
    Failure,
    Family::{self, V4, V6},
    Lan,
    Protocol::{self, Sctp, Tcp, Udp},
    Server, eventually,
};

/// Twenty requests each from three servers.
const EVENLY: &str = "real1=20 real2=20 real3=20";

/// Sends 60 requests through a round-robin service whose servers get `forward`.
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

/// The same through a tunnel: the packets must have come out of `device` on the real server.
fn through(net: &Lan, device: &str, family: Family, forward: &str) {
    assert_eq!(spread(net, Tcp, family, forward), EVENLY, "{forward}");
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
    through(&Lan::tun().build(), "ipip", V4, "-i");
    through(&Lan::tun().build(), "ip6tnl", V6, "-i");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gue_tunnels_carry_both_families() {
    through(
        &Lan::tun().build(),
        "ipip",
        V4,
        "-i --tun-type gue --tun-port 6080",
    );
    through(
        &Lan::tun().build(),
        "ip6tnl",
        V6,
        "-i --tun-type gue --tun-port 6080",
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn gre_tunnels_carry_both_families() {
    through(&Lan::tun().build(), "gre", V4, "-i --tun-type gre");
    through(&Lan::tun().build(), "ip6gre", V6, "-i --tun-type gre");

    let net = Lan::tun().gre_checksum().build();
    through(&net, "gre", V4, "-i --tun-type gre --tun-csum");
    through(&net, "ip6gre", V6, "-i --tun-type gre --tun-csum");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn tunnels_carry_one_family_in_the_other() {
    for (family, other, device) in [(V4, V6, "ip6tnl"), (V6, V4, "sit")] {
        let net = Lan::tun().real_servers(1).build();
        let _web = net.serve(Tcp, 80);
        let (service, server) = (net.service(family, 80), net.server(other, 1, 80));
        net.director.ipvsadm(&format!(
            "-A -t {service} -s rr\n-a -t {service} -r {server} -i\n"
        ));
        let answers = net.client(1).ask(Tcp, service).times(5).run();
        assert_eq!(answers.to_string(), "real1=5", "{family:?} in {other:?}");
        assert!(
            net.real(1).packets_into(device) >= 15,
            "{family:?} came out of {device}"
        );
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn marked_packets_reach_a_firewall_mark_service() {
    let net = Lan::nat().real_servers(2).build();
    let (_web, _tls) = (net.serve(Tcp, 80), net.serve(Tcp, 443));
    for (family, mark) in [(V4, "-f 7"), (V6, "-f 7 -6")] {
        let both = format!(
            "-d {} -p tcp -m multiport --dports 80,443",
            net.virtual_address(family)
        );
        net.director.mark(family, &both, 7);
        net.director.ipvsadm(&format!("-A {mark} -s rr\n"));
        for real in net.reals() {
            let server = SocketAddr::new(real.address(family), 0);
            net.director.ipvsadm(&format!("-a {mark} -r {server} -m\n"));
        }
        for port in [80, 443] {
            let answers = net
                .client(1)
                .ask(Tcp, net.service(family, port))
                .times(10)
                .run();
            assert_eq!(
                answers.to_string(),
                "real1=5 real2=5",
                "{family:?}, port {port}"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_ask_from_all_their_addresses() {
    let net = Lan::nat().clients(2).addresses(3).real_servers(2).build();
    let _web = net.serve(Tcp, 80);
    net.balance(Tcp, V4, 80, "-s rr -p 60", "-m");
    for number in [1, 2] {
        let client = net.client(number);
        let ask = client
            .ask(Tcp, net.service(V4, 80))
            .from(client.addresses(V4))
            .times(9);
        let answers = ask.run();
        let by_source = answers.by_source();
        assert_eq!(by_source.len(), 3, "source addresses of client {number}");
        for (source, servers) in by_source {
            assert_eq!(
                servers.values().collect::<Vec<_>>(),
                [&3],
                "{source} stays with one server"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn backup_takes_over_with_the_connections_of_the_master() {
    let net = Lan::dr().backup().build();
    let _web = net.serve(Tcp, 80);
    // Both have the services: a director without services ignores packets.
    for director in [&net.director, net.backup()] {
        director.ipvsadm(&net.balanced(Tcp, V4, 80, "-s rr", "-g"));
    }
    net.director.sysctl("net.ipv4.vs.sync_threshold", "1 2");
    net.director
        .run("ipvsadm --start-daemon master --mcast-interface eth0 --syncid 3");
    net.backup()
        .run("ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 3");
    let mut held = net
        .client(1)
        .connect(Tcp, net.service(V4, 80))
        .expect("the master forwards");
    let server = held.ask().expect("the server answers");
    eventually("the connection on the backup", || {
        held.ask().expect("the connection lives");
        let table = net.backup().proc_net("ip_vs_conn").ok()?;
        table.contains("ESTABLISHED").then_some(())
    });
    net.move_virtual_addresses();
    assert_eq!(
        held.ask(),
        Ok(server),
        "the backup forwards it to the same server"
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn failures_have_names() {
    let net = Lan::nat().real_servers(1).build();
    let ask = |port| {
        net.client(1)
            .ask(Tcp, net.service(V4, port))
            .run()
            .0
            .remove(0)
            .by
    };
    assert_eq!(ask(81), Err(Failure::Refused), "nobody listens");
    net.director.ipvsadm("-A -t 10.1.0.100:80 -s rr\n");
    assert_eq!(ask(80), Err(Failure::Refused), "a service without a server");

    let web = net.serve(Tcp, 80);
    net.director
        .ipvsadm("-a -t 10.1.0.100:80 -r 10.2.0.11:80 -m\n");
    let mut held = net
        .client(1)
        .connect(Tcp, net.service(V4, 80))
        .expect("a connection");
    assert_eq!(held.ask(), Ok("real1".to_owned()));
    drop(web);
    // Which of the two depends on whether the answer arrives before the end of the connection is
    // noticed.
    let gone = held.ask().expect_err("the server went away");
    assert!(matches!(gone, Failure::Closed | Failure::Reset), "{gone:?}");
}

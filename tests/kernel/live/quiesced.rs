//! Weight 0: who still gets there, and how a server empties.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

use ipvs::{ForwardMethod, Server, ServerKey, Service, Timeouts};

use crate::{
    lab::{Lan, Protocol, Tcp, Udp, V4, V6, eventually},
    rig::{Rig, name, real, service},
};

const NODEST: &str = "net.ipv4.vs.expire_nodest_conn";
const REUSE: &str = "net.ipv4.vs.conn_reuse_mode";
const QUIESCENT: &str = "net.ipv4.vs.expire_quiescent_template";

/// The number in `real2`.
fn number(name: &str) -> usize {
    name.trim_start_matches("real").parse().unwrap()
}

/// Waits for a server's active and inactive connections.
#[track_caller]
fn settles(rig: &mut Rig, service: &Service, number: usize, load: (u32, u32)) {
    let what = format!("active and inactive connections of real{number} are {load:?}");
    eventually(&what, || (rig.load(service, number) == load).then_some(()));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn persistent_clients_come_back_to_weight_0_unless_templates_of_the_quiesced_expire() {
    let net = Lan::nat().addresses(2).build();
    let mut rig = Rig::new(net, ForwardMethod::Masquerade);
    for family in [V4, V6] {
        rig.net.director.sysctl(QUIESCENT, "0");
        let web = rig.balance(Tcp, family, "rr", &[1, 1, 1]).persistent(300);
        rig.ipvs.update_service(&web).unwrap();
        let by = rig.ask(&web).run().sequence().remove(0);
        rig.weigh(&web, number(&by), 0);
        assert_eq!(rig.ask(&web).times(4).run().by(&by), 4, "{family:?}");
        assert_eq!(rig.look(&web, number(&by)).persistent, 1);
        // A client without a template does not get there.
        let stranger = rig.net.client(1).addresses(family)[1];
        let others = rig.ask(&web).from([stranger]).times(4).run();
        assert_eq!(others.by(&by), 0, "{others}");

        rig.net.director.sysctl(QUIESCENT, "1");
        let moved = rig.ask(&web).times(4).run();
        assert_eq!((moved.by(&by), moved.counts().len()), (0, 1), "{moved}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_udp_port_comes_back_to_weight_0_whatever_the_sysctls_say() {
    let mut rig = Rig::nat();
    let dns = rig.balance(Udp, V4, "rr", &[1, 1, 1]);
    let port = 20_053;
    let by = rig.ask(&dns).port(port).run().sequence().remove(0);
    rig.weigh(&dns, number(&by), 0);
    for nodest in ["0", "1"] {
        rig.net.director.sysctl(NODEST, nodest);
        // New sockets with the old port.
        let same = rig.ask(&dns).port(port).times(3).run();
        assert_eq!(same.by(&by), 3, "{NODEST}={nodest}: {same}");
        let others = rig.ask(&dns).times(4).run();
        assert_eq!(others.by(&by), 0, "{others}");
    }
}

/// Under direct routing the director does not see the server's FIN: the entry stays in `FIN_WAIT`,
/// and a new connection from the same port counts as part of the old one.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_reused_tcp_port_comes_back_to_weight_0_unless_told_otherwise() {
    let mut rig = Rig::dr();
    // The client would remember its closed connections for a minute and not use their ports.
    let client = rig.net.client(1);
    client.sysctl("net.ipv4.tcp_max_tw_buckets", "0");
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let mut port = 20_080;
    for (nodest, reuse, back) in [
        ("0", "0", true),
        // The kernel's defaults.
        ("0", "1", true),
        // Bit 1 of conn_reuse_mode is about FIN_WAIT (is_new_conn_expected).
        ("0", "2", false),
        ("0", "3", false),
        // A SYN for a server of weight 0 is always a new connection.
        ("1", "0", false),
        ("1", "1", false),
    ] {
        rig.net
            .director
            .sysctls(&[(NODEST, nodest), (REUSE, reuse)]);
        port += 1;
        let by = rig.ask(&web).port(port).run().sequence().remove(0);
        eventually("the entry is in FIN_WAIT", || {
            let entries = rig.connections();
            let entry = entries.iter().find(|entry| entry.client.port() == port)?;
            (entry.state == "FIN_WAIT").then_some(())
        });
        rig.weigh(&web, number(&by), 0);
        // Its own side of the first connection may take a moment to disappear.
        let again = eventually("the client's port is free", || {
            let again = rig.ask(&web).port(port).run();
            (!again.to_string().contains("os error 99")).then_some(again)
        });
        assert_eq!(again.failures().len(), 0, "{again}");
        let what = format!("{NODEST}={nodest} {REUSE}={reuse}: {by}, then {again}");
        assert_eq!(again.by(&by) == 1, back, "{what}");
        rig.weigh(&web, number(&by), 1);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn inactive_connections_are_udp_flows_and_closed_ones_for_two_minutes() {
    let one = |rig: &mut Rig, protocol: Protocol| {
        let service = rig.balance(protocol, V4, "rr", &[1]);
        let mut open = rig.connect(&service);
        assert_eq!(open.ask(), Ok(real(1)));
        (service, open)
    };
    // Both ends close, one after the other, and either makes the connection inactive.
    let becomes = |rig: &Rig, state: &str| {
        eventually(&format!("the TCP entry is in {state}"), || {
            let entries = rig.connections();
            let entry = entries.iter().find(|entry| entry.protocol == "TCP")?;
            (entry.state == *state).then_some(())
        });
    };
    let mut rig = Rig::nat();
    let (dns, _flow) = one(&mut rig, Udp);
    assert_eq!(rig.load(&dns, 1), (0, 1), "a UDP flow");
    let (web, open) = one(&mut rig, Tcp);
    assert_eq!(rig.load(&web, 1), (1, 0), "an established connection");
    drop(open);
    settles(&mut rig, &web, 1, (0, 1));
    becomes(&rig, "TIME_WAIT");

    let mut rig = Rig::dr();
    let (web, open) = one(&mut rig, Tcp);
    assert_eq!(rig.load(&web, 1), (1, 0));
    drop(open);
    settles(&mut rig, &web, 1, (0, 1));
    becomes(&rig, "FIN_WAIT");
    let entry = rig.connections().remove(0);
    assert!((100..=120).contains(&entry.expires.as_secs()), "{entry:?}");
}

/// A half-closed connection may carry an answer for hours: no active connections does not mean that
/// the server is unused.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_half_closed_connection_is_inactive_and_carries_data() {
    let mut rig = Rig::nat();
    let web = service(Tcp, rig.net.service(V4, 81), "rr");
    let at = rig.net.server(V4, 1, 81);
    let key = ServerKey::new(at.ip(), at.port());
    let server = Server::new(key, ForwardMethod::Masquerade);
    rig.ipvs.add_service(&web).unwrap();
    rig.ipvs.add_server(&web.key, &server).unwrap();
    let listener = rig.net.real(1).enter(|| TcpListener::bind(at)).unwrap();
    let open = rig.connect(&web);
    let (mut served, _) = listener.accept().unwrap();
    open.half_close().unwrap();
    served
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(served.read(&mut [0; 8]).unwrap(), 0, "the client's FIN");
    let entry = rig.connections().remove(0);
    assert_eq!(entry.state, name("CLOSE_WAIT"));
    let counted = rig.ipvs.servers(&web.key).unwrap().remove(0);
    assert_eq!((counted.active, counted.inactive), (0, 1));
    served.write_all(b"late answer\n").unwrap();
    let mut answer = [0; 12];
    open.socket().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"late answer\n");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_drained_server_serves_its_connections_to_the_end_and_runs_empty() {
    let mut rig = Rig::dr();
    rig.ipvs
        .set_timeouts(&Timeouts {
            tcp: 0,
            tcp_fin: 1,
            udp: 1,
        })
        .unwrap();
    let web = rig.balance(Tcp, V4, "wlc", &[1, 1, 1]);
    let dns = rig.balance(Udp, V4, "wlc", &[1, 1, 1]);
    let (mut open, reached) = rig.hold(&web, 3);
    let place = reached.iter().position(|name| name == "real2").unwrap();
    let mut long = open.remove(place);
    let mut flow = rig.ask(&dns).connect().unwrap();
    let flowing = number(&flow.ask().unwrap());

    rig.weigh(&web, 2, 0);
    rig.weigh(&dns, flowing, 0);
    for _ in 0..3 {
        assert_eq!(long.ask(), Ok(real(2)));
        assert_eq!(rig.ask(&web).times(4).run().by("real2"), 0);
    }
    assert_eq!(rig.load(&web, 2).0, 1, "it is in use");
    drop(long);
    settles(&mut rig, &web, 2, (0, 0));
    settles(&mut rig, &dns, flowing, (0, 0));
    // Now its deletion does no harm.
    rig.remove(&web, 2);
    let mut left = open.iter_mut().map(|connection| connection.ask().unwrap());
    assert!(left.all(|name| name != "real2"));
}

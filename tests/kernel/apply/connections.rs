//! Connections that survive an `apply`, and those that end by design.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use director::state::{Desired, DesiredServer, DesiredService, Sysctl};
use ipvs::{
    Client, ForwardMethod, Name, Netmask, Server, ServerKey, Service, ServiceFlags, ServiceKey,
    Weight,
};

use super::State;
use crate::lab::{Connection, Lan, Protocol, Tcp, Udp, V4, eventually};

const DRAIN: Duration = Duration::from_secs(60);

/// The declared farm: servers by number and weight.
fn declare(net: &Lan, service: Service, servers: &[(usize, u32)], drain: Duration) -> Desired {
    let mut declared = DesiredService {
        name: "web".into(),
        service,
        servers: Default::default(),
        drain,
        dead: Vec::new(),
        allow: Default::default(),
    };
    for (number, weight) in servers {
        let at = net.server(V4, *number, 80);
        let server = Server::new(
            ServerKey::new(at.ip(), at.port()),
            ForwardMethod::Masquerade,
        )
        .weight(Weight::new(*weight).unwrap());
        let name = Some(format!("real{number}").into());
        declared
            .servers
            .insert(server.key, DesiredServer { name, server });
    }
    let mut desired = Desired::default();
    desired.services.insert(service.key, declared.into());
    desired
}

fn web(net: &Lan, protocol: Protocol) -> ServiceKey {
    let at = net.service(V4, 80);
    if protocol == Udp {
        ServiceKey::udp(at.ip(), at.port())
    } else {
        ServiceKey::tcp(at.ip(), at.port())
    }
}

fn farm() -> (Lan, State) {
    let net = Lan::nat().real_servers(3).build();
    let state = net.director.enter(State::new);
    (net, state)
}

fn apply(net: &Lan, state: &State, desired: &Desired) {
    net.director
        .enter(|| state.apply(desired).map(|_| ()))
        .unwrap();
}

/// An open connection to this server.
fn connection_to(net: &Lan, protocol: Protocol, name: &str) -> Connection {
    for _ in 0..40 {
        let mut connection = net
            .client(1)
            .connect(protocol, net.service(V4, 80))
            .unwrap();
        if connection.ask().unwrap() == name {
            return connection;
        }
    }
    panic!("{name} was not chosen in 40 connections");
}

/// The server's weight in the kernel; `None` if it is gone.
fn weight(net: &Lan, key: &ServiceKey, number: usize) -> Option<u32> {
    let at = net.server(V4, number, 80);
    let servers = net
        .director
        .enter(|| Client::connect().unwrap().servers(key))
        .unwrap();
    let entry = servers
        .into_iter()
        .find(|entry| entry.server.key == ServerKey::new(at.ip(), 80))?;
    Some(entry.server.weight.get())
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_long_connection_lives_through_changes_around_it() {
    let (net, state) = farm();
    let _web = net.serve(Tcp, 80);
    let service = Service::new(web(&net, Tcp), Service::RR);
    apply(
        &net,
        &state,
        &declare(&net, service, &[(1, 1), (2, 1)], DRAIN),
    );
    let mut connection = connection_to(&net, Tcp, "real1");
    let wlc = Service::new(service.key, Service::WLC);
    let changes = [
        ("weight", declare(&net, service, &[(1, 7), (2, 1)], DRAIN)),
        ("scheduler", declare(&net, wlc, &[(1, 7), (2, 1)], DRAIN)),
        (
            "persistence",
            declare(&net, wlc.persistent(60), &[(1, 7), (2, 1)], DRAIN),
        ),
        (
            "mask",
            declare(
                &net,
                wlc.persistent(60)
                    .netmask(Netmask::V4([255, 255, 255, 0].into())),
                &[(1, 7), (2, 1)],
                DRAIN,
            ),
        ),
        (
            "a neighbour joins",
            declare(&net, wlc, &[(1, 7), (2, 1), (3, 1)], DRAIN),
        ),
        (
            "a neighbour leaves",
            declare(&net, wlc, &[(1, 7), (3, 1)], DRAIN),
        ),
        ("weight 0", declare(&net, wlc, &[(1, 0), (3, 1)], DRAIN)),
    ];
    for (what, desired) in changes {
        apply(&net, &state, &desired);
        assert_eq!(connection.ask().as_deref(), Ok("real1"), "after: {what}");
    }
}

/// A leaving server drains: no new clients, the old connection lives, and when it ends the server
/// is deleted.
fn drains(service: impl FnOnce(ServiceKey) -> Service, prepare: impl FnOnce(&Lan)) {
    let (net, state) = farm();
    prepare(&net);
    let _web = net.serve(Tcp, 80);
    let service = service(web(&net, Tcp));
    apply(
        &net,
        &state,
        &declare(&net, service, &[(1, 1), (2, 1), (3, 1)], DRAIN),
    );
    // A real server that has a connection, chosen by the scheduler.
    let mut connection = net.client(1).connect(Tcp, net.service(V4, 80)).unwrap();
    let name = connection.ask().unwrap();
    let leaving: usize = name.strip_prefix("real").unwrap().parse().unwrap();
    let staying: Vec<_> = (1..=3)
        .filter(|number| *number != leaving)
        .map(|n| (n, 1))
        .collect();
    let without = declare(&net, service, &staying, DRAIN);
    apply(&net, &state, &without);
    assert_eq!(weight(&net, &service.key, leaving), Some(0), "it drains");
    assert_eq!(
        connection.ask().as_deref(),
        Ok(name.as_str()),
        "the old connection lives"
    );
    let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(40).run();
    assert_eq!(answers.by(&name), 0, "no new clients: {answers}");
    assert!(answers.failures().is_empty(), "none refused: {answers}");
    // The kernel keeps a closed connection for two minutes (TIME_WAIT), a reset one for ten seconds
    // (CLOSE): the count drops by itself, and the next run deletes.
    connection.reset().unwrap();
    eventually("the drained server goes", || {
        apply(&net, &state, &without);
        weight(&net, &service.key, leaving).is_none().then_some(())
    });
    let there = net
        .director
        .enter(|| Client::connect().unwrap().service(&service.key))
        .unwrap();
    assert_eq!(
        there.unwrap().service,
        service,
        "as declared, the fallback flag gone again"
    );
}

/// Makes the kernel forget closed connections after a second instead of two minutes.
fn forget_soon(net: &Lan) {
    net.director.run("ipvsadm --set 900 1 300");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_wlc_drains() {
    drains(|key| Service::new(key, Service::WLC), forget_soon);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_sh_drains_with_fallback_lent() {
    drains(
        |key| Service::new(key, Name::from_static("sh")),
        forget_soon,
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_mh_drains_with_fallback_lent() {
    drains(
        |key| Service::new(key, Name::from_static("mh")),
        forget_soon,
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_mh_drains_with_fallback_of_its_own() {
    let mh = |key| Service::new(key, Name::from_static("mh")).with_flags(ServiceFlags::MH_FALLBACK);
    drains(mh, forget_soon);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_a_persistent_service_drains_with_quiescent_expiry() {
    drains(
        |key| Service::new(key, Service::WLC).persistent(2),
        |net| {
            forget_soon(net);
            net.director
                .sysctl(&Sysctl::ExpireQuiescentTemplate.to_string(), "1");
        },
    );
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_of_dh_or_udp_leaves_immediately() {
    let (net, state) = farm();
    let dh = Service::new(web(&net, Tcp), Name::from_static("dh"));
    apply(&net, &state, &declare(&net, dh, &[(1, 1), (2, 1)], DRAIN));
    apply(&net, &state, &declare(&net, dh, &[(2, 1)], DRAIN));
    assert_eq!(weight(&net, &dh.key, 1), None);

    let udp = Service::new(web(&net, Udp), Service::WLC);
    net.director
        .sysctl(&Sysctl::ExpireNodestConn.to_string(), "1");
    let _dns = net.serve(Udp, 80);
    apply(&net, &state, &declare(&net, udp, &[(1, 1), (2, 1)], DRAIN));
    let mut flow = connection_to(&net, Udp, "real1");
    apply(&net, &state, &declare(&net, udp, &[(2, 1)], DRAIN));
    assert_eq!(weight(&net, &udp.key, 1), None);
    let moved = eventually("the flow moves on", || flow.ask().ok());
    assert_eq!(moved, "real2");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_drain_ends_at_its_deadline_whatever_is_open() {
    let (net, state) = farm();
    let _web = net.serve(Tcp, 80);
    let service = Service::new(web(&net, Tcp), Service::RR);
    let short = Duration::from_secs(2);
    apply(
        &net,
        &state,
        &declare(&net, service, &[(1, 1), (2, 1)], short),
    );
    let mut connection = connection_to(&net, Tcp, "real1");
    let without = declare(&net, service, &[(2, 1)], short);
    apply(&net, &state, &without);
    assert_eq!(connection.ask().as_deref(), Ok("real1"));
    eventually("the deadline", || {
        apply(&net, &state, &without);
        weight(&net, &service.key, 1).is_none().then_some(())
    });
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn no_request_fails_during_fifty_applies() {
    let (net, state) = farm();
    forget_soon(&net);
    let _web = net.serve(Tcp, 80);
    let service = Service::new(web(&net, Tcp), Service::WLC);
    let farms: [&[(usize, u32)]; 5] = [
        &[(1, 1), (2, 1), (3, 1)],
        &[(1, 5), (2, 1)],
        &[(2, 1), (3, 2)],
        &[(3, 1)],
        &[(1, 1), (3, 0), (2, 9)],
    ];
    apply(&net, &state, &declare(&net, service, farms[0], DRAIN));
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(20).run();
                assert!(answers.failures().is_empty(), "{answers}");
                asked += 20;
            }
            asked
        });
        for round in 0..50 {
            apply(
                &net,
                &state,
                &declare(&net, service, farms[round % farms.len()], DRAIN),
            );
        }
        over.store(true, Ordering::Relaxed);
        let asked = asking.join().unwrap();
        assert!(asked >= 50, "{asked} requests beside 50 applies");
    });
}

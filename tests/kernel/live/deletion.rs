//! A server or a service is deleted.

use std::{thread, time::Duration};

use crate::{
    lab::{Failure, Family, Tcp, Udp, V4, V6, paced},
    rig::{PORT, Rig, service},
};

use super::{assert_dropped, revived};

/// How long a host may delay an acknowledgement, doubled (`TCP_DELACK_MAX`).
const ACKNOWLEDGED: Duration = Duration::from_millis(400);

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn packets_for_a_deleted_server_are_dropped_until_it_is_back() {
    let mut rig = Rig::nat();
    for family in Family::BOTH {
        for protocol in [Tcp, Udp] {
            let web = rig.balance(protocol, family, "rr", &[1, 1, 1]);
            let mut open = rig.connect(&web);
            let by = open.ask().unwrap();
            let number = by.trim_start_matches("real").parse().unwrap();
            let server = rig.look(&web, number).server;
            rig.remove(&web, number);
            let answered = rig.answered(protocol, number);
            assert_dropped(&mut open);
            assert_eq!(rig.answered(protocol, number), answered, "nothing arrived");
            // The others serve all other clients.
            assert_eq!(rig.ask(&web).times(4).run().counts().len(), 2);
            rig.ipvs.add_server(&web.key, &server).unwrap();
            if protocol == Udp {
                // A datagram is not repeated: this is the next one.
                assert_eq!(open.ask(), Ok(by));
            } else {
                assert_eq!(revived(&mut open), by);
            }
            let (active, inactive) = rig.load(&web, number);
            assert_eq!(active + inactive, 1, "the server has its connection back");
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_deleted_with_expire_nodest_conn_lets_go_of_its_clients() {
    let mut rig = Rig::nat();
    rig.net
        .director
        .sysctl("net.ipv4.vs.expire_nodest_conn", "1");
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "rr", &[1, 1, 1]);
        let dns = rig.balance(Udp, family, "rr", &[1, 1, 1]);
        let mut open = rig.connect(&web);
        let mut flow = rig.connect(&dns);
        for (service, connection) in [(&web, &mut open), (&dns, &mut flow)] {
            let by = connection.ask().unwrap();
            let source = connection.source();
            rig.remove(service, by.trim_start_matches("real").parse().unwrap());
            crate::lab::eventually("its entries are flushed", || {
                let entries = rig.connections();
                (!entries.iter().any(|entry| entry.client == source)).then_some(())
            });
            let next = connection.ask();
            if service.key.protocol() == Some(ipvs::Protocol::Tcp) {
                assert_eq!(next, Err(Failure::Reset));
            } else {
                assert_ne!(next.unwrap(), by, "the same socket, another server");
            }
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_deleted_service_drops_and_revives_like_its_servers() {
    let mut rig = Rig::nat();
    // Another service of the family, so that IPVS keeps examining its packets.
    let other = service(Tcp, rig.net.service(V4, PORT + 1), "rr");
    rig.ipvs.add_service(&other).unwrap();
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let mut open = rig.connect(&web);
    let by = open.ask().unwrap();
    rig.ipvs.delete_service(&web.key).unwrap();
    assert_dropped(&mut open);
    // A new client finds nothing there: the director itself answers.
    assert_eq!(rig.ask(&web).connect().map(|_| ()), Err(Failure::Refused));
    rig.add(&web, &[1, 1, 1]);
    assert_eq!(revived(&mut open), by);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn the_last_service_of_a_family_takes_the_hooks_with_it() {
    let mut rig = Rig::nat();
    let services = [V4, V6].map(|family| rig.balance(Tcp, family, "rr", &[1, 1, 1]));
    let mut touched = services.map(|service| rig.connect(&service));
    let mut quiet = services.map(|service| rig.connect(&service));
    for connection in touched.iter_mut().chain(&mut quiet) {
        connection.ask().unwrap();
    }
    for (index, web) in services.iter().enumerate() {
        let by = quiet[index].ask().unwrap();
        // The client sends nothing in the gap, but its kernel may still owe the acknowledgement of
        // the answer, which would be answered with a reset like any other packet.
        thread::sleep(paced(ACKNOWLEDGED));
        rig.ipvs.delete_service(&web.key).unwrap();
        // The packet reaches the director's own stack, which does not know the connection.
        assert_eq!(touched[index].ask(), Err(Failure::Reset));
        if index == 0 {
            let other = touched[1].ask();
            assert!(other.is_ok(), "the other family has its hooks: {other:?}");
        }
        // Connections without packets in the gap continue unharmed.
        rig.add(web, &[1, 1, 1]);
        assert_eq!(quiet[index].ask(), Ok(by));
    }
}

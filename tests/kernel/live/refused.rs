//! What the kernel refuses about servers, and what it silently accepts.

use std::net::IpAddr;

use ipvs::{
    Client, DaemonRole, Errno, ForwardMethod, Server, ServerKey, Service, ServiceKey, SyncDaemon,
    SyncId, Weight,
};

use super::errno;
use crate::{
    lab::{Family, Netns, Tcp, V4, V6},
    rig::{PORT, Rig, name, real, service},
};

fn master() -> SyncDaemon {
    SyncDaemon::new(DaemonRole::Master, name("eth0"), SyncId(7))
}

/// A server of another family than the service's.
fn foreigner(rig: &Rig, family: Family, forward: ForwardMethod) -> Server {
    let other = if family == V4 { V6 } else { V4 };
    let address = rig.net.real(1).address(other);
    Server::new(ServerKey::new(address, PORT), forward)
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn families_mix_in_tunnels_only() {
    let mut rig = Rig::tun();
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "rr", &[]);
        for forward in [ForwardMethod::Masquerade, ForwardMethod::DirectRoute] {
            let server = foreigner(&rig, family, forward);
            assert_eq!(errno(rig.ipvs.add_server(&web.key, &server)), Errno::EINVAL);
        }
        let tunnelled = foreigner(&rig, family, ForwardMethod::Tunnel);
        rig.ipvs.add_server(&web.key, &tunnelled).unwrap();
        assert_eq!(rig.ask(&web).run().sequence(), [real(1)], "{family:?}");
        let routed = foreigner(&rig, family, ForwardMethod::DirectRoute);
        assert_eq!(
            errno(rig.ipvs.update_server(&web.key, &routed)),
            Errno::EINVAL
        );
        assert_eq!(rig.ask(&web).run().sequence(), [real(1)], "{family:?}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn mixed_families_and_sync_daemons_exclude_each_other() {
    let mut rig = Rig::tun();
    let web = rig.balance(Tcp, V6, "rr", &[1]);
    let mixed = foreigner(&rig, V6, ForwardMethod::Tunnel);
    rig.ipvs.add_server(&web.key, &mixed).unwrap();
    for role in [DaemonRole::Master, DaemonRole::Backup] {
        let daemon = SyncDaemon { role, ..master() };
        assert_eq!(errno(rig.ipvs.start_daemon(&daemon)), Errno::EINVAL);
    }
    // Once it is deleted, the daemon can start.
    rig.ipvs.delete_server(&web.key, &mixed.key).unwrap();
    rig.ipvs.start_daemon(&master()).unwrap();
    assert_eq!(errno(rig.ipvs.add_server(&web.key, &mixed)), Errno::EINVAL);
    // Servers of the service's own family are not restricted.
    rig.weigh(&web, 1, 5);
    rig.remove(&web, 1);

    rig.ipvs.stop_daemon(DaemonRole::Master).unwrap();
    rig.ipvs.add_server(&web.key, &mixed).unwrap();
    let lighter = mixed.weight(Weight::ZERO);
    rig.ipvs.update_server(&web.key, &lighter).unwrap();
    assert_eq!(rig.ipvs.servers(&web.key).unwrap()[0].server, lighter);
}

/// The daemon comes first here, so nothing mixed can exist: the answer of `SET_DEST` for such a
/// server can only be seen after `NEW_DEST` has refused it. The check precedes the look-up
/// (`ip_vs_genl_set_cmd`), so the errno tells the two apart.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn even_the_weight_of_a_mixed_server_is_refused_beside_a_daemon() {
    let mut rig = Rig::tun();
    let web = rig.balance(Tcp, V6, "rr", &[]);
    let mixed = foreigner(&rig, V6, ForwardMethod::Tunnel).weight(Weight::ZERO);
    assert_eq!(
        errno(rig.ipvs.update_server(&web.key, &mixed)),
        Errno::ENOENT
    );
    rig.ipvs.start_daemon(&master()).unwrap();
    assert_eq!(
        errno(rig.ipvs.update_server(&web.key, &mixed)),
        Errno::EINVAL
    );
    rig.ipvs.stop_daemon(DaemonRole::Master).unwrap();
    assert_eq!(
        errno(rig.ipvs.update_server(&web.key, &mixed)),
        Errno::ENOENT
    );
}

/// A new namespace: `lo` is down, and no address is of any kind for IPv4.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_needs_lo_to_be_up_and_no_route() {
    let alone = Netns::new("alone");
    let mut ipvs = alone.enter(Client::connect).unwrap();
    let web = Service::new(ServiceKey::tcp([192, 0, 2, 1], 80), Service::RR);
    let web6 = Service::new(
        ServiceKey::tcp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80),
        Service::RR,
    );
    ipvs.add_service(&web).unwrap();
    ipvs.add_service(&web6).unwrap();
    let at = |address: &str, forward| {
        let address: IpAddr = address.parse().unwrap();
        Server::new(ServerKey::new(address, 80), forward)
    };
    let mut methods = [
        ForwardMethod::Masquerade,
        ForwardMethod::DirectRoute,
        ForwardMethod::Tunnel,
    ]
    .into_iter();
    for forward in methods.clone() {
        let server = at("198.51.100.1", forward);
        assert_eq!(errno(ipvs.add_server(&web.key, &server)), Errno::EINVAL);
    }
    // IPv6 only checks the kind of address.
    let forward = methods.next().unwrap();
    let six = at("2001:db8::7", forward);
    ipvs.add_server(&web6.key, &six).unwrap();

    alone.enter(|| {
        let up = std::process::Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
    });
    // There is no route to it, which is not reported.
    ipvs.add_server(&web.key, &at("198.51.100.1", forward))
        .unwrap();
    for nowhere in ["0.0.0.0", "224.0.0.1", "255.255.255.255"] {
        let server = at(nowhere, forward);
        let refused = errno(ipvs.add_server(&web.key, &server));
        assert_eq!(refused, Errno::EINVAL, "{nowhere}");
    }
    for nowhere in ["::", "ff02::1", "fe80::1"] {
        let server = at(nowhere, forward);
        let refused = errno(ipvs.add_server(&web6.key, &server));
        assert_eq!(refused, Errno::EINVAL, "{nowhere}");
    }
    // A director's own address is accepted.
    ipvs.add_server(&web.key, &at("127.0.0.1", forward))
        .unwrap();
    ipvs.add_server(&web6.key, &at("::1", forward)).unwrap();
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_server_without_a_route_is_taken_and_its_clients_are_told() {
    let mut rig = Rig::nat();
    let web = service(Tcp, rig.net.service(V4, PORT), "rr");
    rig.ipvs.add_service(&web).unwrap();
    let lost = ServerKey::new([203, 0, 113, 9], PORT);
    let server = Server::new(lost, ForwardMethod::Masquerade);
    rig.ipvs.add_server(&web.key, &server).unwrap();
    let answers = rig.ask(&web).run();
    assert_eq!(answers.failures().len(), 1, "{answers}");
}

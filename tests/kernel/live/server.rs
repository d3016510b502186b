//! A server changes; its connections live.

use ipvs::{Errno, ForwardMethod, Operation, Server, ServerKey, Tunnel, TunnelFlags, TunnelKind};

use super::{assert_dropped, errno, revived};
use crate::{
    lab::{Family, Tcp, V4, V6},
    rig::{PORT, Rig, marked, real, refused, service},
};

/// The port on which the lab's real servers unpack GUE.
const GUE_PORT: u16 = 6080;

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_connection_keeps_its_forwarding_method() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1]);
    // The real server can unpack tunnels, too.
    rig.net
        .real(1)
        .ip("link add ipip type ipip local 10.1.0.11\nlink set ipip up\n");
    let unpacked = |rig: &Rig| rig.net.real(1).packets_into("ipip");
    let mut old = rig.connect(&web);
    assert_eq!(old.ask(), Ok(real(1)));

    let mut server = rig.look(&web, 1).server;
    server.forward = ForwardMethod::Tunnel;
    rig.ipvs.update_server(&web.key, &server).unwrap();
    assert_eq!(rig.look(&web, 1).server.forward, ForwardMethod::Tunnel);
    for _ in 0..3 {
        assert_eq!(old.ask(), Ok(real(1)));
    }
    assert_eq!(unpacked(&rig), 0, "the old connection is routed as before");
    let mut new = rig.connect(&web);
    assert_eq!(new.ask(), Ok(real(1)));
    assert!(unpacked(&rig) > 0, "a new one is tunnelled");

    // And back: the tunnelled connection stays in the tunnel.
    server.forward = ForwardMethod::DirectRoute;
    rig.ipvs.update_server(&web.key, &server).unwrap();
    let before = unpacked(&rig);
    assert_eq!(old.ask(), Ok(real(1)));
    assert_eq!(rig.ask(&web).run().by("real1"), 1);
    assert_eq!(unpacked(&rig), before, "nothing of these two");
    assert_eq!(new.ask(), Ok(real(1)));
    assert!(unpacked(&rig) > before);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_tunnel_changes_immediately_under_a_live_connection() {
    let mut rig = Rig::tun();
    let web = rig.balance(Tcp, V4, "rr", &[1]);
    let mut open = rig.connect(&web);
    let dig = |rig: &mut Rig, tunnel: Tunnel| {
        let server = rig.server(&web, 1).tunnel(tunnel);
        rig.ipvs.update_server(&web.key, &server).unwrap();
        assert_eq!(rig.look(&web, 1).server.tunnel, tunnel);
    };
    let into = |rig: &Rig, device| rig.net.real(1).packets_into(device);

    assert_eq!(open.ask(), Ok(real(1)));
    assert!(into(&rig, "ipip") > 0 && into(&rig, "gre") == 0);
    // The type.
    dig(&mut rig, Tunnel::gre(TunnelFlags::NONE));
    let ipip = into(&rig, "ipip");
    assert_eq!(open.ask(), Ok(real(1)));
    assert!(into(&rig, "gre") > 0);
    assert_eq!(into(&rig, "ipip"), ipip);
    // The flags: the real server's device rejects checksums.
    dig(&mut rig, Tunnel::gre(TunnelFlags::CSUM));
    assert_dropped(&mut open);
    dig(&mut rig, Tunnel::gre(TunnelFlags::NONE));
    assert_eq!(revived(&mut open), real(1));
    // The port: the other one does not unpack.
    dig(&mut rig, Tunnel::gue(GUE_PORT, TunnelFlags::NONE));
    let gre = into(&rig, "gre");
    assert_eq!(open.ask(), Ok(real(1)));
    assert_eq!(into(&rig, "gre"), gre);
    dig(&mut rig, Tunnel::gue(GUE_PORT + 1, TunnelFlags::NONE));
    assert_dropped(&mut open);
    dig(&mut rig, Tunnel::gue(GUE_PORT, TunnelFlags::NONE));
    assert_eq!(revived(&mut open), real(1));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_when_weight_and_thresholds_change() {
    let mut rig = Rig::nat();
    for family in Family::BOTH {
        let web = rig.balance(Tcp, family, "rr", &[1]);
        let (mut open, _) = rig.hold(&web, 2);
        let start = rig.look(&web, 1).server;
        let closed = [start.thresholds(1, 0), start.weight(ipvs::Weight::ZERO)];
        for server in closed {
            rig.ipvs.update_server(&web.key, &server).unwrap();
            assert_eq!(rig.look(&web, 1).server, server);
            for connection in &mut open {
                assert_eq!(connection.ask(), Ok(real(1)));
            }
        }
        assert_eq!(rig.ask(&web).run().sequence(), [refused()]);
        rig.ipvs.update_server(&web.key, &start).unwrap();
        assert_eq!(rig.ask(&web).run().sequence(), [real(1)]);
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn address_port_and_family_are_keys() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1]);
    // A server at another port or address is another server.
    let here = rig.key(&web, 1);
    for key in [
        ServerKey::new(here.address, PORT + 1),
        ServerKey::new(rig.key(&web, 2).address, PORT),
    ] {
        let other = Server::new(key, ForwardMethod::DirectRoute);
        assert_eq!(
            errno(rig.ipvs.update_server(&web.key, &other)),
            Errno::ENOENT
        );
        rig.ipvs.add_server(&web.key, &other).unwrap();
    }
    assert_eq!(rig.ipvs.servers(&web.key).unwrap().len(), 3);
    // So is a service at another port, address, of another protocol or family.
    let next = rig.net.service(V4, PORT + 1);
    for other in [
        service(Tcp, next, "rr"),
        service(Tcp, rig.net.nth_service(V4, 1, PORT), "rr"),
        service(crate::lab::Udp, rig.net.service(V4, PORT), "rr"),
        service(Tcp, rig.net.service(V6, PORT), "rr"),
    ] {
        assert_eq!(errno(rig.ipvs.update_service(&other)), Errno::ESRCH);
        rig.ipvs.add_service(&other).unwrap();
    }
    // A firewall mark is separate for each family.
    let marks = [marked(V4, 9, "rr"), marked(V6, 9, "wlc")];
    let both = marks.map(Operation::AddService);
    assert!(rig.ipvs.execute(&both).is_complete());
    for service in marks {
        let entry = rig.ipvs.service(&service.key).unwrap();
        assert_eq!(entry.map(|entry| entry.service), Some(service));
    }
    assert_eq!(rig.ipvs.services().unwrap().len(), 7);
}

/// The packet's port counts, not the entry's: only NAT rewrites ports.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn routed_and_tunnelled_packets_keep_the_port_of_the_service() {
    for (mut rig, forward) in [
        (Rig::dr(), ForwardMethod::DirectRoute),
        (Rig::tun(), ForwardMethod::Tunnel),
    ] {
        for family in Family::BOTH {
            let web = rig.balance(Tcp, family, "rr", &[]);
            let key = ServerKey::new(rig.key(&web, 1).address, 8080);
            let server = Server::new(key, forward);
            assert_eq!(server.tunnel.kind, TunnelKind::Ipip);
            rig.ipvs.add_server(&web.key, &server).unwrap();
            let listed = rig.ipvs.servers(&web.key).unwrap();
            assert_eq!(listed[0].server.key.port, 8080, "as it was given");
            assert_eq!(rig.ask(&web).run().sequence(), [real(1)]);
        }
    }
}

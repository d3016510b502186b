//! A service changes; its connections live.

use std::net::Ipv4Addr;

use ipvs::{
    Errno, ForwardMethod, Netmask, Operation, Server, ServerKey, Service, ServiceFlags, Weight,
};

use super::errno;
use crate::{
    lab::{Family, Lan, Tcp, Udp, V4},
    rig::{Rig, name, real, refused},
};

/// The configuration of a service as the kernel has it.
fn read(rig: &mut Rig, service: &Service) -> Service {
    let entry = rig.ipvs.service(&service.key).unwrap();
    entry.expect("the service is there").service
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_through_every_change_of_scheduler() {
    let mut rig = Rig::nat();
    for family in Family::BOTH {
        let mut web = rig.balance(Tcp, family, "rr", &[1, 1, 1]);
        let (mut open, reached) = rig.hold(&web, 3);
        for scheduler in ["wlc", "sh", "mh", "lblcr", "none", "rr"] {
            web.scheduler = name(scheduler);
            rig.ipvs.update_service(&web).unwrap();
            assert_eq!(read(&mut rig, &web), web);
            let now: Vec<String> = open.iter_mut().map(|c| c.ask().unwrap()).collect();
            assert_eq!(now, reached, "under {scheduler}");
            // Without a scheduler, no new client gets in.
            let new = rig.ask(&web).run();
            assert_eq!(
                new.sequence() == [refused()],
                scheduler == "none",
                "{scheduler}: {new}"
            );
        }
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_unknown_scheduler_is_refused_before_the_old_one_goes() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let mut kept = rig.connect(&web);
    let by = kept.ask().unwrap();
    let mut wrong = web;
    wrong.scheduler = name("nosuch");
    wrong.timeout = 77;
    assert_eq!(errno(rig.ipvs.update_service(&wrong)), Errno::ENOENT);
    assert_eq!(read(&mut rig, &web), web, "nothing of it was done");
    assert_eq!(kept.ask(), Ok(by));
    assert_eq!(rig.ask(&web).times(3).run().counts().len(), 3);
    // So is an unknown engine, even with a new scheduler.
    let mut wrong = web;
    wrong.scheduler = name("wlc");
    wrong.engine = Some(name("nosuch"));
    assert_eq!(errno(rig.ipvs.update_service(&wrong)), Errno::ENOENT);
    assert_eq!(read(&mut rig, &web), web);
}

/// Maglev's table has 4093 places and cannot hold more servers: `ip_vs_mh_init_svc` fails when the
/// old scheduler is already gone.
///
/// Kernels differ in what remains. The first 6.1 kernels, and those between, left no scheduler;
/// later ones, including Debian's current ones, bind the old one again (`ip_vs_edit_service`).
/// After a refusal, the table must be read.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_scheduler_that_cannot_be_bound_leaves_the_old_one_or_none() {
    let mut rig = Rig::dr();
    let web = rig.balance(Tcp, V4, "rr", &[1]);
    let mut kept = rig.connect(&web);
    assert_eq!(kept.ask(), Ok(real(1)));
    let crowd: Vec<Operation> = (0..4093)
        .map(|n: u32| {
            let address = Ipv4Addr::from(0x0a63_0101 + n);
            let server = Server::new(ServerKey::new(address, 80), ForwardMethod::DirectRoute);
            Operation::AddServer(web.key, server.weight(Weight::ZERO))
        })
        .collect();
    assert!(rig.ipvs.execute(&crowd).is_complete());

    let mut maglev = web;
    maglev.scheduler = name("mh");
    maglev.timeout = 77;
    assert_eq!(errno(rig.ipvs.update_service(&maglev)), Errno::EINVAL);
    let left = read(&mut rig, &web);
    let mut none = web;
    none.scheduler = Service::NO_SCHEDULER;
    assert!(left == web || left == none, "nothing else: {left:?}");
    assert_eq!(kept.ask(), Ok(real(1)), "the connection lives");
    let new = if left == none { refused() } else { real(1) };
    assert_eq!(rig.ask(&web).run().sequence(), [new]);

    // The way out: a scheduler that can be bound, or one server fewer.
    rig.ipvs.update_service(&web).unwrap();
    assert_eq!(rig.ask(&web).run().sequence(), [real(1)]);
    let Operation::AddServer(_, last) = crowd[4092] else {
        panic!("the crowd is made of servers");
    };
    rig.ipvs.delete_server(&web.key, &last.key).unwrap();
    rig.ipvs.update_service(&maglev).unwrap();
    assert_eq!(rig.ask(&web).run().sequence(), [real(1)]);
    // One too many under mh is silently accepted, and the table stays as it was.
    rig.ipvs.add_server(&web.key, &last).unwrap();
    assert_eq!(rig.ipvs.servers(&web.key).unwrap().len(), 4094);
    assert_eq!(rig.ask(&web).run().sequence(), [real(1)]);
    assert_eq!(kept.ask(), Ok(real(1)));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_when_persistence_and_flags_change() {
    let mut rig = Rig::nat();
    let plain = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let (mut open, reached) = rig.hold(&plain, 3);
    for changed in [
        plain.persistent(300),
        plain.with_flags(ServiceFlags::SCHED_1 | ServiceFlags::SCHED_2),
        plain,
    ] {
        rig.ipvs.update_service(&changed).unwrap();
        assert_eq!(read(&mut rig, &plain), changed);
        let now: Vec<String> = open.iter_mut().map(|c| c.ask().unwrap()).collect();
        assert_eq!(now, reached);
        // The new service applies to new clients.
        let new = rig.ask(&plain).times(3).run();
        let persistent = changed.flags.contains(ServiceFlags::PERSISTENT);
        assert_eq!(new.counts().len(), if persistent { 1 } else { 3 }, "{new}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn an_engine_that_is_left_out_is_cleared_and_flows_live() {
    let mut rig = Rig::nat();
    let plain = rig.balance(Udp, V4, "rr", &[1, 1, 1]).persistent(300);
    rig.ipvs.update_service(&plain).unwrap();
    let mut flow = rig.connect(&plain);
    let by = flow.ask().unwrap();
    let sip = plain.engine(name("sip"));
    rig.ipvs.update_service(&sip).unwrap();
    assert_eq!(read(&mut rig, &plain).engine, Some(name("sip")));
    assert_eq!(flow.ask(), Ok(by.clone()));
    rig.ipvs.update_service(&plain).unwrap();
    assert_eq!(read(&mut rig, &plain).engine, None);
    assert_eq!(flow.ask(), Ok(by));
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_when_the_netmask_changes_and_stickiness_is_lost() {
    let net = Lan::nat().addresses(2).build();
    let mut rig = Rig::new(net, ForwardMethod::Masquerade);
    for (family, wider) in [
        (V4, Netmask::V4([255, 255, 255, 0].into())),
        (Family::V6, Netmask::V6(112)),
    ] {
        let mut web = rig.balance(Tcp, family, "rr", &[1, 1, 1]).persistent(300);
        rig.ipvs.update_service(&web).unwrap();
        let mut kept = rig.connect(&web);
        let by = kept.ask().unwrap();
        assert_eq!(rig.ask(&web).times(3).run().by(&by), 3, "sticky");

        web.netmask = wider;
        rig.ipvs.update_service(&web).unwrap();
        assert_eq!(kept.ask(), Ok(by.clone()), "{family:?}: it lives");
        let moved = rig.ask(&web).run();
        assert_eq!(moved.by(&by), 0, "round robin has gone on: {moved}");
        // Under the wider mask both of the client's addresses are one.
        let both = rig.net.client(1).addresses(family);
        let all = rig.ask(&web).times(4).from(both).run();
        assert_eq!(all.counts(), [(moved.sequence()[0].as_str(), 4)].into());
        assert_eq!(kept.ask(), Ok(by));
    }
}

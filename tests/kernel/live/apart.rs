//! Two directors on one kernel, each in its namespace, are independent.

use ipvs::{Client, DaemonRole, ForwardMethod, Operation, SyncDaemon, SyncId, Timeouts};

use crate::{
    lab::{Lan, Tcp, V4},
    rig::{Rig, name, real},
};

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn each_namespace_has_its_own_tables_sysctls_and_daemons() {
    let net = Lan::dr().backup().build();
    let mut rig = Rig::new(net, ForwardMethod::DirectRoute);
    let mut other = rig.net.backup().enter(Client::connect).unwrap();

    // The same service in both, with different contents.
    let web = rig.balance(Tcp, V4, "rr", &[1, 1, 1]);
    let mut theirs = web;
    theirs.scheduler = name("mh");
    other.add_service(&theirs).unwrap();
    other.add_server(&web.key, &rig.server(&web, 2)).unwrap();
    let seen = |ipvs: &mut Client| {
        let table = ipvs.table().unwrap();
        let web = table.service(&web.key)?;
        Some((web.entry.service.scheduler.to_string(), web.servers.len()))
    };
    assert_eq!(seen(&mut rig.ipvs), Some(("rr".to_owned(), 3)));
    assert_eq!(seen(&mut other), Some(("mh".to_owned(), 1)));

    // Connections.
    let mut open = rig.connect(&web);
    let by = open.ask().unwrap();
    assert_eq!(rig.connections().len(), 1);
    let shown = rig.net.backup().proc_net("ip_vs_conn").unwrap();
    assert_eq!(shown.lines().count(), 1, "the title alone: {shown}");
    let there = rig
        .net
        .backup()
        .enter(|| ipvs::Connections::open().unwrap().count());
    assert_eq!(there, 0);

    // Time limits and sysctls.
    let before = other.timeouts().unwrap();
    let short = Timeouts {
        tcp: 11,
        tcp_fin: 12,
        udp: 13,
    };
    rig.ipvs.set_timeouts(&short).unwrap();
    assert_eq!(rig.ipvs.timeouts().unwrap(), short);
    assert_eq!(other.timeouts().unwrap(), before);
    let nodest = "net.ipv4.vs.expire_nodest_conn";
    rig.net.director.sysctl(nodest, "1");
    assert_eq!(rig.net.backup().read_sysctl(nodest), "0");

    // Sync daemons: one of each role in each.
    for (ipvs, id) in [(&mut rig.ipvs, 1), (&mut other, 2)] {
        assert!(ipvs.daemons().unwrap().is_empty());
        let daemon = SyncDaemon::new(DaemonRole::Master, name("eth0"), SyncId(id));
        ipvs.start_daemon(&daemon).unwrap();
        let running = ipvs.daemons().unwrap();
        assert_eq!((running.len(), running[0].sync_id), (1, SyncId(id)));
    }
    rig.ipvs.stop_daemon(DaemonRole::Master).unwrap();
    assert_eq!(other.daemons().unwrap().len(), 1);
    other.stop_daemon(DaemonRole::Master).unwrap();

    // Flushing one does not affect the other.
    other.flush().unwrap();
    assert_eq!(seen(&mut other), None);
    assert_eq!(seen(&mut rig.ipvs), Some(("rr".to_owned(), 3)));
    assert_eq!(open.ask(), Ok(by));
    let all: Vec<String> = [3, 2, 1].map(real).into();
    let answers = rig.ask(&web).times(3).run().sequence();
    assert!(all.iter().all(|name| answers.contains(name)), "{answers:?}");
}

/// A daemon's thread that is stopped before it ever ran ends with `EINTR` (`kthread_stop`), and
/// netlink does not answer such a request (`netlink_rcv_skb`).
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_daemon_that_is_stopped_immediately_is_gone() {
    let mut rig = Rig::new(Lan::dr().build(), ForwardMethod::DirectRoute);
    for role in [DaemonRole::Master, DaemonRole::Backup] {
        let daemon = SyncDaemon::new(role, name("eth0"), SyncId(3));
        let report = rig
            .ipvs
            .execute(&[Operation::StartDaemon(daemon), Operation::StopDaemon(role)]);
        assert!(report.is_complete(), "{report:?}");
        assert!(rig.ipvs.daemons().unwrap().is_empty());
    }
}

//! Synchronisation: a master multicasts its connections, and a backup receives them.
//!
//! ```text
//!   client ── packets ──► director, master ── connections ──► real servers
//!                            │ 224.0.0.81, UDP 8848, sync id          ▲
//!                            ▼                                        │ after a fail-over
//!                         backup                          ── connections
//! ```
//!
//! Both have the same services, as in production: a director without services ignores packets.

use ipvs::{Connection as Entry, DaemonRole, Errno, Name, Origin, Service, SyncDaemon, SyncId};

use super::{all, balance, connections, dr, service, tables, templates, tun};
use crate::lab::{
    Connection,
    Family::{self, V4, V6},
    Host, Lan,
    Protocol::{self, Sctp, Tcp, Udp},
    eventually,
};

/// The default group address.
const GROUP: [u8; 4] = [224, 0, 0, 81];

/// Two directors with the same TCP service for both families.
fn twins(service_of: impl Fn(&Lan, Family) -> Service) -> Lan {
    let net = Lan::dr().backup().build();
    for family in Family::BOTH {
        let web = service_of(&net, family);
        for director in [&net.director, net.backup()] {
            balance(director, &web, all(&net, family, 80, dr));
        }
    }
    net
}

fn plain(net: &Lan, family: Family) -> Service {
    service(Tcp, net.service(family, 80), "rr")
}

fn daemon(role: DaemonRole, id: u8) -> SyncDaemon {
    SyncDaemon::new(role, Name::from_static("eth0"), SyncId(id))
}

/// The director is the master and the backup the backup of one group. A connection is announced at
/// its `packets`-th packet, and not again within these tests.
fn synchronise(net: &Lan, packets: u32, id: u8) {
    let threshold = format!("{packets} 1000");
    net.director
        .sysctl("net.ipv4.vs.sync_threshold", &threshold);
    start(net.backup(), daemon(DaemonRole::Backup, id));
    start(&net.director, daemon(DaemonRole::Master, id));
}

#[track_caller]
fn start(host: &Host, daemon: SyncDaemon) {
    tables(host)
        .start_daemon(&daemon)
        .expect("a sync daemon can be started");
}

/// A connection that has been used once.
#[track_caller]
fn open(net: &Lan, family: Family) -> (Connection, String) {
    let mut held = net
        .client(1)
        .connect(Tcp, net.service(family, 80))
        .expect("a connection");
    let by = held.ask().expect("an answer");
    (held, by)
}

/// The entry of this connection in a director's table.
fn entry(director: &Host, held: &Connection) -> Option<Entry> {
    connections(director)
        .into_iter()
        .find(|entry| entry.client == held.source())
}

/// Waits until the backup has it.
#[track_caller]
fn arrived(net: &Lan, held: &Connection) -> Entry {
    eventually("the backup has the connection", || {
        entry(net.backup(), held)
    })
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_of_the_master_show_up_on_the_backup() {
    let net = Lan::dr().backup().build();
    synchronise(&net, 3, 7);
    let _serving = Protocol::ALL.map(|protocol| net.serve(protocol, 80));
    let open = [(Tcp, V4), (Tcp, V6), (Udp, V4), (Sctp, V6)].map(|(protocol, family)| {
        let at = net.service(family, 80);
        for director in [&net.director, net.backup()] {
            let web = service(protocol, at, "rr");
            balance(director, &web, all(&net, family, 80, dr));
        }
        let mut held = net.client(1).connect(protocol, at).expect("a connection");
        // Three packets, even of a UDP flow.
        let by = [(); 3].map(|()| held.ask().expect("an answer"));
        (protocol, family, held, by[0].clone())
    });
    for (protocol, family, held, by) in open {
        let here = entry(&net.director, &held).expect("the master's own");
        let there = arrived(&net, &held);
        assert_eq!(here.origin, Some(Origin::Local), "{here:?}");
        assert_eq!(there.origin, Some(Origin::Sync), "{there:?}");
        let name = there.protocol.to_string().to_lowercase();
        assert_eq!(name, protocol.to_string());
        assert_eq!(there.virtual_service, net.service(family, 80));
        let server = (1..=3).find(|number| net.real(*number).name() == by);
        let server = server.expect("one of the three");
        assert_eq!(there.server, net.server(family, server, 80));
        assert_eq!(there.state, here.state);
    }
}

/// Three packets by default: a connection with fewer is not worth announcing.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_connection_is_told_of_at_its_threshold() {
    let net = twins(plain);
    let _web = net.serve(Tcp, 80);
    synchronise(&net, 10, 7);
    let (short, _) = open(&net, V4);
    let (mut long, _) = open(&net, V4);
    for _ in 0..10 {
        long.ask().expect("an answer");
    }
    arrived(&net, &long);
    assert_eq!(
        entry(net.backup(), &short),
        None,
        "the earlier one, with fewer packets"
    );
}

/// A backup with id 0 hears every master.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_backup_with_another_id_hears_nothing() {
    let net = twins(plain);
    let _web = net.serve(Tcp, 80);
    synchronise(&net, 3, 7);
    let backup = net.backup();
    let mut change = tables(backup);
    change
        .stop_daemon(DaemonRole::Backup)
        .expect("a running daemon can be stopped");
    start(backup, daemon(DaemonRole::Backup, 8));

    let mut wire = backup.tap();
    let (unheard, _) = open(&net, V4);
    let port = unheard.source().port().to_be_bytes();
    eventually("the message reaches the backup's host", || {
        let messages = wire.packets_to(GROUP.into());
        let tells = |payload: &[u8]| payload.windows(2).any(|bytes| bytes == port);
        messages
            .iter()
            .any(|message| tells(&message.payload))
            .then_some(())
    });

    change
        .stop_daemon(DaemonRole::Backup)
        .expect("a running daemon can be stopped");
    start(backup, daemon(DaemonRole::Backup, 0));
    let (heard, _) = open(&net, V4);
    arrived(&net, &heard);
    assert_eq!(entry(backup, &unheard), None, "it was for the group of 7");
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_live_on_when_the_backup_takes_over() {
    let net = twins(plain);
    let _web = net.serve(Tcp, 80);
    synchronise(&net, 3, 7);
    let mut open: Vec<(Connection, String)> = Family::BOTH
        .into_iter()
        .cycle()
        .take(4)
        .map(|family| open(&net, family))
        .collect();
    for (held, _) in &open {
        arrived(&net, held);
    }

    net.move_virtual_addresses();
    for (held, by) in &mut open {
        let source = held.source();
        assert_eq!(held.ask().as_ref(), Ok(&*by), "{source}");
    }
    // The master is out of the picture.
    tables(&net.director).flush().expect("it can be flushed");
    for (held, by) in &mut open {
        assert_eq!(held.ask().as_ref(), Ok(&*by), "without the master");
    }
}

/// Persistence survives too: the backup's own round robin would start with another server.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_client_stays_with_its_server_when_the_backup_takes_over() {
    let net = twins(|net, family| plain(net, family).persistent(300));
    let _web = net.serve(Tcp, 80);
    synchronise(&net, 3, 7);
    let homes = Family::BOTH.map(|family| (family, open(&net, family)));
    for (_, (held, _)) in &homes {
        arrived(&net, held);
    }
    let known = eventually("both templates are there", || {
        let known = templates(net.backup());
        (known.len() == 2).then_some(known)
    });
    for template in known {
        assert_eq!(template.origin, Some(Origin::Sync), "{template:?}");
        assert!(template.expires.as_secs() <= 300, "{template:?}");
    }

    net.move_virtual_addresses();
    for (family, (_, home)) in homes {
        let answers = net
            .client(1)
            .ask(Tcp, net.service(family, 80))
            .times(3)
            .run();
        assert_eq!(answers.to_string(), format!("{home}=3"), "{family:?}");
    }
}

/// A host can be both, which is how two directors back each other up.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn two_directors_back_each_other_up() {
    let net = twins(plain);
    let _web = net.serve(Tcp, 80);
    synchronise(&net, 3, 7);
    net.backup().sysctl("net.ipv4.vs.sync_threshold", "3 1000");
    start(net.backup(), daemon(DaemonRole::Master, 7));
    start(&net.director, daemon(DaemonRole::Backup, 7));
    let (first, _) = open(&net, V4);
    net.move_virtual_addresses();
    let (second, _) = open(&net, V6);
    arrived(&net, &first);
    let back = eventually("the first director has it from the second", || {
        entry(&net.director, &second)
    });
    assert_eq!(back.origin, Some(Origin::Sync));
}

/// The messages have one family per entry (`ip_vs_sync_conn`): servers of the other family and a
/// daemon exclude each other, whichever comes first.
#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn no_daemon_beside_servers_of_another_family() {
    let net = Lan::tun().real_servers(1).build();
    let web = plain(&net, V4);
    let other = tun(net.server(V6, 1, 80));
    balance(&net.director, &web, [other]);
    let mut ipvs = tables(&net.director);
    for role in [DaemonRole::Master, DaemonRole::Backup] {
        let started = ipvs.start_daemon(&daemon(role, 7));
        assert_eq!(refusal(started), Some(Errno::EINVAL));
    }

    ipvs.delete_server(&web.key, &other.key).expect("deleted");
    ipvs.start_daemon(&daemon(DaemonRole::Master, 7))
        .expect("nothing is in the way");
    let added = ipvs.add_server(&web.key, &other);
    assert_eq!(refusal(added), Some(Errno::EINVAL));
    ipvs.stop_daemon(DaemonRole::Master).expect("stopped");
    ipvs.add_server(&web.key, &other)
        .expect("nothing is in the way");
}

/// The errno of a request that the kernel refused.
#[track_caller]
fn refusal(result: ipvs::Result<()>) -> Option<Errno> {
    match result.expect_err("it is refused") {
        ipvs::Error::Refused(refusal) => Some(refusal.errno),
        _ => None,
    }
}

//! The whole connection table of one director in another one's kernel, and what becomes of the
//! connections when that one takes over.
//!
//! ```text
//!   director: /proc/net/ip_vs_conn ─► entries ─► messages ─► the backup's own sync daemon, on lo
//! ```
//!
//! Each connection is used after the takeover: it is alive if the same server answers.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use director::peers::inject::{Injector, backup};
use director::peers::table::{Told, known, own, tell, templates};
use director_peer::incoming::{Intake, Refused, Taken};
use director_peer::outgoing::LeftOut;
use ipvs::{Client, DaemonRole, Name, SyncDaemon, SyncId};

use crate::lab::{
    Connection,
    Family::{self, V4, V6},
    Host, Lan,
    Protocol::{self, Tcp, Udp},
    eventually, paced,
};

/// What both directors serve: a service of a family on a port, and what its servers are like.
struct Serves<'a> {
    protocol: Protocol,
    port: u16,
    /// The port of the servers.
    real: u16,
    service: &'a str,
    server: &'a str,
    mark: Option<u32>,
}

const DR: Serves<'_> = Serves {
    protocol: Tcp,
    port: 80,
    real: 80,
    service: "-s rr",
    server: "-g",
    mark: None,
};

impl Serves<'_> {
    /// The lines for `ipvsadm -R`; on the backup the servers come in the other order.
    fn lines(&self, net: &Lan, family: Family, is_backup: bool) -> String {
        let address = match (self.mark, family) {
            (Some(mark), V4) => format!("-f {mark}"),
            (Some(mark), V6) => format!("-f {mark} -6"),
            (None, _) => {
                let service = net.service(family, self.port);
                format!("{} {service}", self.protocol.option())
            }
        };
        let mut lines = vec![format!("-A {address} {}\n", self.service)];
        let mut numbers: Vec<usize> = (1..=net.reals().len()).collect();
        if is_backup {
            numbers.reverse();
        }
        for number in numbers {
            let real = net.server(family, number, self.real);
            lines.push(format!("-a {address} -r {real} {}\n", self.server));
        }
        lines.concat()
    }

    fn both(&self, net: &Lan, families: &[Family]) {
        for family in families {
            net.director.ipvsadm(&self.lines(net, *family, false));
            net.backup().ipvsadm(&self.lines(net, *family, true));
        }
    }
}

/// Connections, each with the server that answered it.
fn open(net: &Lan, serves: &Serves<'_>, family: Family, times: usize) -> Vec<(Connection, String)> {
    let ask = net
        .client(1)
        .ask(serves.protocol, net.service(family, serves.port))
        .times(times);
    let held = ask.connect_all().unwrap();
    held.into_iter()
        .map(|mut connection| {
            let by = connection.ask().unwrap();
            (connection, by)
        })
        .collect()
}

/// How many are answered by the same server as before.
fn alive(open: &mut [(Connection, String)]) -> usize {
    let mut alive = 0;
    for (connection, by) in open {
        alive += usize::from(connection.ask().as_ref() == Ok(by));
    }
    alive
}

/// The table of a host, as messages.
fn told(host: &Host) -> (Told, Vec<Vec<u8>>) {
    host.enter(|| {
        let mut messages = Vec::new();
        let told = tell(&known(|_| false).unwrap(), |message| {
            messages.push(message);
            true
        });
        (told.unwrap(), messages)
    })
}

/// Takes messages on a host that holds these addresses, into its table.
fn take(host: &Host, messages: &[Vec<u8>], held: HashSet<IpAddr>) -> Taken {
    host.enter(|| {
        let mut client = Client::connect().unwrap();
        let mut daemons = client.daemons().unwrap();
        if backup(&daemons).is_none() {
            let own = SyncDaemon::new(DaemonRole::Backup, Name::from_static("lo"), SyncId(9));
            client.start_daemon(&own).unwrap();
            daemons = client.daemons().unwrap();
        }
        let daemon = backup(&daemons).unwrap();
        let id = daemon.sync_id.0;
        let known = known(|_| false).unwrap();
        let mut intake = Intake::new(known, held, id, templates().unwrap());
        for message in messages {
            for entry in ipvs_sync::decode(message).unwrap().entries {
                intake.take(entry).unwrap();
            }
        }
        let taken = intake.finish();
        let injector = Injector::open(daemon).unwrap();
        injector.send(&taken.messages).unwrap();
        if !taken.expiring.is_empty() {
            injector.send(&taken.expiring).unwrap();
            std::thread::sleep(paced(Duration::from_millis(2500)));
            injector.send(&taken.deferred).unwrap();
        }
        eventually("all entries are in the table", || {
            taken.compare(own().unwrap()).is_empty().then_some(())
        });
        taken
    })
}

/// Moves the addresses and, for NAT, the way back.
fn take_over(net: &Lan) {
    net.move_virtual_addresses();
    for real in net.reals() {
        if real.run("ip route").contains("via 10.2.0.1 ") {
            real.ip("route replace default via 10.2.0.2\n");
            real.ip("route replace default via fd00:2::2\n");
        }
    }
}

/// All of it: connections, the table, the takeover. Returns how many are alive.
fn survive(net: &Lan, serves: &Serves<'_>, family: Family, times: usize) -> usize {
    let mut held = open(net, serves, family, times);
    let (told, messages) = told(&net.director);
    assert!(told.left_out.is_empty(), "{told:?}");
    let taken = take(net.backup(), &messages, HashSet::new());
    assert_eq!(taken.refused().count(), 0, "{taken:?}");
    take_over(net);
    alive(&mut held)
}

/// Active and inactive connections of all servers.
fn counters(host: &Host) -> (u32, u32) {
    let table = host.enter(|| Client::connect().unwrap().table().unwrap());
    let servers = table.services.iter().flat_map(|service| &service.servers);
    servers.fold((0, 0), |(active, inactive), server| {
        (active + server.active, inactive + server.inactive)
    })
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn idle_connections_survive_in_the_table_of_the_other_director() {
    let net = Lan::dr().backup().real_servers(4).build();
    DR.both(&net, &[V4]);
    let _web = net.serve(Tcp, 80);
    let mut held = open(&net, &DR, V4, 200);
    let (told, messages) = told(&net.director);
    assert_eq!(told.entries, 200);
    // What is not in the snapshot is lost: nothing else keeps them alive.
    let mut later = open(&net, &DR, V4, 3);
    let taken = take(net.backup(), &messages, HashSet::new());
    assert_eq!((taken.len(), taken.refused().count()), (200, 0));
    assert_eq!(counters(net.backup()), (200, 0));
    // A second time changes nothing.
    take(net.backup(), &messages, HashSet::new());
    assert_eq!(counters(net.backup()), (200, 0));
    take_over(&net);
    assert_eq!(alive(&mut held), 200);
    assert_eq!(alive(&mut later), 0);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn connections_through_nat_and_tunnels_survive_in_both_families() {
    let nat = Lan::nat().backup().build();
    let web = Serves {
        real: 8080,
        server: "-m",
        ..DR
    };
    web.both(&nat, &Family::BOTH);
    let _web = nat.serve(Tcp, 8080);
    let mut other = open(&nat, &web, V6, 20);
    assert_eq!(survive(&nat, &web, V4, 40), 40);
    assert_eq!(alive(&mut other), 20);
    drop((nat, _web));

    let tun = Lan::tun().backup().build();
    let web = Serves { server: "-i", ..DR };
    web.both(&tun, &Family::BOTH);
    let _web = tun.serve(Tcp, 80);
    let mut other = open(&tun, &web, V6, 20);
    assert_eq!(survive(&tun, &web, V4, 40), 40);
    assert_eq!(alive(&mut other), 20);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn flows_of_udp_survive_and_count_as_inactive() {
    let net = Lan::nat().backup().build();
    let dns = Serves {
        protocol: Udp,
        port: 53,
        real: 5353,
        server: "-m",
        ..DR
    };
    dns.both(&net, &[V4]);
    let _dns = net.serve(Udp, 5353);
    let held = open(&net, &dns, V4, 40);
    let (_, messages) = told(&net.director);
    take(net.backup(), &messages, HashSet::new());
    assert_eq!(counters(net.backup()), counters(&net.director));
    assert_eq!(counters(net.backup()), (0, 40));
    take_over(&net);
    let mut held = held;
    assert_eq!(alive(&mut held), 40);
}

/// The server of three new connections of each of these addresses, which is one and the same.
fn homes(net: &Lan, serves: &Serves<'_>, family: Family) -> Vec<String> {
    let ask = |address: IpAddr| {
        let ask = net
            .client(1)
            .ask(serves.protocol, net.service(family, serves.port));
        ask.from([address]).times(2).run().to_string()
    };
    net.client(1)
        .addresses(family)
        .into_iter()
        .map(ask)
        .collect()
}

fn persists(service: &str, server: &str, real: u16, mark: Option<u32>, family: Family) {
    let lan = if server == "-m" {
        Lan::nat()
    } else {
        Lan::dr()
    };
    let net = lan.backup().addresses(6).build();
    let web = Serves {
        service,
        server,
        real,
        mark,
        ..DR
    };
    if let Some(mark) = mark {
        let matches = format!("-d {} -p tcp --dport 80", net.virtual_address(family));
        net.director.mark(family, &matches, mark);
        net.backup().mark(family, &matches, mark);
    }
    web.both(&net, &[family]);
    let _web = net.serve(Tcp, real);
    let before = homes(&net, &web, family);
    assert_eq!(survive(&net, &web, family, 10), 10, "{service} {server}");
    if service.contains("-p") {
        assert_eq!(homes(&net, &web, family), before, "{service} {server}");
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_stay_with_their_servers() {
    persists("-s rr -p 300", "-g", 80, None, V4);
    persists("-s rr -p 300 -M 64", "-g", 80, None, V6);
    persists("-s rr -p 300 -M 255.255.255.252", "-m", 8080, None, V4);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn clients_of_firewall_marks_stay_with_their_servers() {
    persists("-s rr", "-g", 80, Some(7), V4);
    persists("-s rr -p 300", "-g", 80, Some(7), V6);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_template_with_another_server_gives_way() {
    let net = Lan::dr().backup().addresses(6).build();
    let web = Serves {
        service: "-s rr -p 300",
        ..DR
    };
    web.both(&net, &[V4]);
    let _web = net.serve(Tcp, 80);
    let before = homes(&net, &web, V4);
    let (_, messages) = told(&net.director);
    // All entries, with the servers of the next one: what an earlier time left behind.
    let mut encoder = ipvs_sync::Encoder::new(0, ipvs_sync::Encoder::LONGEST);
    let entries: Vec<_> = messages
        .iter()
        .flat_map(|message| ipvs_sync::decode(message).unwrap().entries)
        .filter(ipvs_sync::Entry::is_template)
        .collect();
    let next = entries.iter().cycle().skip(1);
    let mut moved = 0;
    for (entry, next) in entries.iter().zip(next) {
        moved += usize::from(entry.server != next.server);
        let other = ipvs_sync::Entry {
            server: next.server,
            ..entry.clone()
        };
        encoder.push(&other).unwrap();
    }
    assert!(moved > 1, "{entries:?}");
    take(net.backup(), &[encoder.finish().unwrap()], HashSet::new());
    let taken = take(net.backup(), &messages, HashSet::new());
    assert!(!taken.expiring.is_empty() && !taken.deferred.is_empty());
    take_over(&net);
    assert_eq!(homes(&net, &web, V4), before);
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn what_does_not_belong_here_is_refused_and_named() {
    let net = Lan::dr().backup().build();
    DR.both(&net, &[V4, V6]);
    let _web = net.serve(Tcp, 80);
    let mut held = open(&net, &DR, V4, 6);
    let _other = open(&net, &DR, V6, 3);
    let (_, messages) = told(&net.director);
    // No service of IPv6; one server less.
    let backup = net.backup();
    backup.run(&format!("ipvsadm -D -t {}", net.service(V6, 80)));
    let gone = net.server(V4, 3, 80);
    backup.run(&format!("ipvsadm -d -t {} -r {gone}", net.service(V4, 80)));
    let taken = take(backup, &messages, HashSet::new());
    let refused: Vec<_> = taken.refused().collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0].0, Refused::LeftOut(LeftOut::Service));
    assert_eq!(
        (refused[1].0, refused[1].1),
        (Refused::LeftOut(LeftOut::Server), 2)
    );
    assert!(refused[1].2.contains(&gone.to_string()), "{refused:?}");
    // The server comes; the same table again has a place for all of it.
    backup.ipvsadm(&format!("-a -t {} -r {gone} -g\n", net.service(V4, 80)));
    take(backup, &messages, HashSet::new());
    take_over(&net);
    assert_eq!(alive(&mut held), 6);
    // Active now: a late table from before changes nothing.
    let before = counters(backup);
    let own = HashSet::from([net.virtual_address(V4)]);
    let taken = take(backup, &messages, own);
    assert_eq!(taken.len(), 0);
    assert_eq!(
        taken.refused().last().map(|(why, ..)| why),
        Some(Refused::Held)
    );
    assert_eq!(counters(backup), before);
}

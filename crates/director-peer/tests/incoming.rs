//! Which entries of a peer are taken.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use director_peer::counts::{Counts, Short};
use director_peer::digest::EntriesDigest;
use director_peer::incoming::{Intake, MOST, Refused};
use director_peer::outgoing::{Known, LeftOut};
use ipvs::fake::FakeKernel;
use ipvs::{
    Client, Connection, Connections, ForwardMethod, Operation, Server, ServerKey, Service,
    ServiceKey,
};
use ipvs_sync::{Entry, Flags};

fn entry() -> Entry {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    Entry::new(
        6,
        at("198.51.100.1:1024"),
        at("192.0.2.10:80"),
        at("10.0.0.11:80"),
    )
}

fn intake(held: &[&str]) -> Intake {
    let held: HashSet<_> = held.iter().map(|text| text.parse().unwrap()).collect();
    Intake::new(Known::default(), held, 0, std::iter::empty())
}

#[test]
fn an_entry_of_nothing_that_is_here_is_refused_and_named() {
    let mut intake = intake(&[]);
    for _ in 0..3 {
        intake.take(entry()).unwrap();
    }
    let taken = intake.finish();
    let refused: Vec<_> = taken.refused().collect();
    let first = "192.0.2.10:80 to 10.0.0.11:80";
    assert_eq!(refused, [(Refused::LeftOut(LeftOut::Service), 3, first)]);
    assert!(taken.is_empty() && taken.messages.is_empty() && taken.received() == 3);
}

#[test]
fn no_entry_comes_over_the_table_of_the_director_that_holds_its_address() {
    let mut intake = intake(&["192.0.2.10"]);
    intake.take(entry()).unwrap();
    let taken = intake.finish();
    let refused: Vec<_> = taken
        .refused()
        .map(|(why, count, _)| (why, count))
        .collect();
    assert_eq!(refused, [(Refused::Held, 1)]);
    assert!(taken.messages.is_empty());
}

#[test]
fn a_digest_is_of_the_set_whatever_its_order() {
    let digest = |ports: &[u16]| {
        let mut intake = intake(&[]);
        for port in ports {
            let mut entry = entry();
            entry.client.set_port(*port);
            // What packets change.
            entry.state = *port;
            entry.timeout = u32::from(*port);
            intake.take(entry).unwrap();
        }
        intake.finish().digest()
    };
    assert_eq!(digest(&[1, 2, 3]), digest(&[3, 1, 2]));
    assert_ne!(digest(&[1, 2, 3]), digest(&[1, 2]));
    assert_ne!(digest(&[1, 2, 3]), digest(&[1, 2, 4]));
    assert_ne!(digest(&[1, 1]), digest(&[1]));
    let mut same = entry();
    same.flags = Flags::INACTIVE | Flags::DIRECT_ROUTE;
    let of = |entry: &Entry| {
        let mut digest = EntriesDigest::default();
        digest.add(entry);
        digest
    };
    assert_eq!(of(&entry()), of(&same));
    let mut others = vec![entry(); 5];
    others[0].flags = Flags::TEMPLATE;
    others[1].server.set_port(81);
    others[2].protocol = 17;
    others[3].mark = 1;
    others[4].virtual_service.set_port(81);
    for other in others {
        assert_ne!(of(&entry()), of(&other), "{other:?}");
    }
}

/// A service with two servers, and an intake of entries for it.
fn serving() -> Intake {
    let service = Service::new(ServiceKey::tcp([192, 0, 2, 10], 80), Service::RR);
    let server = |last| {
        Server::new(
            ServerKey::new([10, 0, 0, last], 80),
            ForwardMethod::DirectRoute,
        )
    };
    let mut client = Client::over(FakeKernel::new()).unwrap();
    let operations = [
        Operation::AddService(service),
        Operation::AddServer(service.key, server(11)),
        Operation::AddServer(service.key, server(12)),
    ];
    assert!(client.execute(&operations).is_complete());
    let known = Known::new(&client.table().unwrap(), |_| false);
    Intake::new(known, HashSet::new(), 0, std::iter::empty())
}

/// The line of an entry in the table.
fn line(entry: &Entry) -> Connection {
    let (SocketAddr::V4(client), SocketAddr::V4(at), SocketAddr::V4(server)) =
        (entry.client, entry.virtual_service, entry.server)
    else {
        panic!("IPv4");
    };
    let hex =
        |end: std::net::SocketAddrV4| format!("{:08X} {:04X}", end.ip().to_bits(), end.port());
    let ends = [hex(client), hex(at), hex(server)].join(" ");
    let text = format!("title\nTCP {ends} ESTABLISHED 899\n");
    Connections::over(text.as_bytes()).next().unwrap().unwrap()
}

#[test]
fn what_is_missing_is_found_by_server_and_sent_again() {
    let mut intake = serving();
    let mut all = Vec::new();
    for port in 1..=10 {
        let mut entry = entry();
        entry.client.set_port(port);
        entry.timeout = 900;
        if port > 6 {
            entry.server.set_ip([10, 0, 0, 12].into());
            entry.flags = Flags::INACTIVE;
        }
        all.push(entry);
    }
    for entry in all.iter().cloned() {
        intake.take(entry).unwrap();
    }
    // About to end: taken, and not missed.
    let ending = Entry {
        timeout: 5,
        ..Entry::new(
            6,
            "198.51.100.2:1".parse().unwrap(),
            entry().virtual_service,
            entry().server,
        )
    };
    intake.take(ending).unwrap();
    let mut taken = intake.finish();
    assert_eq!(
        (taken.len(), taken.received(), taken.refused().count()),
        (10, 11, 0)
    );
    // One is not there, one has another server there, one comes later.
    let mut there: Vec<_> = all[..8].to_vec();
    there[0].server.set_ip([10, 0, 0, 12].into());
    let mut missing = taken.compare(there.iter().map(line));
    assert_eq!(missing.len(), 3);
    taken.find(&mut missing, all[9..].iter().map(line));
    let at: Vec<_> = taken.missing_at(&missing).into_iter().collect();
    let server = |text: &str| text.parse::<SocketAddr>().unwrap();
    // The one that is about to end is among those that were sent.
    assert_eq!(
        at,
        [
            (server("10.0.0.11:80"), (1, 7)),
            (server("10.0.0.12:80"), (1, 4))
        ]
    );
    let again = |taken: &mut director_peer::incoming::Taken, servers: &[IpAddr]| {
        let messages = taken.again(&missing, servers);
        let all = messages
            .iter()
            .map(|message| ipvs_sync::decode(message).unwrap().entries);
        all.flatten().collect::<Vec<_>>()
    };
    let mut active = all[8].clone();
    active.flags = Flags::default();
    // An inactive one of another server would stay: it is sent as an active one first.
    assert_eq!(
        again(&mut taken, &[]),
        [all[0].clone(), active, all[8].clone()]
    );
    assert_eq!(again(&mut taken, &[[10, 0, 0, 11].into()]).len(), 9);
}

#[test]
fn counters_that_are_lower_than_they_should_be_name_the_server() {
    let mut intake = serving();
    for port in 1..=10 {
        let mut entry = entry();
        entry.client.set_port(port);
        entry.timeout = 900;
        intake.take(entry).unwrap();
    }
    let taken = intake.finish();
    let mut counted = Counts::default();
    for port in 1..=9 {
        let mut entry = entry();
        entry.client.set_port(port);
        counted.add(&entry);
    }
    // Templates of a server are no connections.
    counted.add(&Entry {
        flags: Flags::TEMPLATE,
        ..entry()
    });
    let short = counted.short_of(taken.counts());
    let expected = Short {
        server: [10, 0, 0, 11].into(),
        missing: 1,
        of: 10,
    };
    assert_eq!(short, [expected]);
    counted.add(&entry());
    assert_eq!(counted.short_of(taken.counts()), []);
    // What was there only before, or only afterwards, is not expected.
    let nothing = Counts::default();
    assert_eq!(
        nothing.short_of(&taken.counts().clone().least(&nothing)),
        []
    );
}

#[test]
fn a_table_of_more_than_a_million_entries_is_refused() {
    let mut intake = intake(&["192.0.2.10"]);
    let entry = entry();
    for _ in 0..MOST {
        intake.take(entry.clone()).unwrap();
    }
    let why = intake.take(entry).unwrap_err().to_string();
    assert_eq!(why, "the table has more than 1000000 entries");
}

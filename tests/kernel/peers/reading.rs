//! Readings of a table from which entries go meanwhile.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use director::peers::inject::{Injector, backup};
use director::peers::reading::Reader;
use ipvs::{Client, Connections, DaemonRole, Name, SyncDaemon, SyncId};
use ipvs_sync::{Encoder, Entry, Flags, tcp};

use crate::lab::{Host, Lan, eventually};

/// The entries that stay, and those that come and go.
const STAY: u32 = 2_000;
const PASSING: u32 = 1_000;

/// How often the table is read.
const READINGS: u32 = 40;

/// Clients that stay, and clients that do not.
const STAYING: u8 = 198;
const GOING: u8 = 203;

/// Messages with entries from clients of a network.
fn messages(network: u8, number: u32, timeout: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(0, Encoder::ETHERNET);
    let mut messages = Vec::new();
    for number in 0..number {
        let [.., high, low] = number.to_be_bytes();
        let client = SocketAddr::from(([network, 18, high, low], 40_000));
        let entry = Entry {
            flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
            state: tcp::ESTABLISHED,
            timeout,
            ..Entry::new(
                6,
                client,
                SocketAddr::from(([192, 0, 2, 10], 80)),
                SocketAddr::from(([10, 1, 0, 11], 80)),
            )
        };
        messages.extend(encoder.push(&entry).unwrap());
    }
    messages.extend(encoder.finish());
    messages
}

/// A way to the own backup daemon of a host.
fn injector(host: &Host) -> Injector {
    host.enter(|| {
        let mut client = Client::connect().unwrap();
        let own = SyncDaemon::new(DaemonRole::Backup, Name::from_static("lo"), SyncId(0));
        client.start_daemon(&own).unwrap();
        Injector::open(backup(&client.daemons().unwrap()).unwrap()).unwrap()
    })
}

fn stays(client: SocketAddr) -> bool {
    matches!(client, SocketAddr::V4(v4) if v4.ip().octets()[0] == STAYING)
}

/// The staying clients of one plain reading.
fn plain() -> usize {
    let all = Connections::open()
        .unwrap()
        .map(|found| found.unwrap().client);
    all.filter(|client| stays(*client))
        .collect::<HashSet<_>>()
        .len()
}

/// The staying clients of a reading, and whether it is whole.
fn proved() -> (usize, bool) {
    let mut clients = HashSet::new();
    let is_whole = Reader::default().read(|found| {
        assert!(!stays(found.client) || clients.insert(found.client));
        true
    });
    (clients.len(), is_whole.unwrap())
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_reading_that_says_it_is_whole_has_every_entry_that_stayed() {
    let net = Lan::dr().build();
    let host = &net.director;
    let injector = injector(host);
    injector.send(&messages(STAYING, STAY, 900)).unwrap();
    eventually("all entries are in the table", || {
        (host.enter(plain) == STAY as usize).then_some(())
    });
    assert_eq!(host.enter(proved), (STAY as usize, true));
    let is_over = AtomicBool::new(false);
    let passing = messages(GOING, PASSING, 1);
    let (mut lost, mut whole, mut unsure) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                injector.send(&passing).unwrap();
            }
        });
        for _ in 0..READINGS {
            lost += u32::from(host.enter(plain) < STAY as usize);
            match host.enter(proved) {
                (found, true) => {
                    whole += 1;
                    assert_eq!(found, STAY as usize);
                }
                (_, false) => unsure += 1,
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    println!("{READINGS} readings: {lost} plain ones lost entries; {whole} whole, {unsure} not");
    eventually("a reading of a quiet table is whole", || {
        (host.enter(proved) == (STAY as usize, true)).then_some(())
    });
}

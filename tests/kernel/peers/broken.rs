//! A peer that dies in the middle of a transfer, twice, and one that becomes slow.
//!
//! ```text
//!   b: 10.1.0.2 ─── through: 10.1.1.1:9000, passes so many bytes ─── a: 10.1.0.1:8849, active
//! ```
//!
//! Each director takes the machine between them for the other one.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use director::peers::inject::{Injector, backup};
use ipvs::Client;
use ipvs_sync::{Encoder, Entry, Flags, tcp};

use super::channel::{Pair, becomes, happens, peer};
use crate::daemon::Daemon;
use crate::lab::{Family::V4, Host, eventually};

const THROUGH: &str = "10.1.1.1";
const PORT: u16 = 9000;

/// The connections of the active one: 36 bytes each on the way.
const CONNECTIONS: u16 = 2_000;

/// Enough for hello, state and digests, and not for half of the table.
const MIDDLE: usize = 20_000;

/// What passes from the active director to the other one.
struct Passing {
    /// How many bytes of each connection.
    most: AtomicUsize,
    /// Whether a connection ends after them, or stays and is silent.
    cuts: AtomicBool,
}

impl Passing {
    /// Passes bytes between two ends, on a machine between them.
    fn start(host: &Host) -> Arc<Self> {
        let passing = Arc::new(Self {
            most: AtomicUsize::new(usize::MAX),
            cuts: AtomicBool::new(true),
        });
        let at: SocketAddr = (THROUGH.parse::<std::net::IpAddr>().unwrap(), PORT).into();
        let shared = Arc::clone(&passing);
        // The thread stays in the network in which it begins.
        host.enter(move || {
            let listener = TcpListener::bind(at).unwrap();
            thread::spawn(move || shared.serve(&listener));
        });
        passing
    }

    fn serve(self: Arc<Self>, listener: &TcpListener) {
        for near in listener.incoming() {
            let Ok(near) = near else { return };
            let Ok(far) = TcpStream::connect("10.1.0.1:8849") else {
                continue;
            };
            let (from, to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass(from, to, &AtomicUsize::new(usize::MAX), true));
            let shared = Arc::clone(&self);
            thread::spawn(move || {
                let cuts = shared.cuts.load(Ordering::SeqCst);
                pass(far, near, &shared.most, cuts);
            });
        }
    }

    fn only(&self, most: usize, cuts: bool) {
        self.cuts.store(cuts, Ordering::SeqCst);
        self.most.store(most, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, most: &AtomicUsize, cuts: bool) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        passed += length;
        if passed > most.load(Ordering::SeqCst) {
            if cuts {
                break;
            }
            continue;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// The file of a director whose peer is beyond the machine between them.
fn file(pair: &Pair, priority: u8, own: char) -> String {
    let file = pair.file(priority, &pair.key("0123456789abcdef"), [1, 1, 1]);
    let (other, port) = match own {
        'a' => ("10.1.0.2", 8849),
        _ => ("10.1.0.1", PORT),
    };
    file.replace(
        &format!("address = \"{other}\"\nkey_file"),
        &format!("address = \"{THROUGH}\"\nport = {port}\nkey_file"),
    )
}

/// Open connections, as if their clients had come.
fn connect(host: &Host, network: u16, all: u16) {
    host.enter(|| {
        let daemons = Client::connect().unwrap().daemons().unwrap();
        let daemon = backup(&daemons).unwrap();
        let mut encoder = Encoder::new(daemon.sync_id.0, Encoder::ETHERNET);
        let mut messages = Vec::new();
        for number in 0..CONNECTIONS {
            let [high, low] = number.to_be_bytes();
            let server = SocketAddr::from(([10, 1, 0, 11 + low % 3], 80));
            let entry = Entry {
                flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
                state: tcp::ESTABLISHED,
                timeout: 900,
                ..Entry::new(
                    6,
                    SocketAddr::from(([198, 18, high, low], 40_000 + network)),
                    SocketAddr::from(([10, 1, 0, 100], 80)),
                    server,
                )
            };
            messages.extend(encoder.push(&entry).unwrap());
        }
        messages.extend(encoder.finish());
        Injector::open(daemon).unwrap().send(&messages).unwrap();
    });
    eventually("it has all connections", || {
        (connections(host) == u32::from(all)).then_some(())
    });
}

/// The connections that the kernel of a host counts.
fn connections(host: &Host) -> u32 {
    let table = host.enter(|| Client::connect().unwrap().table().unwrap());
    let servers = table.services.iter().flat_map(|service| &service.servers);
    servers.map(|server| server.active + server.inactive).sum()
}

/// How often a transfer has failed.
fn failures(daemon: &Daemon<'_>) -> usize {
    let log = daemon.log();
    let of = |line: &&str| line.contains("resync-failed") && line.contains("did not send all");
    log.lines().filter(of).count()
}

#[test]
#[ignore = "needs the lab"]
fn half_a_table_is_none_and_the_next_one_is_whole() {
    let pair = Pair::new();
    let passing = Passing::start(pair.net.client(1));
    assert_eq!(pair.net.client(1).address(V4).to_string(), THROUGH);
    let a = Daemon::start(&pair.net.director, &file(&pair, 150, 'a'));
    becomes(&a, "active");
    connect(&pair.net.director, 0, CONNECTIONS);
    // It ends in the middle, and again when it has come back.
    passing.only(MIDDLE, true);
    let b = Daemon::start(pair.b(), &file(&pair, 100, 'b'));
    for times in 1..=2 {
        eventually("the transfer fails", || {
            (failures(&b) >= times).then_some(())
        });
        assert_eq!(connections(pair.b()), 0);
    }
    // It is silent in the middle: that has an end, too.
    passing.only(MIDDLE, false);
    happens(&b, "resync-failed", "timed out");
    assert_eq!(connections(pair.b()), 0);
    let status = peer(&b);
    let failed = status["resync_failed"].as_str().unwrap();
    assert!(failed.contains("did not send all of its table"), "{failed}");
    assert!(status["resync"].is_null(), "{status}");
    becomes(&b, "backup");

    passing.only(usize::MAX, true);
    happens(
        &b,
        "resync-done",
        "sent 2000 connections: counters and digest equal",
    );
    assert_eq!(connections(pair.b()), u32::from(CONNECTIONS));
    let status = peer(&b);
    assert!(status["resync_failed"].is_null(), "{status}");
    assert_eq!(status["resync"]["whole"], true);
}

#[test]
#[ignore = "needs the lab"]
fn a_director_that_comes_back_twice_is_caught_up_twice() {
    let pair = Pair::new();
    let key = pair.key("0123456789abcdef");
    let of = |priority| pair.file(priority, &key, [1, 1, 1]);
    let mut a = Daemon::start(&pair.net.director, &of(150));
    becomes(&a, "active");
    connect(&pair.net.director, 0, CONNECTIONS);
    let b = Daemon::start(pair.b(), &of(100));
    happens(&b, "resync-done", "counters and digest equal");
    for times in 1..=2 {
        a.kill();
        becomes(&b, "active");
        // What happens meanwhile only b knows.
        let all = CONNECTIONS * (times + 1);
        connect(pair.b(), times, all);
        a.launch();
        becomes(&a, "active");
        becomes(&b, "backup");
        assert_eq!(connections(&pair.net.director), u32::from(all));
        let caught_up =
            format!("is caught up, {all} connections of `b`, counters and digest equal");
        happens(&a, "failover-synced", &caught_up);
    }
}

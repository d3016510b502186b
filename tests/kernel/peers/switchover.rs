//! Connections that are opened all the time, while a director hands over on purpose, by switchover, by
//! claim and by failback. Without a transfer of what is new, all that began since the last one would be
//! lost. Some of the last moments still are: User-Mode Linux has no nftables, so nothing keeps packets of
//! connections that have not come yet from being answered with a reset.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::channel::{Pair, becomes, happens};
use crate::daemon::Daemon;
use crate::daemon::operator::done;
use crate::lab::{Connection, Protocol::Tcp};

/// The most connections of a test: this process has both ends of each.
const MOST: usize = 400;

/// Between two new connections.
const PACE: Duration = Duration::from_millis(20);

/// Opens connections until this is done. Those that answered, each with its server.
fn opened_until(pair: &Pair, act: impl FnOnce() + Send) -> Vec<(Connection, String)> {
    let service = "10.1.0.100:80".parse().unwrap();
    let client = pair.net.client(1);
    let over = AtomicBool::new(false);
    let mut open = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            act();
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) && open.len() < MOST {
            // One that is not established yet when the address moves is not counted: it is tried again.
            if let Ok(mut connection) = client.connect(Tcp, service)
                && let Ok(by) = connection.ask()
            {
                open.push((connection, by));
            }
            thread::sleep(PACE);
        }
    });
    open
}

/// How many no longer reach their server.
fn lost(open: &mut [(Connection, String)]) -> usize {
    let lost = open
        .iter_mut()
        .filter_map(|(connection, by)| (connection.ask().as_ref() != Ok(by)).then_some(()));
    lost.count()
}

#[test]
#[ignore = "needs the lab"]
fn most_connections_that_are_opened_until_a_planned_handover_survive_it() {
    let pair = Pair::new();
    let key = pair.key("0123456789abcdef");
    // The regular transfer is too old for what is opened here.
    let file = |priority| {
        let file = pair.file(priority, &key, [1, 1, 1]);
        file.replace("resync = \"5s\"", "resync = \"1h\"")
    };
    let service = "10.1.0.100:80".parse().unwrap();
    let reals = pair.net.reals().iter();
    let _web: Vec<_> = reals.map(|real| real.serve_at(Tcp, &[service])).collect();
    let a = Daemon::start(&pair.net.director, &file(150));
    becomes(&a, "active");
    let b = Daemon::start(pair.b(), &file(100));
    becomes(&b, "backup");
    happens(&b, "resync-done", "`a` sent");

    let mut open = opened_until(&pair, || {
        done(&a, "failover switchover front --wait");
        becomes(&b, "active");
        becomes(&a, "backup");
    });
    let all = open.len();
    assert!(all > 20, "{all} connections");
    let gone = lost(&mut open);
    println!("switchover: {gone} of {all} lost");
    assert!(gone * 5 < all, "{gone} of {all}: {}", b.log());
    drop(open);

    // The other way round, the director that takes over is asked.
    let mut open = opened_until(&pair, || {
        done(&a, "failover claim front --wait");
        becomes(&a, "active");
        becomes(&b, "backup");
    });
    let (all, gone) = (open.len(), lost(&mut open));
    println!("claim: {gone} of {all} lost");
    assert!(all > 20, "{all} connections");
    assert!(gone * 5 < all, "{gone} of {all}: {}", a.log());
}

#[test]
#[ignore = "needs the lab"]
fn most_connections_that_are_opened_until_a_failback_survive_it() {
    let pair = Pair::new();
    let key = pair.key("0123456789abcdef");
    let service = "10.1.0.100:80".parse().unwrap();
    let reals = pair.net.reals().iter();
    let _web: Vec<_> = reals.map(|real| real.serve_at(Tcp, &[service])).collect();
    let b = Daemon::start(pair.b(), &pair.file(100, &key, [1, 1, 1]));
    becomes(&b, "active");
    let mut a = None;
    let mut open = opened_until(&pair, || {
        let started = Daemon::start(&pair.net.director, &pair.file(150, &key, [1, 1, 1]));
        becomes(&started, "active");
        becomes(&b, "backup");
        a = Some(started);
    });
    let (all, gone) = (open.len(), lost(&mut open));
    println!("failback: {gone} of {all} lost");
    assert!(all > 20, "{all} connections");
    let log = a.as_ref().map_or(String::new(), Daemon::log);
    assert!(gone * 5 < all, "{gone} of {all}: {log}");
}

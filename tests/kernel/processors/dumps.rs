//! A table that another processor changes while it is listed.
//!
//! ```text
//!   meddler   d a d a . . . d d a . . . a d      bursts of deletions and additions, then rest
//!   history   0 1 2 3       4 5 6       7 8      the whole table after each
//!   reader      |---- a list ----|               true if it is one of 1 to 6, in every entry and
//!                                                in order
//! ```

use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use ipvs::{Client, Error, ForwardMethod, Operation, Server, ServerEntry, ServerKey, Service};

use super::two_processors;
use crate::library_rig::{connect, inside, web};

/// Enough for five pieces of a dump.
const SERVERS: u16 = 400;

/// The number of consistent lists required.
const LISTS: usize = 30;

/// Servers by number in the kernel's order: last added first.
type Order = Vec<u16>;

/// Every past and possible next table: a new one is recorded before it is requested.
#[derive(Default)]
struct History(Mutex<Vec<Order>>);

impl History {
    fn note(&self, order: Order) {
        self.0.lock().unwrap().push(order);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether the table had this order at an instant since the history had `since` entries. The
    /// last of these may not have been carried out yet: the one before it still counts.
    fn holds(&self, since: usize, order: &Order) -> bool {
        let history = self.0.lock().unwrap();
        history
            .iter()
            .skip(since.saturating_sub(2))
            .any(|at| at == order)
    }
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn a_consistent_list_is_true_while_another_processor_changes_the_table() {
    if !two_processors() {
        return;
    }
    inside(|| {
        let history = History::default();
        let order: Order = (1..=SERVERS).rev().collect();
        fill(&mut connect(), &order);
        history.note(order.clone());
        let mut plain = Tally::default();
        let mut consistent = Tally::default();

        let (mut reader, mut other) = (connect(), connect());
        let pace = Pace::default();
        thread::scope(|scope| {
            let meddler = scope.spawn(|| meddle(&mut other, &history, order, &pace));
            // Under load the table may never rest for long enough, and the library reports that.
            for _ in 0..10 * LISTS {
                plain.count(&history, || reader.servers(&web()));
                consistent.count(&history, || reader.consistent_servers(&web()));
                pace.lists.fetch_add(1, Ordering::Relaxed);
                if consistent.truths == LISTS {
                    break;
                }
            }
            pace.done.store(true, Ordering::Relaxed);
            meddler.join().unwrap();
        });
        println!("plain lists: {plain:?}");
        println!("consistent lists: {consistent:?}, {} tables", history.len());
        assert!(history.len() > LISTS, "there was something to miss");
        assert_eq!((consistent.truths, consistent.lies), (LISTS, 0));
    });
}

/// The reader's messages to the meddler, so that neither depends on the machine's speed.
#[derive(Default)]
struct Pace {
    lists: AtomicUsize,
    done: AtomicBool,
}

impl Pace {
    /// A short rest, in which a dump continues; or a long one, until a list has been read.
    fn rest(&self, long: bool) {
        let lists = self.lists.load(Ordering::Relaxed);
        // Both are bounded: a list is read at most 24 times, and this ends after 20 s.
        for _ in 0..if long { 10_000 } else { 1 } {
            thread::sleep(Duration::from_millis(2));
            let read_on = self.lists.load(Ordering::Relaxed) != lists;
            if read_on || self.done.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

/// The results of the lists of one kind.
#[derive(Debug, Default)]
struct Tally {
    truths: usize,
    lies: usize,
    unsettled: usize,
}

impl Tally {
    fn count(&mut self, history: &History, list: impl FnOnce() -> ipvs::Result<Vec<ServerEntry>>) {
        let since = history.len();
        match list() {
            Ok(entries) if history.holds(since, &numbers(&entries)) => self.truths += 1,
            Ok(_) => self.lies += 1,
            Err(Error::Unsettled { .. }) => self.unsettled += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

fn fill(client: &mut Client, order: &Order) {
    let mut operations = vec![Operation::AddService(Service::new(web(), Service::WLC))];
    operations.extend(
        order
            .iter()
            .rev()
            .map(|number| Operation::AddServer(web(), server(*number))),
    );
    let report = client.execute(&operations);
    assert!(report.is_complete(), "{:?}", report.failures());
}

/// Deletes servers and adds them again, in bursts, until told to stop.
fn meddle(client: &mut Client, history: &History, mut order: Order, pace: &Pace) {
    let mut random = Random(7);
    let mut missing = Vec::new();
    while !pace.done.load(Ordering::Relaxed) {
        for _ in 0..random.below(12) {
            let add = !missing.is_empty() && random.below(2) == 0;
            let operation = if add {
                let number = missing.swap_remove(random.below(missing.len()));
                order.insert(0, number);
                Operation::AddServer(web(), server(number))
            } else {
                let number = order.remove(random.below(order.len()));
                missing.push(number);
                Operation::DeleteServer(web(), server(number).key)
            };
            history.note(order.clone());
            client.apply(operation).unwrap();
        }
        pace.rest(random.below(3) == 0);
    }
}

fn server(number: u16) -> Server {
    let [high, low] = number.to_be_bytes();
    let key = ServerKey::new([10, 1, high, low], 80);
    Server::new(key, ForwardMethod::Masquerade)
}

fn numbers(entries: &[ServerEntry]) -> Order {
    let number = |entry: &ServerEntry| match entry.server.key.address {
        IpAddr::V4(address) => {
            let [.., high, low] = address.octets();
            u16::from_be_bytes([high, low])
        }
        IpAddr::V6(_) => panic!("all are IPv4"),
    };
    entries.iter().map(number).collect()
}

/// Knuth's linear congruential generator: the same sequence in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

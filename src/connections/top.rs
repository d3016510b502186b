//! The clients, servers or services with the most entries.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::Connection;
use serde_json::{Value, json};

use super::names::{Names, listen};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Top {
    /// Clients, by address.
    Clients,
    /// Servers, by address and port.
    Servers,
    /// Services, by listen address.
    Services,
}

impl Top {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clients, Self::Servers, Self::Services];

    /// One of them.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clients => "client",
            Self::Servers => "server",
            Self::Services => "service",
        }
    }

    /// Several of them.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Servers => "servers",
            Self::Services => "services",
        }
    }
}

/// The address of each entry by client, or counts.
#[derive(Debug)]
pub enum Counts {
    /// Every client. Sorted at the end: a million clients take 4 MB (IPv6: 16), a map of them would
    /// take five times that.
    Clients {
        /// IPv4 addresses.
        v4: Vec<u32>,
        /// IPv6 addresses.
        v6: Vec<u128>,
    },
    /// The busiest clients, in bounded memory.
    Busiest(Frequent<IpAddr, ()>),
    /// Servers or services, which are usually few; with an entry of each, for its name.
    Few(Top, Frequent<String, Connection>),
}

/// How far a list grows when it is full: doubling it would cost its size once more.
const GROWTH: usize = 256 * 1024;
/// The most clients that are counted in bounded memory: 2 MB.
const CLIENTS: usize = 56 * 1024;
/// The most servers or services: 4 MB. A service of all ports can have many more.
const FEW: usize = 14 * 1024;

/// Counts of the most frequent items (Misra and Gries): exact as long as there is room for all
/// different ones, and otherwise too low by `missed` at most, which is the number of entries divided
/// by half of the room.
#[derive(Debug)]
pub struct Frequent<K, V> {
    counts: HashMap<K, (u64, V)>,
    room: usize,
    missed: u64,
}

impl<K: Hash + Eq, V> Frequent<K, V> {
    fn new(room: usize) -> Self {
        Self {
            counts: HashMap::new(),
            room: room.max(2),
            missed: 0,
        }
    }

    fn add(&mut self, item: K, value: impl FnOnce() -> V) {
        if let Some((count, _)) = self.counts.get_mut(&item) {
            *count += 1;
            return;
        }
        if self.counts.len() == self.room {
            self.make_room();
        }
        self.counts.insert(item, (1, value()));
    }

    /// Takes the median from each count, and drops those that have nothing left: half of them, so
    /// that this is rare.
    fn make_room(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().map(|(count, _)| *count).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.missed += median;
        self.counts.retain(|_, (count, _)| {
            *count = count.saturating_sub(median);
            *count > 0
        });
    }
}

/// One of the first.
#[derive(Debug)]
pub struct Row {
    /// The address.
    pub of: String,
    /// Its name in the file.
    pub name: Option<String>,
    /// The number of its entries.
    pub entries: u64,
}

/// The first ones.
#[derive(Debug)]
pub struct Busiest {
    /// The busiest first.
    pub rows: Vec<Row>,
    /// The number of different ones, if all could be counted.
    pub different: Option<usize>,
    /// How many entries a row may have more than it says.
    pub missed: u64,
}

impl Counts {
    /// Counts every one: memory grows with the number of clients.
    #[must_use]
    pub fn new(top: Top) -> Self {
        match top {
            Top::Clients => Self::Clients {
                v4: Vec::new(),
                v6: Vec::new(),
            },
            _ => Self::bounded(top),
        }
    }

    /// Counts in bounded memory.
    #[must_use]
    pub fn bounded(top: Top) -> Self {
        match top {
            Top::Clients => Self::Busiest(Frequent::new(CLIENTS)),
            _ => Self::Few(top, Frequent::new(FEW)),
        }
    }

    /// Counts an entry.
    pub fn add(&mut self, connection: &Connection) {
        match self {
            Self::Clients { v4, v6 } => match connection.client.ip() {
                IpAddr::V4(address) => push(v4, address.to_bits()),
                IpAddr::V6(address) => push(v6, address.to_bits()),
            },
            Self::Busiest(counts) => counts.add(connection.client.ip(), || ()),
            Self::Few(top, counts) => {
                let key = match top {
                    Top::Servers => connection.server.to_string(),
                    Top::Services | Top::Clients => listen(connection),
                };
                counts.add(key, || connection.clone());
            }
        }
    }

    /// The first ones.
    #[must_use]
    pub fn most(self, limit: usize, names: &Names) -> Busiest {
        let (mut rows, different, missed) = match self {
            Self::Clients { v4, v6 } => {
                let (mut rows, first) =
                    runs(v4, limit, |bits| Ipv4Addr::from_bits(bits).to_string());
                let (more, second) = runs(v6, limit, |bits| Ipv6Addr::from_bits(bits).to_string());
                rows.extend(more);
                (rows, first + second, 0)
            }
            Self::Busiest(counts) => {
                let (different, missed) = (counts.counts.len(), counts.missed);
                let rows = first(counts, limit).into_iter();
                let rows = rows.map(|(client, entries, ())| Row {
                    of: client.to_string(),
                    name: None,
                    entries,
                });
                (rows.collect(), different, missed)
            }
            Self::Few(top, counts) => {
                let (different, missed) = (counts.counts.len(), counts.missed);
                let rows = first(counts, limit).into_iter();
                let rows = rows.map(|(of, entries, example)| {
                    let name = match top {
                        Top::Servers => names.server(&example),
                        Top::Services | Top::Clients => names.service(&example),
                    };
                    let name = name.map(str::to_owned);
                    Row { of, name, entries }
                });
                (rows.collect(), different, missed)
            }
        };
        rows.sort_by(|a, b| b.entries.cmp(&a.entries).then_with(|| a.of.cmp(&b.of)));
        rows.truncate(limit);
        Busiest {
            rows,
            different: (missed == 0).then_some(different),
            missed,
        }
    }
}

/// The first ones as an object; `read`: the number of all entries.
#[must_use]
pub fn page(top: Top, read: u64, busiest: &Busiest) -> Value {
    let rows = busiest.rows.iter();
    let rows: Vec<Value> = rows
        .map(|row| json!({ top.word(): row.of, "name": row.name, "entries": row.entries }))
        .collect();
    json!({
        "entries": read,
        "different": busiest.different,
        "missed": busiest.missed,
        "top": rows,
    })
}

/// The items with the largest counts, in order.
fn first<K: Ord, V>(counts: Frequent<K, V>, limit: usize) -> Vec<(K, u64, V)> {
    let counts = counts.counts.into_iter();
    let mut rows: Vec<_> = counts
        .map(|(item, (count, value))| (item, count, value))
        .collect();
    rows.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows.truncate(limit);
    rows
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(GROWTH);
    }
    list.push(item);
}

/// The longest runs of equal items, and the number of runs.
fn runs<T: Ord + Copy>(
    mut items: Vec<T>,
    limit: usize,
    show: impl Fn(T) -> String,
) -> (Vec<Row>, usize) {
    items.sort_unstable();
    let mut longest: Vec<(usize, T)> = Vec::new();
    let mut number = 0;
    for run in items.chunk_by(|a, b| a == b) {
        number += 1;
        longest.push((run.len(), run[0]));
        // Kept short: with a million different clients, one run each.
        if longest.len() > limit.saturating_mul(2).max(1024) {
            longest.sort_unstable_by(|a, b| b.cmp(a));
            longest.truncate(limit);
        }
    }
    longest.sort_unstable_by(|a, b| b.cmp(a));
    longest.truncate(limit);
    let rows = longest.into_iter().map(|(entries, item)| Row {
        of: show(item),
        name: None,
        entries: entries as u64,
    });
    (rows.collect(), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_runs_come_first_and_all_are_counted() {
        let items: Vec<u32> = (0..5000).chain([7, 7, 9]).collect();
        let (rows, number) = runs(items, 3, |item| item.to_string());
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row.of.as_str(), row.entries))
            .collect();
        assert_eq!(shown[..2], [("7", 3), ("9", 2)]);
        assert_eq!((shown.len(), number), (3, 5000));
        assert_eq!(runs(Vec::<u32>::new(), 3, |item| item.to_string()).1, 0);
        assert_eq!(runs(vec![1_u32], 0, |item| item.to_string()).0.len(), 0);
    }

    fn entry(client: u32) -> Connection {
        let client = Ipv4Addr::from_bits(client);
        let line = format!(
            "the title\nTCP {:08X} 1000 C0000201 0050 0A000001 0050 ESTABLISHED 10\n",
            client.to_bits()
        );
        ipvs::Connections::over(line.as_bytes())
            .next()
            .unwrap()
            .unwrap()
    }

    #[test]
    fn few_clients_are_counted_exactly_in_bounded_memory_too() {
        let mut counts = [Counts::new(Top::Clients), Counts::bounded(Top::Clients)];
        for client in (0..100).chain([7, 7, 9]) {
            counts.iter_mut().for_each(|it| it.add(&entry(client)));
        }
        let pages = counts.map(|it| page(Top::Clients, 103, &it.most(2, &Names::default())));
        assert_eq!(pages[0], pages[1]);
        assert_eq!(pages[0]["different"], 100);
        assert_eq!(
            pages[0]["top"][0],
            json!({ "client": "0.0.0.7", "name": null, "entries": 3 })
        );
    }

    #[test]
    fn the_busiest_of_many_are_found_and_missed_says_how_far_the_counts_may_be_off() {
        let mut counts = Frequent::<u32, ()>::new(64);
        let mut number: u64 = 0;
        for round in 0..1000_u32 {
            // Two that come back, among thousands that come once.
            for item in [
                1,
                2,
                2,
                1000 + 3 * round,
                1001 + 3 * round,
                1002 + 3 * round,
            ] {
                counts.add(item, || ());
                number += 1;
                assert!(counts.counts.len() <= 64);
            }
        }
        let missed = counts.missed;
        assert!(missed > 0 && missed <= number / 32, "{missed} of {number}");
        let rows = first(counts, 2);
        let items: Vec<u32> = rows.iter().map(|(item, ..)| *item).collect();
        assert_eq!(items, [2, 1]);
        for ((_, count, ()), right) in rows.iter().zip([2000, 1000]) {
            assert!(
                *count <= right && right <= count + missed,
                "{count} {missed}"
            );
        }
    }
}

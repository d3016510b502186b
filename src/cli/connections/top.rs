//! The clients, servers or services with the most entries.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs::Connection;

use super::super::args::Top;
use super::names::{Names, listen};

/// The address of each entry by client, or counts by server or service; there are few of those.
pub(super) enum Counts {
    /// Sorted at the end: a million clients take 4 MB (IPv6: 16), a map of them would take five
    /// times that.
    Clients { v4: Vec<u32>, v6: Vec<u128> },
    Few {
        top: Top,
        counts: HashMap<String, (u64, Connection)>,
    },
}

/// How far a list grows when it is full: doubling it would cost its size once more.
const GROWTH: usize = 256 * 1024;

/// One of the first.
pub(super) struct Row {
    pub(super) of: String,
    pub(super) name: Option<String>,
    pub(super) entries: u64,
}

impl Counts {
    pub(super) fn new(top: Top) -> Self {
        match top {
            Top::Clients => Self::Clients {
                v4: Vec::new(),
                v6: Vec::new(),
            },
            _ => Self::Few {
                top,
                counts: HashMap::new(),
            },
        }
    }

    pub(super) fn add(&mut self, connection: &Connection) {
        match self {
            Self::Clients { v4, v6 } => match connection.client.ip() {
                IpAddr::V4(address) => push(v4, address.to_bits()),
                IpAddr::V6(address) => push(v6, address.to_bits()),
            },
            Self::Few { top, counts } => {
                let key = match top {
                    Top::Servers => connection.server.to_string(),
                    Top::Services | Top::Clients => listen(connection),
                };
                counts
                    .entry(key)
                    .or_insert_with(|| (0, connection.clone()))
                    .0 += 1;
            }
        }
    }

    /// The first ones, the busiest first, and the number of different ones.
    pub(super) fn most(self, limit: usize, names: &Names) -> (Vec<Row>, usize) {
        let (mut rows, different) = match self {
            Self::Clients { v4, v6 } => {
                let (mut rows, first) =
                    runs(v4, limit, |bits| Ipv4Addr::from_bits(bits).to_string());
                let (more, second) = runs(v6, limit, |bits| Ipv6Addr::from_bits(bits).to_string());
                rows.extend(more);
                (rows, first + second)
            }
            Self::Few { top, counts } => {
                let different = counts.len();
                let rows = counts.into_iter().map(|(of, (entries, example))| {
                    let name = match top {
                        Top::Servers => names.server(&example),
                        Top::Services | Top::Clients => names.service(&example),
                    };
                    let name = name.map(str::to_owned);
                    Row { of, name, entries }
                });
                (rows.collect(), different)
            }
        };
        rows.sort_by(|a, b| b.entries.cmp(&a.entries).then_with(|| a.of.cmp(&b.of)));
        rows.truncate(limit);
        (rows, different)
    }
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
}

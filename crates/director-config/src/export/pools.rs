//! Which services of an exported file share a pool.
//!
//! Those that belong together: the same servers behind the same address, such as port 80 and 443,
//! or TCP and UDP of one name server. Two services that only happen to have equal servers today
//! keep a list each: a person who edits one of them does not mean the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipvs::{Fwmark, ServiceKey};
use serde_json::Value;

use super::group::Group;

/// The pools of a file.
pub(super) struct Pools<'g> {
    /// Names and servers.
    pub(super) lists: Vec<(&'g str, &'g Value)>,
    /// For each group the name of its pool.
    of: Vec<Option<&'g str>>,
}

/// What makes services belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Common {
    Address(IpAddr),
    /// The same mark for both address families.
    Mark(Fwmark),
}

impl<'g> Pools<'g> {
    /// The lists of at least two servers that services share. A pool is named after its first
    /// service.
    pub(super) fn of(groups: &'g [Group<'_>], lists: &'g [Value]) -> Self {
        let mut equal: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, (group, list)) in groups.iter().zip(lists).enumerate() {
            if group.entries.len() > 1 {
                equal.entry(list.to_string()).or_default().push(index);
            }
        }
        let mut pools = Self {
            lists: Vec::new(),
            of: vec![None; groups.len()],
        };
        for indices in equal.into_values().filter(|indices| indices.len() > 1) {
            for family in families(groups, &indices) {
                if let [first, _, ..] = family.as_slice() {
                    let name = groups[*first].name.as_str();
                    pools.lists.push((name, &lists[*first]));
                    for index in family {
                        pools.of[index] = Some(name);
                    }
                }
            }
        }
        pools
    }

    /// The pool of a group, by its number.
    pub(super) fn name(&self, group: usize) -> Option<&'g str> {
        self.of[group]
    }
}

/// Divides groups into those that belong together, directly or through a third one.
fn families(groups: &[Group<'_>], indices: &[usize]) -> Vec<Vec<usize>> {
    let mut families: Vec<(BTreeSet<Common>, Vec<usize>)> = Vec::new();
    let mut by_common: BTreeMap<Common, usize> = BTreeMap::new();
    for index in indices {
        let common = common(&groups[*index]);
        let mut joined: BTreeSet<usize> = BTreeSet::new();
        for one in &common {
            joined.extend(by_common.get(one));
        }
        let mut joined = joined.into_iter();
        let place = joined.next().unwrap_or_else(|| {
            families.push((BTreeSet::new(), Vec::new()));
            families.len() - 1
        });
        for other in joined {
            let (more, members) = std::mem::take(&mut families[other]);
            for one in &more {
                by_common.insert(*one, place);
            }
            families[place].0.extend(more);
            families[place].1.extend(members);
        }
        for one in &common {
            by_common.insert(*one, place);
        }
        families[place].0.extend(common);
        families[place].1.push(*index);
    }
    let mut families: Vec<Vec<usize>> = families.into_iter().map(|(_, members)| members).collect();
    families
        .iter_mut()
        .for_each(|members| members.sort_unstable());
    families
}

fn common(group: &Group<'_>) -> BTreeSet<Common> {
    let keys = group.members.iter().map(|(key, _)| match key {
        ServiceKey::Address { address, .. } => Common::Address(*address),
        ServiceKey::Fwmark { mark, .. } => Common::Mark(*mark),
    });
    keys.collect()
}

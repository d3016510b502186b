//! How many entries the servers have: as a kernel counts them, and as a reading of its table has them.
//!
//! The kernel counts every entry that belongs to a server, by netlink active and inactive connections
//! and templates. What counts less than the kernel has lost entries, or has not seen the youngest.
//! Servers are told apart by their addresses alone: the port of an entry is not always that of the
//! server that counts it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipvs::{Connection, ServiceFlags, Table};
use ipvs_sync::Entry;
use serde::{Deserialize, Serialize};

use crate::outgoing::is_template;

/// The connections and the templates of servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts(BTreeMap<IpAddr, [u64; 2]>);

/// A server with fewer entries than it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Short {
    /// Its address.
    pub server: IpAddr,
    /// How many are missing.
    pub missing: u64,
    /// Of how many.
    pub of: u64,
}

impl Counts {
    /// As the kernel counts.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let mut counts = Self::default();
        // Entries for one packet are counted, and never in the table.
        let services = table.services.iter().filter(|service| {
            let flags = service.entry.service.flags;
            !flags.contains(ServiceFlags::ONE_PACKET)
        });
        let servers = services.flat_map(|service| &service.servers);
        for server in servers {
            let [connections, templates] = counts.at(server.server.key.address);
            *connections += u64::from(server.active) + u64::from(server.inactive);
            *templates += u64::from(server.persistent);
        }
        counts
    }

    /// Counts a line of the table.
    pub fn read(&mut self, connection: &Connection) {
        self.at(connection.server.ip())[usize::from(is_template(connection))] += 1;
    }

    /// Counts an entry.
    pub fn add(&mut self, entry: &Entry) {
        self.at(entry.server.ip())[usize::from(entry.is_template())] += 1;
    }

    fn at(&mut self, server: IpAddr) -> &mut [u64; 2] {
        self.0.entry(server).or_default()
    }

    /// The smaller count of each server: what was there before and afterwards.
    #[must_use]
    pub fn least(mut self, other: &Self) -> Self {
        for (server, counts) in &mut self.0 {
            let others = other.0.get(server).copied().unwrap_or_default();
            for (own, other) in counts.iter_mut().zip(others) {
                *own = other.min(*own);
            }
        }
        self
    }

    /// The servers with fewer entries here than in `those`.
    #[must_use]
    pub fn short_of(&self, those: &Self) -> Vec<Short> {
        let all = those.0.iter();
        let short = all.filter_map(|(server, expected)| {
            let own = self.0.get(server).copied().unwrap_or_default();
            let missing = expected.iter().zip(own);
            let missing = missing.map(|(expected, own)| expected.saturating_sub(own));
            let missing: u64 = missing.sum();
            (missing > 0).then_some(Short {
                server: *server,
                missing,
                of: expected.iter().sum(),
            })
        });
        short.collect()
    }
}

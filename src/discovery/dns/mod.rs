//! `type = "dns"`: the addresses of a name, or the servers that its SRV records name.
//!
//! A name that does not exist, a resolver that fails and silence are no lists. `NOERROR` without a
//! record is an empty one.

mod message;
mod resolver;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use self::message::{Record, Records, Srv};
use super::listed::{Answer, Answered, Listed, Place};
use crate::state::discovery::{DnsSource, RecordType};

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long all questions for one list may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks, and says when to ask again: when the first record expires, within the limits of the source.
pub(super) fn ask(source: &DnsSource) -> Answered {
    let mut ttl = None;
    let answer = match servers(source, &mut ttl) {
        Ok(servers) => Answer::Servers(servers),
        Err(why) => Answer::Failed(why),
    };
    let again = match (&answer, ttl) {
        // Records that list nothing have no TTL of their own.
        (Answer::Failed(_), _) | (_, None) => source.min_ttl,
        (_, Some(ttl)) => ttl.clamp(source.min_ttl, source.max_ttl),
    };
    Answered { answer, again }
}

fn servers(source: &DnsSource, ttl: &mut Option<Duration>) -> Result<Vec<(Place, Listed)>, String> {
    let resolvers = match source.resolvers.is_empty() {
        true => resolver::of_system(Path::new(RESOLV_CONF))?,
        false => source.resolvers.clone(),
    };
    let mut asker = Asker {
        resolvers: &resolvers,
        known: BTreeMap::new(),
        end: Instant::now() + PATIENCE,
        ttl,
    };
    if source.record == RecordType::Srv {
        return asker.srv(&source.name);
    }
    let addresses = asker.addresses(&source.name, source.record)?;
    let listed = addresses.into_iter();
    Ok(listed
        .map(|address| ((address, None), Listed::default()))
        .collect())
}

struct Asker<'a> {
    resolvers: &'a [SocketAddr],
    /// The addresses of names that were asked for: many SRV records may name one machine.
    known: BTreeMap<String, Vec<IpAddr>>,
    /// When the whole answer takes too long.
    end: Instant,
    ttl: &'a mut Option<Duration>,
}

impl Asker<'_> {
    fn records(&mut self, name: &str, records: Records) -> Result<Vec<Record>, String> {
        if Instant::now() > self.end {
            let seconds = PATIENCE.as_secs();
            return Err(format!("{name}: no whole answer within {seconds}s"));
        }
        let found = resolver::ask(self.resolvers, name, records)?;
        let ttls = self.ttl.iter().copied().chain(found.ttl);
        *self.ttl = ttls.min();
        Ok(found.records)
    }

    /// The addresses of a name, in order and each once.
    fn addresses(&mut self, name: &str, which: RecordType) -> Result<Vec<IpAddr>, String> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let types: &[Records] = match which {
            RecordType::A => &[Records::A],
            RecordType::Aaaa => &[Records::Aaaa],
            RecordType::Address | RecordType::Srv => &[Records::A, Records::Aaaa],
        };
        let mut addresses = Vec::new();
        for records in types {
            for record in self.records(name, *records)? {
                if let Record::Address(address) = record {
                    addresses.push(address);
                }
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        self.known.insert(name.to_owned(), addresses.clone());
        Ok(addresses)
    }

    /// The servers of a service, RFC 2782. Those with the best priority serve, the others are
    /// backup servers. A name without an address fails the whole answer: half of a list is none.
    fn srv(&mut self, name: &str) -> Result<Vec<(Place, Listed)>, String> {
        let records = self.records(name, Records::Srv)?;
        let mut all: Vec<Srv> = records
            .into_iter()
            .filter_map(|record| match record {
                Record::Srv(srv) => Some(srv),
                Record::Address(_) => None,
            })
            .collect();
        // The root as target: "decidedly not available at this domain".
        all.retain(|srv| !srv.target.is_empty() && srv.target != ".");
        let best = all.iter().map(|srv| srv.priority).min();
        let is_weighted = all.iter().any(|srv| srv.weight > 0);
        let mut servers: BTreeMap<Place, Listed> = BTreeMap::new();
        for srv in all {
            let addresses = self.addresses(&srv.target, RecordType::Srv)?;
            if addresses.is_empty() {
                return Err(format!("{} has no address", srv.target));
            }
            let listed = Listed {
                name: None,
                // Weight 0 is the least, not none; where all have it, it says nothing.
                weight: is_weighted.then(|| u32::from(srv.weight).max(1)),
                is_backup: Some(srv.priority) != best,
            };
            for address in addresses {
                let place = (address, Some(srv.port));
                let there = servers.entry(place).or_insert_with(|| listed.clone());
                there.is_backup &= listed.is_backup;
            }
        }
        Ok(servers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;

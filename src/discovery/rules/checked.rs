//! Which answers are lists.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{Pool, shown, takes_clients};
use crate::config::name_problem;
use crate::discovery::listed::{Answer, List, Listed, Place};
use crate::words::{count, printable};

impl Pool {
    /// The list of an answer, if it is one.
    pub(super) fn checked(&self, answer: Answer) -> Result<List, String> {
        let servers = match answer {
            Answer::Servers(servers) => servers,
            Answer::Failed(why) => return Err(why),
        };
        let most = usize::try_from(self.rules.max_servers).unwrap_or(usize::MAX);
        if servers.len() > most {
            let servers = count(servers.len(), "server", "servers");
            return Err(format!("a list of {servers}, and `max_servers` is {most}"));
        }
        let serves = servers.iter().any(|(_, listed)| takes_clients(listed));
        if !serves && !self.rules.allow_empty && !self.is_still_empty() {
            let what = match servers.is_empty() {
                true => "an empty list",
                false => "a list of servers that all have weight 0",
            };
            let stay = count(self.servers.len(), "server stays", "servers stay");
            return Err(format!("{what}: {stay}, as `allow_empty` is false"));
        }
        let mut names = BTreeSet::new();
        for (place, listed) in &servers {
            if let Some(name) = &listed.name {
                named(name)?;
                if !names.insert(name) {
                    return Err(format!("the list has two servers named `{name}`"));
                }
            }
            if let Some(problem) = problem(*place) {
                let place = shown(*place);
                return Err(format!("the list has the server {place}: {problem}"));
            }
        }
        listed_once(servers)
    }

    /// Whether there is no server that a list without any could take clients from.
    fn is_still_empty(&self) -> bool {
        let mut members = self.servers.values().map(|member| &member.listed);
        let mut wanted = self.wanted.iter().flat_map(BTreeMap::values);
        !members.any(takes_clients) && !wanted.any(takes_clients)
    }
}

/// Whether a server can have this name.
fn named(name: &str) -> Result<(), String> {
    let is_address = || name.parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok();
    let problem = name_problem(name).or_else(|| is_address().then_some("it is an address"));
    match problem {
        None => Ok(()),
        Some(problem) => {
            let name = printable(name);
            Err(format!("the list has the name `{name}`: {problem}"))
        }
    }
}

/// The list, unless a server is in it twice. Of one address, a place without a port comes first.
fn listed_once(mut servers: Vec<(Place, Listed)>) -> Result<List, String> {
    servers.sort_unstable_by_key(|(place, _)| *place);
    for pair in servers.windows(2) {
        let [(first, _), (second, _)] = pair else {
            continue;
        };
        if first == second {
            return Err(format!("the list has {} twice", shown(*first)));
        }
        // The port of the service may be the same one.
        if first.0 == second.0 && first.1.is_none() {
            let address = first.0;
            return Err(format!("the list has {address} with and without a port"));
        }
    }
    // From what is sorted, a map is made without a search.
    Ok(servers.into_iter().collect())
}

/// Why no server can be there.
fn problem((address, port): Place) -> Option<&'static str> {
    let address = address.to_canonical();
    if port == Some(0) {
        return Some("port 0 is none");
    }
    match address {
        IpAddr::V4(address) if address.is_unspecified() || address.octets()[0] == 0 => {}
        IpAddr::V4(address) if address.is_broadcast() || address.is_multicast() => {}
        IpAddr::V4(address) if address.octets()[0] >= 240 => {}
        IpAddr::V6(address) if address.is_unspecified() || address.is_multicast() => {}
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            return Some("a link-local address belongs to one link only");
        }
        _ => return None,
    }
    Some("not a unicast address")
}

//! Which answers are lists.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{Pool, shown, takes_clients};
use crate::config::name_problem;
use crate::discovery::listed::{Answer, List, Place};
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
        let mut list = List::new();
        let mut names = BTreeSet::new();
        for (place, listed) in servers {
            if let Some(name) = &listed.name
                && let Some(problem) = name_problem(name).or_else(|| {
                    let is_address =
                        name.parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok();
                    is_address.then_some("it is an address")
                })
            {
                let name = printable(name);
                return Err(format!("the list has the name `{name}`: {problem}"));
            }
            if let Some(name) = listed
                .name
                .as_ref()
                .filter(|name| !names.insert((*name).clone()))
            {
                return Err(format!("the list has two servers named `{name}`"));
            }
            if let Some(problem) = problem(place) {
                return Err(format!(
                    "the list has the server {}: {problem}",
                    shown(place)
                ));
            }
            if list.insert(place, listed).is_some() {
                return Err(format!("the list has {} twice", shown(place)));
            }
        }
        // The port of the service may be the same one.
        let mut ports = list.keys().filter(|(_, port)| port.is_some());
        if let Some(place) = ports.find(|(address, _)| list.contains_key(&(*address, None))) {
            let address = place.0;
            return Err(format!("the list has {address} with and without a port"));
        }
        Ok(list)
    }

    /// Whether there is no server that a list without any could take clients from.
    fn is_still_empty(&self) -> bool {
        let mut members = self.servers.values().map(|member| &member.listed);
        let mut wanted = self.wanted.iter().flat_map(BTreeMap::values);
        !members.any(takes_clients) && !wanted.any(takes_clients)
    }
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

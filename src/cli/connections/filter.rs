//! Which entries of the connection table are wanted.

use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use ipvs::{Connection, Protocol, ServerKey, ServiceKey};

use super::super::args::Connections as Verb;
use super::names::{Names, protocol};

/// Each list is a choice; an empty one lets everything through.
#[derive(Debug, Default)]
pub(super) struct Filter {
    services: Vec<(Protocol, SocketAddr)>,
    servers: Vec<SocketAddr>,
    clients: Vec<Net>,
    states: Vec<String>,
}

impl Filter {
    /// The filter that the options describe. `why`: why no director could be asked for names.
    pub(super) fn new(verb: &Verb, names: &Names, why: Option<&str>) -> anyhow::Result<Self> {
        let mut filter = Self {
            clients: verb.client.clone(),
            states: verb.state.clone(),
            ..Self::default()
        };
        let unknown = |kind: &str, word: &str| match why {
            Some(why) => anyhow::anyhow!("`{word}` is no address, and there are no names: {why}"),
            None => anyhow::anyhow!("no {kind} `{word}`; `director status` lists them"),
        };
        for word in &verb.service {
            let mut keys: Vec<ServiceKey> = names.services(word).map(|it| it.listen).collect();
            keys.extend(word.parse::<ServiceKey>().ok().filter(|_| keys.is_empty()));
            if keys.is_empty() {
                return Err(unknown("service", word));
            }
            for key in keys {
                let ServiceKey::Address {
                    protocol,
                    address,
                    port,
                } = key
                else {
                    bail!(
                        "the connection table does not show the mark of `{word}` ({key}); select \
                         its connections by --server or --client"
                    );
                };
                filter
                    .services
                    .push((protocol, SocketAddr::new(address, port)));
            }
        }
        for word in &verb.server {
            let named: Vec<SocketAddr> = names.servers(word).collect();
            if !named.is_empty() {
                filter.servers.extend(named);
            } else if let Ok(address) = word.parse::<IpAddr>() {
                filter.servers.push(SocketAddr::new(address, 0));
            } else if let Ok(key) = word.parse::<ServerKey>() {
                filter.servers.push(SocketAddr::new(key.address, key.port));
            } else {
                return Err(unknown("server", word));
            }
        }
        Ok(filter)
    }

    pub(super) fn lets_through(&self, connection: &Connection) -> bool {
        let any_port = |wanted: &SocketAddr, found: SocketAddr| {
            wanted.ip() == found.ip() && (wanted.port() == 0 || wanted.port() == found.port())
        };
        let service = |(wanted, address): &(Protocol, SocketAddr)| {
            protocol(connection) == Some(*wanted) && any_port(address, connection.virtual_service)
        };
        let state = |state: &String| connection.state.to_string().eq_ignore_ascii_case(state);
        (self.states.is_empty() || self.states.iter().any(state))
            && (self.clients.is_empty()
                || self
                    .clients
                    .iter()
                    .any(|net| net.has(connection.client.ip())))
            && (self.servers.is_empty()
                || self
                    .servers
                    .iter()
                    .any(|it| any_port(it, connection.server)))
            && (self.services.is_empty() || self.services.iter().any(service))
    }
}

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Net {
    address: IpAddr,
    bits: u32,
}

impl Net {
    fn has(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let differs = net.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= self.bits
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let differs = net.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake =
            || format!("`{text}` is no network; one is 10.0.0.0/8, 2001:db8::/32 or an address");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| mistake())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| mistake())?,
            None => most,
        };
        if bits > most {
            return Err(mistake());
        }
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has =
            |net: &str, address: &str| net.parse::<Net>().unwrap().has(address.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1"));
        assert!(!has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("192.0.2.7", "192.0.2.7") && !has("192.0.2.7", "192.0.2.6"));
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1"));
        assert!(has("2001:db8::/32", "2001:db8:1::1") && has("::/0", "::1"));
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a",
            "10.0.0.0/8/8",
        ] {
            assert!(wrong.parse::<Net>().is_err(), "{wrong}");
        }
    }
}

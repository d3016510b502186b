//! Which entries of the connection table are wanted.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipvs::{Connection, Protocol, ServerKey, ServiceKey};

use super::names::{Names, protocol};
use crate::state::relay;

/// Each list is a choice; an empty one lets everything through.
#[derive(Debug, Default)]
pub struct Filter {
    services: Vec<(Protocol, SocketAddr)>,
    servers: Vec<SocketAddr>,
    clients: Vec<Net>,
    states: Vec<String>,
}

/// The words that a filter is made of.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Services: names in the file, or listen addresses.
    pub services: Vec<String>,
    /// Servers: names in the file, addresses, or addresses and ports.
    pub servers: Vec<String>,
    /// Networks of clients.
    pub clients: Vec<Net>,
    /// States as the kernel spells them, in any case.
    pub states: Vec<String>,
}

/// A word that no filter can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// No service or server has this name, and it is no address.
    Word {
        /// `service` or `server`.
        kind: &'static str,
        /// The word.
        word: String,
    },
    /// A service of a firewall mark.
    Mark {
        /// The word.
        word: String,
        /// The service.
        key: ServiceKey,
    },
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word { kind, word } => {
                write!(f, "no {kind} `{word}`; `director status` lists them")
            }
            Self::Mark { word, key } => write!(
                f,
                "the connection table does not show the mark of `{word}` ({key}); select its \
                 connections by server or client"
            ),
        }
    }
}

impl std::error::Error for NotFound {}

impl Filter {
    /// The filter that the words describe.
    ///
    /// # Errors
    /// The first word that means nothing.
    pub fn new(wanted: Wanted, names: &Names) -> Result<Self, NotFound> {
        let mut filter = Self {
            clients: wanted.clients,
            states: wanted.states,
            ..Self::default()
        };
        for word in wanted.services {
            filter.add_service(word, names)?;
        }
        for word in wanted.servers {
            let named: Vec<SocketAddr> = names.servers(&word).collect();
            if !named.is_empty() {
                filter.servers.extend(named);
            } else if let Ok(address) = word.parse::<IpAddr>() {
                filter.servers.push(SocketAddr::new(address, 0));
            } else if let Ok(key) = word.parse::<ServerKey>() {
                filter.servers.push(SocketAddr::new(key.address, key.port));
            } else {
                let kind = "server";
                return Err(NotFound::Word { kind, word });
            }
        }
        // A server of many services is there once.
        filter.servers.sort_unstable();
        filter.servers.dedup();
        Ok(filter)
    }

    fn add_service(&mut self, word: String, names: &Names) -> Result<(), NotFound> {
        let mut keys: Vec<ServiceKey> = names.services(&word).collect();
        keys.extend(word.parse::<ServiceKey>().ok().filter(|_| keys.is_empty()));
        if keys.is_empty() {
            let kind = "service";
            return Err(NotFound::Word { kind, word });
        }
        for key in keys {
            let ServiceKey::Address {
                protocol,
                address,
                port,
            } = key
            else {
                return Err(NotFound::Mark { word, key });
            };
            let address = SocketAddr::new(address, port);
            self.services.push((protocol, address));
        }
        Ok(())
    }

    /// Whether an entry is wanted. Director's own for the relay never is.
    #[must_use]
    pub fn lets_through(&self, connection: &Connection) -> bool {
        if connection.virtual_service == relay::PULSE {
            return false;
        }
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
pub struct Net {
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

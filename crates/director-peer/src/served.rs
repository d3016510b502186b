//! What a director serves, as digests that its peers compare with their own.

use std::collections::BTreeMap;
use std::fmt;

use ipvs::{Netmask, Server, Service, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Everything that a director serves by its file, by listen address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Served(BTreeMap<String, Digests>);

/// The digests of one virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digests {
    /// Of scheduler, flags, persistence.
    settings: u64,
    /// Of the servers' addresses, whatever their order.
    servers: u64,
    /// Of the servers in their order, with forwarding method, tunnel and thresholds.
    order: u64,
    /// Of their weights.
    weights: u64,
}

impl Served {
    /// Adds a service with its servers, as the file declares them.
    pub fn add<'s>(&mut self, service: &Service, servers: impl Iterator<Item = &'s Server>) {
        let mut settings = Digest::new();
        let netmask = match service.netmask {
            Netmask::V4(mask) => mask.to_bits(),
            Netmask::V6(length) => length,
        };
        settings.text(service.scheduler.as_bytes());
        settings.number(service.flags.bits().into());
        settings.number(service.timeout.into());
        settings.number(netmask.into());
        settings.text(service.engine.as_ref().map_or(b"", |name| name.as_bytes()));
        let mut digests = Digests {
            settings: settings.value(),
            servers: 0,
            order: 0,
            weights: 0,
        };
        let (mut order, mut weights) = (Digest::new(), Digest::new());
        for server in servers {
            let mut key = Digest::new();
            key.text(server.key.to_string().as_bytes());
            // A sum does not depend on the order.
            digests.servers = digests.servers.wrapping_add(key.value());
            order.number(key.value());
            order.number(server.forward.number().into());
            let tunnel = server.tunnel;
            order.number(tunnel.kind.number().into());
            order.number(tunnel.port.into());
            order.number(tunnel.flags.bits().into());
            order.number(server.upper_threshold.into());
            order.number(server.lower_threshold.into());
            weights.number(server.weight.get().into());
        }
        (digests.order, digests.weights) = (order.value(), weights.value());
        self.0.insert(service.key.to_string(), digests);
    }

    /// The digest of all of it.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut all = Digest::new();
        for (name, digests) in &self.0 {
            all.text(name.as_bytes());
            for number in [
                digests.settings,
                digests.servers,
                digests.order,
                digests.weights,
            ] {
                all.number(number);
            }
        }
        all.value()
    }

    /// The services behind this one, at most `most`; and whether there are more.
    #[must_use]
    pub fn page(&self, after: Option<&str>, most: usize) -> (BTreeMap<String, Digests>, bool) {
        let behind = self
            .0
            .iter()
            .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
        let mut behind = behind.map(|(name, digests)| (name.clone(), *digests));
        let page: BTreeMap<_, _> = behind.by_ref().take(most).collect();
        (page, behind.next().is_some())
    }

    /// Takes in a page of a peer's.
    pub fn extend(&mut self, page: BTreeMap<String, Digests>) {
        self.0.extend(page);
    }

    /// The number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it serves nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has this service.
    #[must_use]
    pub fn has(&self, service: &ServiceKey) -> bool {
        self.0.contains_key(&service.to_string())
    }

    /// What a peer serves differently, by service; at most `most`, then a count.
    #[must_use]
    pub fn differences(&self, peer: &Self, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut more = 0_usize;
        let mut say = |text: String| {
            if found.len() < most {
                found.push(text);
            } else {
                more += 1;
            }
        };
        for (name, own) in &self.0 {
            match peer.0.get(name) {
                None => say(format!("{name}: only here")),
                Some(theirs) => {
                    if let Some(what) = own.difference(theirs) {
                        say(format!("{name}: {what}"));
                    }
                }
            }
        }
        for name in peer.0.keys().filter(|name| !self.0.contains_key(*name)) {
            say(format!("{name}: only there"));
        }
        if more > 0 {
            found.push(format!("and {more} more"));
        }
        found
    }
}

impl Digests {
    fn difference(&self, other: &Self) -> Option<Difference> {
        if self.servers != other.servers {
            Some(Difference::Servers)
        } else if self.settings != other.settings {
            Some(Difference::Settings)
        } else if self.order != other.order {
            Some(Difference::Order)
        } else if self.weights != other.weights {
            Some(Difference::Weights)
        } else {
            None
        }
    }
}

/// What differs first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    Servers,
    Settings,
    Order,
    Weights,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Servers => "other servers",
            Self::Settings => "another scheduler, flags or persistence",
            Self::Order => "another order, forwarding method or thresholds of the servers",
            Self::Weights => "other weights",
        })
    }
}

#[cfg(test)]
mod tests {
    use ipvs::{ForwardMethod, ServerKey, Weight};

    use super::*;

    fn server(last: u8) -> Server {
        Server::new(
            ServerKey::new([10, 0, 0, last], 80),
            ForwardMethod::DirectRoute,
        )
    }

    fn served(services: &[(u16, &[Server])]) -> Served {
        let mut served = Served::default();
        for (port, servers) in services {
            let key = ServiceKey::tcp([192, 0, 2, 10], *port);
            served.add(&Service::new(key, Service::WLC), servers.iter());
        }
        served
    }

    #[test]
    fn each_difference_is_named() {
        let (one, two) = (server(1), server(2));
        let heavy = server(2).weight(Weight::new(9).unwrap());
        let here = served(&[
            (80, &[one, two]),
            (81, &[one]),
            (82, &[one, two]),
            (83, &[two]),
        ]);
        let there = served(&[
            (80, &[two, one]),
            (81, &[two]),
            (82, &[one, heavy]),
            (84, &[]),
        ]);
        assert_ne!(here.digest(), there.digest());
        let found = here.differences(&there, 9);
        assert_eq!(
            found,
            [
                "tcp://192.0.2.10:80: another order, forwarding method or thresholds of the servers",
                "tcp://192.0.2.10:81: other servers",
                "tcp://192.0.2.10:82: other weights",
                "tcp://192.0.2.10:83: only here",
                "tcp://192.0.2.10:84: only there",
            ]
        );
        assert_eq!(here.differences(&there, 1)[1], "and 4 more");
        let mut other = Served::default();
        let key = ServiceKey::tcp([192, 0, 2, 10], 83);
        other.add(&Service::new(key, Service::RR), [two].iter());
        let found = served(&[(83, &[two])]).differences(&other, 9);
        assert_eq!(
            found,
            ["tcp://192.0.2.10:83: another scheduler, flags or persistence"]
        );
        assert!(here.differences(&here, 9).is_empty());
    }

    #[test]
    fn pages_make_the_whole() {
        let here = served(&[(80, &[]), (81, &[]), (82, &[])]);
        let mut there = Served::default();
        let (mut after, mut more) = (None, true);
        while more {
            let (page, rest) = here.page(after.as_deref(), 2);
            after = page.keys().last().cloned();
            there.extend(page);
            more = rest;
        }
        assert_eq!(there, here);
        assert_eq!((here.len(), here.is_empty()), (3, false));
        assert!(here.has(&ServiceKey::tcp([192, 0, 2, 10], 80)));
    }
}

//! Looks up the services and servers that an operator names.

use std::net::IpAddr;

use ipvs::{ServerKey, ServiceKey};

use super::Core;
use crate::control::operator::{Refusal, RefusalKind, ServerRequest};
use crate::daemon::messages::Member;

/// The most names suggested if none matches.
const OFFERED: usize = 8;

impl Core {
    /// The servers of a request: one name can stand for several listen addresses, and without a
    /// service a server is meant wherever it is.
    pub(super) fn members(&self, request: &ServerRequest) -> Result<Vec<Member>, Refusal> {
        let services = match &request.service {
            Some(name) => self.services_named(name)?,
            None => self.services.keys().copied().collect(),
        };
        let mut members = Vec::new();
        for key in &services {
            let found = self.servers_named(key, &request.server);
            members.extend(found.into_iter().map(|server| (*key, server)));
        }
        if members.is_empty() {
            let known = services.iter().flat_map(|key| self.server_names(key));
            let place = request.service.as_deref().unwrap_or("the file");
            let refusal = not_found("server", &request.server, place, known);
            return Err(match self.services_named(&request.server) {
                Ok(_) if request.service.is_none() => is_a_service(&request.server, refusal),
                _ => refusal,
            });
        }
        Ok(members)
    }

    fn services_named(&self, name: &str) -> Result<Vec<ServiceKey>, Refusal> {
        let named: Vec<ServiceKey> = self
            .services
            .iter()
            .filter(|(_, service)| *service.declared.name == *name)
            .map(|(key, _)| *key)
            .collect();
        if !named.is_empty() {
            return Ok(named);
        }
        if let Ok(key) = name.parse::<ServiceKey>()
            && self.services.contains_key(&key)
        {
            return Ok(vec![key]);
        }
        let known = self
            .services
            .values()
            .map(|service| service.declared.name.to_string());
        Err(not_found("service", name, "the file", known))
    }

    fn servers_named(&self, key: &ServiceKey, name: &str) -> Vec<ServerKey> {
        let Some(service) = self.services.get(key) else {
            return Vec::new();
        };
        let address: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
        let exact: Option<ServerKey> = name.parse().ok();
        let held_over = service.held_over.keys();
        let is_meant = |server: &&ServerKey| {
            let declared = service.server(server).and_then(|server| server.name());
            declared == Some(name) || exact == Some(**server) || address == Some(server.address)
        };
        let all = service.servers.keys().chain(held_over);
        all.filter(is_meant).copied().collect()
    }

    /// The addresses of the named machine, over all services.
    pub(super) fn machine(&self, name: &str) -> Result<Vec<IpAddr>, Refusal> {
        if let Ok(address) = name.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let mut addresses: Vec<IpAddr> = self
            .services
            .keys()
            .flat_map(|key| self.servers_named(key, name))
            .map(|server| server.address)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            let known = self.services.keys().flat_map(|key| self.server_names(key));
            return Err(not_found("server", name, "the file", known));
        }
        Ok(addresses)
    }

    /// Refuses a machine that no service has and that has no setting: otherwise a mistyped address
    /// would be confirmed, and the intended machine would stay in.
    pub(super) fn knows_machine(&self, name: &str) -> Result<(), Refusal> {
        let is_known = |address: &IpAddr| {
            self.has_machine(*address) || self.settings.disabled.contains_key(address)
        };
        if self.machine(name)?.iter().any(is_known) {
            return Ok(());
        }
        let known = self.services.keys().flat_map(|key| self.server_names(key));
        Err(not_found("server", name, "the file", known))
    }

    /// Whether a service has a server at this address, including sorry servers.
    pub(super) fn has_machine(&self, address: IpAddr) -> bool {
        self.services.values().any(|service| {
            let servers = service.servers.keys().chain(service.held_over.keys());
            let mut all = servers.chain(service.watch.sorry.keys());
            all.any(|server| server.address == address)
        })
    }

    fn server_names(&self, key: &ServiceKey) -> Vec<String> {
        let Some(service) = self.services.get(key) else {
            return Vec::new();
        };
        let named = |server: &ServerKey| {
            let name = service.server(server).and_then(|server| server.name());
            name.map_or_else(|| server.to_string(), str::to_owned)
        };
        service.servers.keys().map(named).collect()
    }
}

/// A service where a server was asked for.
fn is_a_service(name: &str, refusal: Refusal) -> Refusal {
    let Refusal { kind, message } = refusal;
    Refusal {
        kind,
        message: format!("`{name}` is a service; name a server of it, too; {message}"),
    }
}

fn not_found(what: &str, name: &str, place: &str, known: impl Iterator<Item = String>) -> Refusal {
    let mut known: Vec<String> = known.collect();
    known.sort_unstable();
    known.dedup();
    if known.is_empty() {
        return Refusal {
            kind: RefusalKind::NotFound,
            message: format!("{place} has no {what} `{name}`, or any other"),
        };
    }
    let more = if known.len() > OFFERED { ", ..." } else { "" };
    known.truncate(OFFERED);
    Refusal {
        kind: RefusalKind::NotFound,
        message: format!(
            "{place} has no {what} `{name}`; there are: {}{more}",
            known.join(", ")
        ),
    }
}

//! Private services of the director: those of checks through the forwarding path.

use std::collections::BTreeMap;

use ipvs::{ForwardMethod, Service, ServiceFlags, ServiceKey};

use super::health::MarkRange;
use super::{Observed, ObservedService};

/// Whether a service has a firewall mark in this range.
#[must_use]
pub const fn is_private(key: &ServiceKey, marks: &MarkRange) -> bool {
    match key {
        ServiceKey::Fwmark { mark, .. } => marks.contains(mark.get()),
        ServiceKey::Address { .. } => false,
    }
}

impl Observed {
    /// Moves the private services of this mark range into [`Observed::private`].
    ///
    /// Another program's service that happens to have such a mark stays: a private one is round
    /// robin, has no persistence and yet a timeout, and at most one server, behind direct routing
    /// or a tunnel.
    pub fn hide_private(&mut self, marks: &MarkRange) {
        let (private, services): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.services)
                .into_iter()
                .partition(|(key, service)| is_private(key, marks) && service.looks_private());
        self.services = services;
        self.private.extend(private);
    }
}

impl ObservedService {
    /// Whether it has the properties of a private service, whatever its mark.
    #[must_use]
    pub fn looks_private(&self) -> bool {
        let service = &self.service;
        let mut methods = self.servers.values().map(|entry| entry.server.forward);
        service.scheduler == Service::RR
            && service.flags == ServiceFlags::empty()
            && service.timeout != 0
            && service.engine.is_none()
            && self.servers.len() <= 1
            && methods
                .all(|method| matches!(method, ForwardMethod::DirectRoute | ForwardMethod::Tunnel))
    }
}

//! Services that are the director's own affair: those of checks through the forwarding path.

use std::collections::BTreeMap;

use ipvs::{ForwardMethod, Service, ServiceFlags, ServiceKey};

use super::health::MarkRange;
use super::{Observed, ObservedService};

/// Whether a service is one of a firewall mark in that range.
#[must_use]
pub const fn is_private(key: &ServiceKey, marks: &MarkRange) -> bool {
    match key {
        ServiceKey::Fwmark { mark, .. } => marks.contains(mark.get()),
        ServiceKey::Address { .. } => false,
    }
}

impl Observed {
    /// Moves the private services of that mark range out of sight, into [`Observed::private`].
    ///
    /// A service of somebody else's that happens to have such a mark stays: a private one is
    /// round robin, not persistent and yet with a time-out, and has one server at the most, behind
    /// direct routing or a tunnel.
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
    /// Whether it is made as the private services are, whatever its mark.
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

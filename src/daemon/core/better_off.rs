//! Health beside that of other directors: addresses move only to one that is better off, and never
//! away from the best of bad ones.
//!
//! The connection between peers advises. Without it, or beside a director that does not say how it
//! is, each lowers its priority by its own health alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::peers::PeersState;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::daemon::common::span;
use crate::state::BootTime;
use crate::state::failover::Failover;

/// A peer says once a second how it is; its state may be two seconds old.
const ASKED: Duration = Duration::from_secs(3);

/// How a section stands beside the same addresses elsewhere.
#[derive(Debug, Default)]
pub(super) struct BesideOthers {
    /// Since when a peer has been better off.
    better: Option<BootTime>,
    /// Whether it was said that none is.
    said: bool,
}

impl PeersState {
    /// What health takes off the priority of the peer that is best off, and its name.
    fn best_off(&self, section: &Failover) -> Option<(u32, Arc<str>)> {
        let addresses = || {
            let routers = section.routers.iter();
            routers.flat_map(|router| router.addresses.iter().map(|held| held.address))
        };
        let peers = self.shown.values().filter(|peer| peer.up);
        let said = peers.filter_map(|peer| {
            let of = |lowered: &BTreeMap<IpAddr, u32>| {
                addresses()
                    .filter_map(|one| lowered.get(&one).copied())
                    .max()
            };
            Some((of(&peer.lowered)?, Arc::clone(&peer.name)))
        });
        said.min()
    }
}

impl Core {
    /// What is taken off the priority of a section that its own health lowers by `own`; `before`:
    /// what was taken off until now.
    pub(super) fn beside_others(
        &mut self,
        section: &Failover,
        own: u32,
        before: u32,
        now: Now,
    ) -> u32 {
        let name = &section.name;
        let shown = self.failover.shown.get(name);
        let holds = shown.is_some_and(|status| status.role.holds());
        let best = self
            .peers
            .best_off(section)
            .filter(|_| holds && own > before);
        let Some((theirs, peer)) = best else {
            self.failover.beside.remove(name);
            return own;
        };
        let settled = self.slowest(section).saturating_add(ASKED);
        let beside = self.failover.beside.entry(Arc::clone(name)).or_default();
        if theirs < own {
            // It may be about to find the same.
            let since = *beside.better.get_or_insert(now.boot);
            if now.boot >= since.after(settled) {
                self.failover.beside.remove(name);
                return own;
            }
        } else {
            beside.better = None;
            if !std::mem::replace(&mut beside.said, true) {
                let text = format!(
                    "`{name}` keeps its priority: its services are not well, and `{peer}`, the best \
                     of its peers, is no better off"
                );
                self.event(EventKind::FailoverKept, Subject::None, text, now);
            }
        }
        before
    }

    /// How much later another director may find what this one found.
    fn slowest(&self, section: &Failover) -> Duration {
        let services = self.services.values().filter(|service| {
            section
                .services()
                .any(|name| *name == service.declared.name)
        });
        let servers = services.flat_map(|service| service.servers.values());
        let checks = servers.flat_map(|server| server.checks.iter());
        let spans = checks.filter_map(|id| Some(span(&self.targets.record(*id)?.0.pace)));
        spans.max().unwrap_or_default()
    }
}

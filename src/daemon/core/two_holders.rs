//! Two directors that hold the same addresses. VRRP does not notice while their adverts do not reach
//! each other; the channel between them does.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::state::BootTime;

/// At a takeover both hold them for a moment, and what a peer said may be two seconds old.
const MOMENT: Duration = Duration::from_secs(5);

/// That a peer holds addresses that this director holds.
#[derive(Debug)]
pub(super) struct Both {
    since: BootTime,
    said: bool,
}

impl Core {
    /// Says when a peer and this director hold the same addresses, and when that is over.
    pub(super) fn look_for_two_holders(&mut self, now: Now) {
        if self.peers.shown.is_empty() {
            return;
        }
        let holding = self.failover.shown.values();
        let holding = holding.filter(|status| status.role.holds());
        let own: BTreeSet<IpAddr> = holding.flat_map(|status| status.addresses()).collect();
        let peers: Vec<_> = self.peers.shown.values().map(Arc::clone).collect();
        for peer in peers {
            let shared: Vec<String> = peer
                .held
                .iter()
                .filter(|address| peer.up && own.contains(address))
                .map(ToString::to_string)
                .collect();
            if shared.is_empty() {
                if self.peers.both.remove(&peer.name).is_some_and(|it| it.said) {
                    let text = format!("`{}` no longer holds what this director holds", peer.name);
                    self.event(EventKind::FailoverAgrees, Subject::None, text, now);
                }
                continue;
            }
            let both = self
                .peers
                .both
                .entry(Arc::clone(&peer.name))
                .or_insert(Both {
                    since: now.boot,
                    said: false,
                });
            if !both.said && now.boot >= both.since.after(MOMENT) {
                both.said = true;
                let text = format!(
                    "`{}` holds {} as well as this director: adverts do not pass between them",
                    peer.name,
                    shared.join(", ")
                );
                self.event(EventKind::FailoverConflict, Subject::None, text, now);
            }
        }
    }
}

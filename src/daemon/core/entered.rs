//! Since when each server is in the state that is shown of it, whatever brought it there.

use std::collections::BTreeMap;

use ipvs::{ServerKey, ServiceKey};

use crate::control::Now;
use crate::control::snapshot::{Role, ServerState, ServiceStatus};
use crate::state::BootTime;

/// The states of the last description, and when they began.
#[derive(Debug, Default)]
pub(super) struct Entered(BTreeMap<ServiceKey, Box<[Entry]>>);

#[derive(Debug, Clone, Copy)]
struct Entry {
    server: ServerKey,
    state: ServerState,
    at: BootTime,
}

impl Entered {
    /// Fills in since when the servers of a service are in their states.
    pub(super) fn note(&mut self, key: ServiceKey, status: &mut ServiceStatus, now: Now) {
        let before = self.0.get(&key).map_or(&[][..], |entries| entries);
        let mut entries = Vec::with_capacity(status.servers.len());
        for (index, server) in status.servers.iter_mut().enumerate() {
            let is_same =
                |entry: &&Entry| entry.server == server.key() && entry.state == server.state;
            // Usually it has the same place as before.
            let same = before.get(index).filter(is_same);
            let same = same.or_else(|| before.iter().find(is_same));
            let at = same.map_or(now.boot, |entry| entry.at);
            entries.push(Entry {
                server: server.key(),
                state: server.state,
                at,
            });
            server.entered = now.calendar(at);
            // Those that are not judged have no verdict that could have begun earlier.
            let is_gone = server.state == ServerState::Leaving && server.checks.is_empty();
            if server.role == Role::Sorry || is_gone {
                server.since = server.entered;
            }
        }
        self.0.insert(key, entries.into_boxed_slice());
    }

    /// A service is no longer shown.
    pub(super) fn forget(&mut self, key: &ServiceKey) {
        self.0.remove(key);
    }
}

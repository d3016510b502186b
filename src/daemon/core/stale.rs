//! Settings of servers that the file no longer has. They are kept, since the file may get the
//! servers back: a machine in maintenance must not come in because its line was missing for a
//! moment. Their number is limited.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::SystemTime;

use super::Core;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::ServerSettings;
use crate::daemon::messages::Member;
use crate::words::count;

/// The most such settings.
pub(in crate::daemon) const LIMIT: usize = 1024;

/// A setting, ordered by the time at which it was set.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Server(Member),
    Machine(IpAddr),
}

impl Core {
    /// Forgets the oldest settings of servers that the file does not have, above the limit.
    pub(super) fn forget_stale(&mut self, now: Now) {
        if self.settings.servers.len() + self.settings.disabled.len() <= LIMIT {
            return;
        }
        let mut stale = self.stale();
        let over = stale.len().saturating_sub(LIMIT);
        if over == 0 {
            return;
        }
        stale.sort_unstable();
        for (_, of) in stale.into_iter().take(over) {
            match of {
                Of::Server(member) => drop(self.settings.servers.remove(&member)),
                Of::Machine(address) => drop(self.settings.disabled.remove(&address)),
            }
        }
        let settings = count(over, "setting", "settings");
        let text = format!(
            "the oldest {settings} of servers that the file does not have: {LIMIT} of those are kept"
        );
        self.event(EventKind::Forgotten, Subject::None, text, now);
        self.keep(now);
        self.show.touch();
    }

    fn stale(&self) -> Vec<(SystemTime, Of)> {
        let set_at = |set: &ServerSettings| {
            let drain = set.drain.as_ref().map(|set| set.at);
            let weight = set.weight.as_ref().map(|set| set.at);
            drain.max(weight).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut machines: HashSet<IpAddr> = HashSet::new();
        for service in self.services.values() {
            let servers = service.servers.keys().chain(service.held_over.keys());
            let all = servers.chain(service.watch.sorry.keys());
            machines.extend(all.map(|server| server.address));
        }
        let is_known = |(key, server): &Member| {
            let service = self.services.get(key);
            service.is_some_and(|service| {
                service.servers.contains_key(server) || service.held_over.contains_key(server)
            })
        };
        let servers = self.settings.servers.iter();
        let servers = servers
            .filter(|(member, _)| !is_known(member))
            .map(|(member, set)| (set_at(set), Of::Server(*member)));
        let disabled = self.settings.disabled.iter();
        let disabled = disabled
            .filter(|(address, _)| !machines.contains(address))
            .map(|(address, set)| (set.at, Of::Machine(*address)));
        servers.chain(disabled).collect()
    }
}

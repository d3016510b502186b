//! A planned handover loses no connection: it begins once the other director has the connections of the
//! active one, and ends once that has those that began since.
//!
//! ```text
//! active    asked ─ waits, tells its peers ──── hands over ─────────── backup
//! backup            gets the table, again and again ─── active ─ gets what is new ─ shield off
//!                   shield on
//! ```
//!
//! The shield drops packets to the virtual addresses that no service takes: connections that the new
//! active director does not know yet would be reset. Their clients send again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::control::Now;
use crate::control::failover::{FailoverRole, FailoverStatus};
use crate::failover::{Command, Operation};
use crate::peers;
use crate::state::BootTime;

/// The longest time for the transfer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer that has not begun within this time does not want the connections.
const UNASKED: Duration = Duration::from_secs(3);

/// How long a director that may preempt is expected to take over.
const SOON: Duration = Duration::from_secs(15);

/// The longest time for a shield after the takeover.
const SHIELD: Duration = Duration::from_secs(5);

/// What the core keeps.
#[derive(Debug, Default)]
pub(super) struct HandoverState {
    /// Operations that wait for a transfer, by section.
    waiting: BTreeMap<Arc<str>, Waiting>,
    /// Sections that may preempt, and until when that is expected.
    preempts: BTreeMap<Arc<str>, BootTime>,
    /// What the threads of peers were told.
    arriving: HashSet<IpAddr>,
    /// Sections with a shield, and until when, once they no longer arrive.
    shields: BTreeMap<Arc<str>, Option<BootTime>>,
}

/// An operation that waits.
#[derive(Debug)]
struct Waiting {
    operation: Operation,
    leaves: bool,
    since: BootTime,
    /// The peers whose transfers it waits for, and whether these have begun.
    peers: BTreeMap<IpAddr, bool>,
}

impl Waiting {
    fn is_over(&self, now: BootTime) -> bool {
        self.peers.is_empty()
            || now >= self.since.after(PATIENCE)
            || now >= self.since.after(UNASKED) && !self.peers.values().any(|begun| *begun)
    }
}

impl Core {
    /// Carries an operation out, after a transfer if it moves addresses between peers.
    pub(super) fn operate_in_time(
        &mut self,
        section: &Arc<str>,
        operation: Operation,
        leaves: bool,
        now: Now,
    ) {
        self.peers.handover.waiting.remove(section);
        let peers = self.concerned(section, operation);
        if peers.is_empty() {
            self.operate_now(section, operation, leaves);
            return;
        }
        let waiting = Waiting {
            operation,
            leaves,
            since: now.boot,
            peers: peers.into_iter().map(|peer| (peer, false)).collect(),
        };
        let waiting_ones = &mut self.peers.handover.waiting;
        waiting_ones.insert(Arc::clone(section), waiting);
        if let Some(status) = self.failover.shown.get(section) {
            let mut status = FailoverStatus::clone(status);
            self.show_waiting(&mut status);
            self.failover
                .shown
                .insert(Arc::clone(section), Arc::new(status));
        }
        self.tell_sections();
        self.look_at_handovers(now);
    }

    fn operate_now(&mut self, section: &Arc<str>, operation: Operation, leaves: bool) {
        self.out.failover.push(Command::Operate {
            section: Arc::clone(section),
            operation,
            leaves,
        });
    }

    /// The connected peers whose transfers an operation should wait for.
    fn concerned(&self, section: &str, operation: Operation) -> Vec<IpAddr> {
        let Some(status) = self.failover.shown.get(section) else {
            return Vec::new();
        };
        let wants = match (operation, status.role) {
            (Operation::Yield { .. }, FailoverRole::Active) => false,
            (Operation::Claim { .. }, FailoverRole::Backup) => true,
            _ => return Vec::new(),
        };
        let has_transfers = |name: &str| {
            let mut declared = self.peers.declared.iter();
            declared.any(|peer| &*peer.name == name && peer.resync.is_some())
        };
        let ours: BTreeSet<IpAddr> = status.addresses().collect();
        let peers = self.peers.shown.values();
        let peers = peers.filter(|peer| peer.up && has_transfers(&peer.name));
        peers
            .filter(|peer| peer.held.is_disjoint(&ours) != wants)
            .map(|peer| peer.address)
            .collect()
    }

    /// A section that waits still holds its addresses.
    pub(super) fn show_waiting(&self, status: &mut FailoverStatus) {
        let waiting = self.peers.handover.waiting.get(&status.name);
        let yields = waiting.is_some_and(|one| matches!(one.operation, Operation::Yield { .. }));
        if yields && status.role == FailoverRole::Active {
            status.role = FailoverRole::HandingOver;
            status.why = "the peers get its connections".into();
        }
    }

    /// A peer gets the own table, or has it.
    pub(super) fn table_told(&mut self, to: IpAddr, asked: BootTime, done: bool, now: Now) {
        for waiting in self.peers.handover.waiting.values_mut() {
            let yields = matches!(waiting.operation, Operation::Yield { .. });
            if !yields || asked < waiting.since {
                continue;
            }
            if done {
                waiting.peers.remove(&to);
            } else if let Some(begun) = waiting.peers.get_mut(&to) {
                *begun = true;
            }
        }
        self.look_at_handovers(now);
    }

    /// A director that has the connections preempts the active one soon, if its priority is higher.
    pub(super) fn arrives_soon(&mut self, status: &FailoverStatus, now: Now) {
        if status
            .peer
            .is_some_and(|peer| peer.priority < status.priority)
        {
            let preempts = &mut self.peers.handover.preempts;
            preempts.insert(Arc::clone(&status.name), now.boot.after(SOON));
        }
    }

    /// What began before the takeover is here.
    pub(super) fn caught(&mut self, now: Now) {
        for (name, until) in &mut self.peers.handover.shields {
            let status = self.failover.shown.get(name);
            if status.is_some_and(|status| status.role.holds()) {
                *until = Some(now.boot);
            }
        }
        self.look_at_handovers(now);
    }

    /// Lets operations go on that have what they waited for, and tells the others who is about to take
    /// over.
    pub(super) fn look_at_handovers(&mut self, now: Now) {
        if self.peers.declared.is_empty() {
            return;
        }
        self.note_transfers();
        let waiting = &mut self.peers.handover.waiting;
        let over: Vec<Arc<str>> = waiting
            .iter()
            .filter(|(_, one)| one.is_over(now.boot))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in over {
            if let Some(one) = self.peers.handover.waiting.remove(&name) {
                self.operate_now(&name, one.operation, one.leaves);
            }
        }
        self.tell_arriving(now);
    }

    /// The transfers of a section that waits to claim, and the peers that are gone.
    fn note_transfers(&mut self) {
        let shown = &self.peers.shown;
        for waiting in self.peers.handover.waiting.values_mut() {
            let claims = matches!(waiting.operation, Operation::Claim { .. });
            let since = waiting.since;
            waiting.peers.retain(|address, begun| {
                let Some(peer) = shown.values().find(|peer| peer.address == *address) else {
                    return false;
                };
                *begun |= claims;
                let has = peer.resync.as_ref().is_some_and(|resync| {
                    let took = Duration::from_millis(resync.took_ms);
                    resync.at >= since.after(took)
                });
                peer.up && !(claims && has)
            });
        }
    }

    /// Tells the threads of peers which addresses this director is about to take over, and puts up
    /// shields for them.
    fn tell_arriving(&mut self, now: Now) {
        let handover = &self.peers.handover;
        let mut arriving = BTreeMap::new();
        for status in self.failover.shown.values() {
            let ours: BTreeSet<IpAddr> = status.addresses().collect();
            let name = &status.name;
            let mut peers = self.peers.shown.values();
            let arrives = peers.any(|peer| peer.up && !peer.leaving.is_disjoint(&ours))
                || handover.waiting.contains_key(name)
                || handover
                    .preempts
                    .get(name)
                    .is_some_and(|until| now.boot < *until);
            if arrives && status.role == FailoverRole::Backup {
                arriving.insert(Arc::clone(name), ours);
            }
        }
        let all: HashSet<IpAddr> = arriving.values().flatten().copied().collect();
        if self.peers.handover.arriving != all {
            self.peers.handover.arriving.clone_from(&all);
            self.out.peers.push(peers::Command::Arrive(all));
        }
        let mut shields = std::mem::take(&mut self.peers.handover.shields);
        for name in arriving.keys() {
            if shields.insert(Arc::clone(name), None).is_none() {
                self.shield(name, true);
            }
        }
        shields.retain(|name, until| {
            if arriving.contains_key(name) {
                return true;
            }
            let stays = now.boot < *until.get_or_insert(now.boot.after(SHIELD));
            if !stays {
                self.shield(name, false);
            }
            stays
        });
        self.peers.handover.shields = shields;
    }

    fn shield(&mut self, section: &Arc<str>, up: bool) {
        self.out.failover.push(Command::Shield {
            section: Arc::clone(section),
            up,
        });
    }
}

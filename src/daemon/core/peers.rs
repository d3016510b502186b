//! Peers as the core sees them: tells them what this director serves and holds, shows what they are,
//! and decides when a director that came back may take over.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use director_peer::wire::Section;

use super::Core;
use super::handover::HandoverState;
use super::two_holders::Both;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::failover::{FailoverRole, FailoverStatus};
use crate::control::peer::PeerStatus;
use crate::failover;
use crate::peers::{Command, Report};
use crate::state::BootTime;
use crate::state::failover::{Failover, Peer};
use crate::words::{count, length};

/// The time between two events about refused connections of one address.
const QUIET: Duration = Duration::from_secs(60);

/// What the core keeps.
#[derive(Debug, Default)]
pub(super) struct PeersState {
    pub(super) declared: Arc<[Arc<Peer>]>,
    pub(super) handover: HandoverState,
    relays: bool,
    pub(super) shown: BTreeMap<Arc<str>, Arc<PeerStatus>>,
    /// The sections as peers were told.
    told: Vec<Section>,
    /// The sections that may take over from a peer of lower priority.
    may: BTreeMap<Arc<str>, bool>,
    /// When sections last held their addresses: what came before that is stale.
    held: BTreeMap<Arc<str>, BootTime>,
    /// Those that hold addresses that this director holds, too.
    pub(super) both: BTreeMap<Arc<str>, Both>,
    /// Until when nothing is said about refused connections.
    quiet: HashMap<IpAddr, BootTime>,
}

impl Core {
    /// A file is in force.
    pub(super) fn declare_peers(&mut self, declared: &Arc<[Arc<Peer>]>, relays: bool) {
        if self.peers.declared == *declared && self.peers.relays == relays {
            return;
        }
        self.peers.relays = relays;
        self.peers.declared = Arc::clone(declared);
        self.peers.shown.clear();
        self.peers.both.clear();
        self.show.touch();
        self.out
            .peers
            .push(Command::Declare(Arc::clone(declared), relays));
        self.tell_sections();
    }

    /// All services of a file are in force.
    pub(super) fn tell_served(&mut self) {
        if self.peers.declared.is_empty() {
            return;
        }
        let services = self.services.values();
        let services = services
            .map(|service| Arc::clone(&service.declared))
            .collect();
        let marks = self.run.marks;
        self.out
            .peers
            .push(Command::Serve(services, (marks.first, marks.last)));
    }

    /// Tells peers what the sections do, if that has changed.
    pub(super) fn tell_sections(&mut self) {
        if self.peers.declared.is_empty() {
            return;
        }
        let sections = self.failover.shown.values();
        let sections: Vec<Section> = sections
            .map(|status| section(status, self.lowered(&status.name)))
            .collect();
        if self.peers.told != sections {
            self.peers.told.clone_from(&sections);
            self.out.peers.push(Command::Hold(sections));
        }
    }

    /// The threads report.
    pub(super) fn peer_report(&mut self, report: Report, now: Now) {
        match report {
            Report::Status(status) => {
                let mut declared = self.peers.declared.iter();
                if declared.any(|peer| peer.name == status.name && peer.address == status.address) {
                    let name = Arc::clone(&status.name);
                    self.peers.shown.insert(name, Arc::new(*status));
                    self.show.touch();
                    self.may_take_over(now);
                    self.look_at_handovers(now);
                }
            }
            Report::Told { to, asked, done } => self.table_told(to, asked, done, now),
            Report::Caught => self.caught(now),
            Report::Event(kind, text) => self.event(kind, Subject::None, text, now),
            Report::Refused(address, text) => {
                let quiet = self.peers.quiet.entry(address).or_default();
                if *quiet <= now.boot {
                    *quiet = now.boot.after(QUIET);
                    self.event(EventKind::PeerRefused, Subject::None, text, now);
                }
            }
        }
    }

    /// Lets sections take over that wait for connections, once they have them or the time is over.
    pub(super) fn may_take_over(&mut self, now: Now) {
        let declared = self.failover.declared();
        for section in &declared.failovers {
            let (Some(deadline), Some(status)) =
                (section.synced, self.failover.shown.get(&section.name))
            else {
                continue;
            };
            let status = Arc::clone(status);
            if status.role.holds() {
                self.peers.held.insert(Arc::clone(&section.name), now.boot);
            }
            let why = self.may(section, &status, deadline, now.boot);
            let before = self
                .peers
                .may
                .insert(Arc::clone(&section.name), why.is_some());
            if before == Some(why.is_some()) {
                continue;
            }
            let name = Arc::clone(&section.name);
            self.out.failover.push(failover::Command::MayPreempt {
                section: Arc::clone(&name),
                may: why.is_some(),
            });
            if let Some(why) = why {
                self.arrives_soon(&status, now);
                let text = format!("`{name}` {why}");
                self.event(EventKind::FailoverSynced, Subject::None, text, now);
            }
        }
    }

    /// Why a section may take over.
    fn may(
        &self,
        section: &Failover,
        status: &FailoverStatus,
        deadline: Duration,
        now: BootTime,
    ) -> Option<String> {
        if status.role.holds() {
            return None;
        }
        let is_ours = |address: &IpAddr| {
            let mut routers = section.routers.iter();
            routers.any(|router| router.addresses.iter().any(|held| held.address == *address))
        };
        let held = self.peers.held.get(&section.name).copied();
        let held = held.unwrap_or_default();
        let mut lacks = "no active peer sent its connections".to_owned();
        for peer in self.peers.shown.values() {
            let declared = self.peers.declared.iter().find(|one| one.name == peer.name);
            let (Some(resync), Some(period)) =
                (&peer.resync, declared.and_then(|declared| declared.resync))
            else {
                continue;
            };
            let is_fresh = now <= resync.at.after(period * 2) && resync.at >= held;
            if !peer.held.iter().any(is_ours) || !is_fresh {
                continue;
            }
            let (name, proof) = (&peer.name, resync.proof());
            let entries = count(resync.entries, "connection", "connections");
            if resync.is_caught_up() {
                return Some(format!(
                    "is caught up, {entries} of `{name}`, {proof}; it takes over if its priority is \
                     higher"
                ));
            }
            lacks = format!("of the connections of `{name}`, {proof}");
        }
        let until = status.since.after(deadline);
        (now >= until).then(|| {
            let deadline = length(deadline.as_secs());
            format!(
                "reached its deadline of {deadline}: {lacks}; it takes over if its priority is higher"
            )
        })
    }
}

/// A section in the words of peers.
fn section(status: &FailoverStatus, lowered: u32) -> Section {
    let lowered = match status.role {
        // It would not take over at all.
        FailoverRole::Fault | FailoverRole::Stopped => u32::MAX,
        _ => lowered,
    };
    Section {
        name: status.name.to_string(),
        holds: status.role.holds(),
        leaving: status.role == FailoverRole::HandingOver,
        priority: status.priority,
        lowered: Some(lowered),
        addresses: status.addresses().collect(),
    }
}

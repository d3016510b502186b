//! The failover settings of a service file: which directors hold which addresses, and when they
//! move.
//!
//! ```text
//!   [failover.NAME] ─┐                                  ┌─► Failover   one state machine
//!   [address.NAME]  ─┼─► with [machine.NAME] put in ────┤               1..n virtual routers
//!   [announce.NAME] ─┤   for this machine               ├─► Held       addresses of this machine
//!   [machine.NAME]  ─┘                                  └─► Announced  addresses for BGP or OSPF
//! ```
//!
//! Data only: the daemon runs it. `changes` says what an edit does to it.

mod announced;
mod changes;
mod follow;
mod held;
mod peer;
mod router;

pub use announced::{Announced, AnnouncedFollow, AnnouncedVia};
pub use changes::{Change, Effect, changes, splits};
pub use follow::{Follow, FollowBy, Track, TrackEffect, TrackFile, Tracked};
pub use held::{Announce, Held, OnDeath, Route, VirtualAddress};
pub use peer::{Peer, PeerCertificates, PeerProof};
pub use router::VirtualRouter;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use vrrp::Priority;
use vrrp::machine::Preempt;

/// All that a service file says about addresses on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failovers {
    /// The `[failover.NAME]` sections, in the order of their names.
    pub failovers: Vec<Arc<Failover>>,
    /// The `[address.NAME]` sections, in the order of their names.
    pub held: Vec<Arc<Held>>,
    /// The `[peer.NAME]` sections, in the order of their names.
    pub peers: Arc<[Arc<Peer>]>,
    /// Whether they get the connections of this director as it gets them: [`crate::state::relay`].
    pub relays: bool,
    /// The `[announce.NAME]` sections, in the order of their names.
    pub announced: Vec<Arc<Announced>>,
    /// The name of the `[machine.NAME]` section whose values are in here.
    pub machine: Option<Arc<str>>,
}

impl Failovers {
    /// Whether the file says nothing about addresses; it may name peers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.failovers.is_empty() && self.held.is_empty() && self.announced.is_empty()
    }

    /// Whether VRRP runs, or addresses are held without it.
    #[must_use]
    pub const fn hold_addresses(&self) -> bool {
        !self.failovers.is_empty() || !self.held.is_empty()
    }

    /// The section of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Failover>> {
        self.failovers.iter().find(|found| &*found.name == name)
    }
}

/// `[failover.NAME]`: one or more virtual routers that are active or backup together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The priority while everything is well: 1 to 254, or 255 for the owner of the addresses.
    pub priority: Priority,
    /// Whether it takes over from an active router of lower priority.
    pub preempt: Preempt,
    /// Whether it takes over from a director of lower priority only when it has that one's
    /// connections, or after this time. [`Failover::preempt`] is `Never` then.
    pub synced: Option<Duration>,
    /// The virtual routers that move together, at least one, in the order of the file; of one
    /// entry with addresses of both families the IPv4 router comes first.
    pub routers: Vec<VirtualRouter>,
    /// How the priority falls with the health of services.
    pub follow: Option<Follow>,
    /// Interfaces, files and services that lower the priority or make a fault. The interfaces of
    /// the routers are always tracked and not listed here.
    pub track: Vec<Track>,
    /// The least to which `follow` and `track` lower the priority, at least 1.
    pub floor: u8,
    /// What becomes of the addresses when the daemon dies.
    pub on_death: OnDeath,
    /// Whether the machine's programs get packets to the addresses that no service takes.
    pub accept: bool,
    /// The longest wait at start for the first verdicts of the checks before the router claims
    /// anything.
    pub startup: Duration,
    /// How long the addresses stay after the peer took over in a planned switchover.
    pub linger: Duration,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announce: Announce,
    /// Commands to run on its events.
    pub notify: Arc<[FailoverNotify]>,
}

impl Failover {
    /// The default of [`Failover::startup`].
    pub const DEFAULT_STARTUP: Duration = Duration::from_secs(30);
    /// The default of [`Failover::linger`].
    pub const DEFAULT_LINGER: Duration = Duration::from_secs(1);

    /// Whether it owns the addresses (priority 255).
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.priority == Priority::OWNER
    }

    /// The priority after `lowered` has been taken off: never below [`Failover::floor`], and never
    /// above the declared one. An owner keeps its priority: the RFC gives it no other.
    #[must_use]
    pub fn lowered(&self, lowered: u32) -> Priority {
        if self.is_owner() {
            return self.priority;
        }
        let declared = self.priority.0;
        let lowered = u8::try_from(lowered).unwrap_or(u8::MAX);
        let floor = self.floor.clamp(1, declared.max(1));
        Priority(declared.saturating_sub(lowered).max(floor))
    }

    /// How much `follow` and `track` take off at most.
    #[must_use]
    pub fn most_lowered(&self) -> u32 {
        let followed = self.follow.as_ref().map_or(0, Follow::most);
        let steps = self.track.iter().map(|track| match track.effect {
            TrackEffect::Lower(step) => u32::from(step),
            TrackEffect::Fault => 0,
        });
        followed.saturating_add(steps.sum())
    }

    /// The interfaces whose failure is a fault of the whole group: those of its routers.
    pub fn interfaces(&self) -> impl Iterator<Item = &Arc<str>> {
        let mut seen = BTreeSet::new();
        let all = self.routers.iter().map(|router| &router.interface);
        all.filter(move |interface| seen.insert(Arc::clone(interface)))
    }

    /// The services whose health it needs to know.
    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        let followed = self.follow.iter().flat_map(|follow| &follow.services);
        let tracked = self.track.iter().filter_map(|track| match &track.what {
            Tracked::Service(name) => Some(name),
            Tracked::Interface(_) | Tracked::File(_) => None,
        });
        followed.chain(tracked)
    }
}

/// A command to run on events of a failover section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FailoverNotify {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The events that trigger it.
    pub on: BTreeSet<FailoverOn>,
    /// The timeout after which it is killed.
    pub timeout: Duration,
}

/// An event of a failover section that triggers a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverOn {
    /// This director became active.
    Active,
    /// It became backup.
    Backup,
    /// It is in fault: an interface is down, or adverts cannot be sent.
    Fault,
    /// It stopped.
    Stopped,
    /// Another router is active too, or has our id.
    Conflict,
}

impl FailoverOn {
    /// All events.
    pub const ALL: [Self; 5] = [
        Self::Active,
        Self::Backup,
        Self::Fault,
        Self::Stopped,
        Self::Conflict,
    ];
}

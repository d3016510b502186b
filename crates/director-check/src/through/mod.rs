//! Checks through the forwarding path: to the virtual address, on one particular server.
//!
//! A server of direct routing or a tunnel must have the virtual address itself. A check of its own
//! address does not show whether it has; a check through the forwarding path does.
//!
//! ```text
//!   check's socket                    director's IPVS                     real server
//!   mark M, from own:P ──to VIP:80──► private service fwmark M ──dr/tun──► VIP:80 on its lo?
//!            ▲                        its only server                           │
//!            └──────────────── from VIP:80 to own:P ────────────────────────────┘
//! ```
//!
//! The parts, each in a file of its own:
//!
//! - `door`: the target of such a check: a virtual address and port on a server, by a forwarding
//!   method. Checks that are equal in this share one private service.
//! - `slots`: each door has a mark and source ports of its own. IPVS finds a connection by its
//!   addresses and ports, whatever its mark: a port that another server's check used a minute ago
//!   still leads to that server. So within one virtual address and port, no two servers share a
//!   port while an entry can be alive.
//! - `passage`: what a check needs on its way, shared with the thread that runs them.
//! - `interface`: the reply comes in with the director's own virtual address as its source, which
//!   needs `accept_local` there (IPv4).
//!
//! **Marks survive a restart.** The private service itself shows its purpose: its only server is
//! the door's, its timeout (which has no effect, as it is not persistent) is a fingerprint of the
//! virtual address and port, and the server's weight is its number of port blocks. A director that
//! finds it after a crash continues with the same mark and ports.
//!
//! **Private services are hidden**: [`Observed`](director_config::state::Observed) keeps them
//! apart, so that plans, exports, `status` and ownership never see them.

mod door;
mod interface;
mod passage;
mod slots;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{Operation, ServiceKey, Timeouts};

pub use door::{Door, Refused, Wish};
pub use interface::{AcceptLocal, InterfaceReport};
pub use passage::{Passage, Passages};
use slots::Slots;

use director_config::state::health::RunSettings;
use director_config::state::{BootTime, ObservedService};

/// All checks through the forwarding path, as the daemon's core sees them.
#[derive(Debug)]
pub struct Through {
    slots: Slots,
    passages: Arc<Passages>,
    /// The wishes of the last call that could not be fulfilled.
    refused: Vec<(Door, Refused)>,
}

/// The result of processing wishes.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The operations that bring the kernel's private services up to date, in order.
    pub operations: Vec<Operation>,
    /// The wishes that cannot be fulfilled. Their checks are not carried out, and report why.
    pub refused: Vec<(Door, Refused)>,
}

impl Through {
    /// Uses the marks and ports of the settings; the checks find their ways in `passages`.
    #[must_use]
    pub fn new(settings: &RunSettings, passages: Arc<Passages>) -> Self {
        Self {
            slots: Slots::new(settings.marks, settings.ports),
            passages,
            refused: Vec::new(),
        }
    }

    /// Changes marks and ports. All ways are closed until the next [`open`](Self::open).
    pub fn configure(&mut self, settings: &RunSettings) {
        self.slots = Slots::new(settings.marks, settings.ports);
        self.passages.replace(BTreeMap::new(), &[]);
    }

    /// Where the checks find their ways.
    #[must_use]
    pub fn passages(&self) -> Arc<Passages> {
        Arc::clone(&self.passages)
    }

    /// Computes the operations for exactly these wishes. Called when targets change, and after each
    /// reading of the tables, which repairs changes by other programs.
    ///
    /// `observed` are the kernel's private services; `lifetime` is how long a connection entry can
    /// live ([`lifetime`]). Outdated ways are closed immediately; [`open`](Self::open) opens the
    /// new ones once the operations are carried out.
    pub fn wanted(
        &mut self,
        wishes: &[Wish],
        observed: &BTreeMap<ServiceKey, ObservedService>,
        lifetime: Duration,
        now: BootTime,
    ) -> Wanted {
        self.slots.recover(observed);
        self.slots.spoil(observed, lifetime, now);
        self.refused = self.slots.assign(wishes, lifetime, now);
        self.passages
            .retain(&self.slots.passages(now), &self.refused);
        Wanted {
            operations: self.slots.operations(observed),
            refused: self.refused.clone(),
        }
    }

    /// The kernel has the private services: opens the ways for checks.
    pub fn open(&mut self, now: BootTime) {
        self.slots.opened();
        self.passages
            .replace(self.slots.passages(now), &self.refused);
    }
}

/// How long a connection entry can live after its last packet, with a margin: a closed TCP
/// connection in `FIN_WAIT`, or a UDP flow. The timeouts are the kernel's, in seconds.
#[must_use]
pub fn lifetime(timeouts: &Timeouts) -> Duration {
    // The kernel's own, which `tcp_fin` and `udp` replace.
    let longest = timeouts.tcp_fin.max(timeouts.udp).max(120);
    Duration::from_secs(u64::from(longest) + 10)
}

/// The operations that remove private services, for example those of a killed director.
#[must_use]
pub fn remove(private: &BTreeMap<ServiceKey, ObservedService>) -> Vec<Operation> {
    private
        .keys()
        .copied()
        .map(Operation::DeleteService)
        .collect()
}

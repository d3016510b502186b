//! Checks through the forwarding path: to the virtual address, on one very server.
//!
//! A server of direct routing or a tunnel must have the virtual address itself. A check of its
//! own address does not see whether it has; a check through the forwarding path does.
//!
//! ```text
//!   check's socket                    director's IPVS                     real server
//!   mark M, from own:P ──to VIP:80──► private service fwmark M ──dr/tun──► VIP:80 on its lo?
//!            ▲                        its only server                           │
//!            └──────────────── from VIP:80 to own:P ────────────────────────────┘
//! ```
//!
//! What it takes, each in a file of its own:
//!
//! - `door`: what is checked: a virtual address and port on a server, by a forwarding method. Of
//!   two checks that are equal in that, one private service is enough.
//! - `slots`: each door has a mark and source ports of its own. IPVS finds a connection by its
//!   addresses and ports, whatever its mark: a port that another server's check used a minute ago
//!   still leads to that server. So within one virtual address and port no two servers ever share
//!   a port while an entry can live.
//! - `passage`: what a check needs on its way, shared with the thread that runs them.
//! - `interface`: the answer comes in with the director's own virtual address as its source,
//!   which needs `accept_local` there (IPv4).
//!
//! **Marks outlive a restart.** The private service says itself whose it is: its only server is
//! the door's, its time-out (without a meaning, as it is not persistent) is a fingerprint of the
//! virtual address and port, and the server's weight says how many ports it has. A director that
//! finds it after a crash goes on with the same mark and ports.
//!
//! **Private services are nobody's business**: [`Observed`](director_config::state::Observed) keeps them
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
pub use interface::{AcceptLocal, Notice};
pub(crate) use passage::own_address;
pub use passage::{Passage, Passages};
use slots::Slots;

use director_config::state::health::RunSettings;
use director_config::state::{BootTime, ObservedService};

/// All checks through the forwarding path, as the daemon's core sees them.
#[derive(Debug)]
pub struct Through {
    slots: Slots,
    passages: Arc<Passages>,
    /// The wishes of last time that were not fulfilled.
    refused: Vec<(Door, Refused)>,
}

/// What came of the wishes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What makes the kernel's private services those that are needed, in this order.
    pub operations: Vec<Operation>,
    /// The wishes that cannot be fulfilled. Their checks are not asked, and say why.
    pub refused: Vec<(Door, Refused)>,
}

impl Through {
    /// With the marks and ports that the settings allow; the checks find their ways in
    /// `passages`.
    #[must_use]
    pub fn new(settings: &RunSettings, passages: Arc<Passages>) -> Self {
        Self {
            slots: Slots::new(settings.marks, settings.ports),
            passages,
            refused: Vec::new(),
        }
    }

    /// Other marks and ports from now on. All ways are closed until the next
    /// [`open`](Self::open).
    pub fn configure(&mut self, settings: &RunSettings) {
        self.slots = Slots::new(settings.marks, settings.ports);
        self.passages.replace(BTreeMap::new(), &[]);
    }

    /// Where the checks look for their ways.
    #[must_use]
    pub fn passages(&self) -> Arc<Passages> {
        Arc::clone(&self.passages)
    }

    /// Says what makes what is wished for, all of it, and nothing else: to be called when targets
    /// come and go, and after each reading of the tables, which repairs what somebody meddled with.
    ///
    /// `observed` are the private services that the kernel has; `lifetime` is how long a
    /// connection entry can live ([`lifetime`]). Ways that are no longer right are closed at once;
    /// [`open`](Self::open) opens the new ones when the operations are carried out.
    pub fn wanted(
        &mut self,
        wishes: &[Wish],
        observed: &BTreeMap<ServiceKey, ObservedService>,
        lifetime: Duration,
        now: BootTime,
    ) -> Outcome {
        self.slots.recover(observed);
        self.slots.spoil(observed, lifetime, now);
        self.refused = self.slots.assign(wishes, lifetime, now);
        self.passages
            .retain(&self.slots.passages(now), &self.refused);
        Outcome {
            operations: self.slots.operations(observed),
            refused: self.refused.clone(),
        }
    }

    /// The kernel has them: the checks may go.
    pub fn open(&mut self, now: BootTime) {
        self.slots.opened();
        self.passages
            .replace(self.slots.passages(now), &self.refused);
    }
}

/// How long a connection entry can live after its last packet, with a margin: a closed one of TCP
/// in `FIN_WAIT`, or a flow of UDP. The time limits are those of the kernel, in seconds.
#[must_use]
pub fn lifetime(timeouts: &Timeouts) -> Duration {
    // The kernel's own, which `tcp_fin` and `udp` replace.
    let longest = timeouts.tcp_fin.max(timeouts.udp).max(120);
    Duration::from_secs(u64::from(longest) + 10)
}

/// What removes private services: those of a director that was killed, say.
#[must_use]
pub fn remove(private: &BTreeMap<ServiceKey, ObservedService>) -> Vec<Operation> {
    private
        .keys()
        .copied()
        .map(Operation::DeleteService)
        .collect()
}

//! What the core and the threads of peers say to each other.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use director_peer::wire::Section;

use crate::control::event::EventKind;
use crate::control::peer::PeerStatus;
use crate::state::failover::Peer;
use crate::state::{BootTime, DesiredService};

/// The core to the threads.
#[derive(Debug)]
pub enum Command {
    /// The peers of the file in force, and whether they get the new connections of this director.
    Declare(Arc<[Arc<Peer>]>, bool),
    /// What this director serves by its file, and the first and last mark of its checks.
    Serve(Vec<Arc<DesiredService>>, (u32, u32)),
    /// The failover sections as they are now.
    Hold(Vec<Section>),
    /// The addresses that this director is about to take over.
    Arrive(HashSet<IpAddr>),
}

/// The threads to the core.
#[derive(Debug)]
pub enum Report {
    /// The state of a peer has changed.
    Status(Box<PeerStatus>),
    /// Something happened.
    Event(EventKind, String),
    /// A connection of a peer was refused, for this reason.
    Refused(IpAddr, String),
    /// A peer has asked for the own table at this time; `done`: it has it, and has put it into its own.
    Told {
        /// The peer.
        to: IpAddr,
        /// When it asked.
        asked: BootTime,
        /// Whether it has the table.
        done: bool,
    },
    /// What began on a peer just before a takeover is here, or cannot be had.
    Caught,
}

/// Reports to the core.
pub(super) type Tell = Arc<dyn Fn(Report) + Send + Sync>;

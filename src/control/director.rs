//! The director as the control socket needs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ipvs::{Connection, ServiceKey, Table};
use tokio::sync::oneshot;

use super::operator::{Answer, Refusal, Request};
use super::snapshot::Published;
use crate::apply::Incarnation;
use crate::check::Statistics;
use crate::state::health::MarkRange;

/// The director behind its control socket. No method blocks: slow answers come through a [`Reply`].
pub trait Director: Send + Sync + 'static {
    /// The director's identity.
    fn identity(&self) -> Identity;

    /// Where the snapshot and the events are.
    fn published(&self) -> &Published;

    /// How the checks do.
    fn checks(&self) -> Statistics;

    /// The firewall marks of its private services, which no one is shown.
    fn private_marks(&self) -> MarkRange;

    /// Carries out an operator's request.
    fn request(&self, request: Request, reply: Reply<Answer>);

    /// Reads the kernel's tables with counters: these services, or all.
    fn table(&self, of: Option<Vec<ServiceKey>>, reply: Reply<Counted>);

    /// Opens the kernel's connection table. Reading it takes long: use a thread that may block.
    ///
    /// # Errors
    /// If it cannot be read.
    fn connections(&self) -> ipvs::Result<Entries>;

    /// The service files in force.
    fn files(&self, reply: Reply<InForce>);
}

/// The connection table, entry by entry.
pub type Entries = Box<dyn Iterator<Item = ipvs::Result<Connection>> + Send>;

/// The service files in force, as director read them: those on disk may be newer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The path of the root file.
    pub root: PathBuf,
    /// The texts by path, of the root file and those that it includes.
    pub texts: BTreeMap<PathBuf, Arc<Vec<u8>>>,
}

/// The kernel's tables with counters.
#[derive(Debug)]
pub struct Counted {
    /// All services, with private and foreign ones.
    pub table: Table,
    /// The number of hash buckets of the connection table, if the kernel tells.
    pub buckets: Option<u32>,
}

/// The identity of a director.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The directory of ledger and journal, one per network namespace.
    pub state_dir: PathBuf,
    /// Its boot and network namespace.
    pub incarnation: Incarnation,
}

/// Takes the answer to one request. Dropping it unanswered reports that the director is stopping.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, Refusal>>);

impl<T> Reply<T> {
    /// A reply and its receiver.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<Result<T, Refusal>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. A receiver that is gone is no error.
    pub fn send(self, answer: Result<T, Refusal>) {
        let _ = self.0.send(answer);
    }

    /// Whether the receiver is gone or has timed out.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.0.is_closed()
    }
}

//! What the control socket needs of the director behind it.

use std::path::PathBuf;

use ipvs::Table;
use tokio::sync::oneshot;

use super::operator::{Answer, Refusal, Request};
use super::snapshot::Published;
use crate::apply::Incarnation;
use crate::state::health::MarkRange;

/// The director, as seen from its control socket. No method waits: what takes time is answered by
/// a [`Reply`].
pub trait Director: Send + Sync + 'static {
    /// Which director this is.
    fn identity(&self) -> Identity;

    /// Where the snapshot and the events are.
    fn published(&self) -> &Published;

    /// The firewall marks of its private services, which nobody is shown.
    fn private_marks(&self) -> MarkRange;

    /// Carries out an operator's request.
    fn request(&self, request: Request, reply: Reply<Answer>);

    /// Reads the kernel's tables, counters and all.
    fn table(&self, reply: Reply<Table>);
}

/// Which director it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Where ledger and journal are, the directory of its network namespace.
    pub state_dir: PathBuf,
    /// The boot and the network namespace it works in.
    pub incarnation: Incarnation,
}

/// Takes the answer to one request. Dropped without one, it says that the director is stopping.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, Refusal>>);

impl<T> Reply<T> {
    /// A reply, and where it arrives.
    #[must_use]
    pub fn new() -> (Self, oneshot::Receiver<Result<T, Refusal>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. That nobody waits any more is no error.
    pub fn send(self, answer: Result<T, Refusal>) {
        let _ = self.0.send(answer);
    }

    /// Whether whoever asked has gone, or has waited long enough.
    #[must_use]
    pub fn is_void(&self) -> bool {
        self.0.is_closed()
    }
}

//! One check in progress, and the state shared by checks.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::expect::Patterns;
use super::refusals::{Refusals, Refused};
use super::tls::Configurations;
use crate::computing::Computing;
use crate::failure::Failure;
use crate::files::Files;
use crate::net::Way;
use crate::sources::Sources;
use crate::through::Passages;
use crate::{Advice, Target};

/// The first stage of nearly all checks.
pub(crate) const CONNECTING: &str = "connecting";

/// State shared by checks: everything that is expensive to create each time. One per thread.
#[derive(Debug, Default)]
pub(crate) struct Means {
    /// Compiled expectations.
    pub(crate) patterns: Patterns,
    /// The thread for computations that a server can make expensive.
    pub(crate) computing: Computing,
    /// Threads for accesses that may hang.
    pub(crate) files: Files,
    /// TLS configurations.
    pub(crate) tls: Configurations,
    /// The ways through the forwarding path.
    pub(crate) passages: Arc<Passages>,
    /// The source addresses of checks.
    pub(crate) sources: Arc<Sources>,
    /// Recently refused datagrams.
    pub(crate) refusals: Refusals,
}

/// What a kind remembers of a target between checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    /// The agent's last advice: its words hold until it sends others.
    pub(crate) advice: Advice,
    /// Whether the agent reported the server down, and not yet up again.
    pub(crate) down: bool,
    /// Whether datagrams to it were refused.
    pub(crate) refused: Refused,
    /// When a PostgreSQL server refused the start-up message, unless it was asked again since.
    pub(crate) startup_refused: Option<Instant>,
}

/// One check in progress.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    /// The target of the check.
    pub(crate) target: &'a Target,
    /// Its destination and source.
    pub(crate) way: Way,
    /// State shared by checks.
    pub(crate) means: &'a Means,
    /// The kind's memory, to be updated.
    pub(crate) memory: Cell<Memory>,
    pub(super) stage: Cell<&'static str>,
    /// The file access in progress: the action and the path.
    pub(super) touching: RefCell<Option<(&'static str, PathBuf)>>,
    /// When a datagram that needs no answer was sent.
    pub(super) unanswered: Cell<Option<Instant>>,
}

impl Attempt<'_> {
    /// Sets the current stage, for the message of a timeout: "connecting", "waiting for ...".
    pub(crate) fn stage(&self, doing: &'static str) {
        self.stage.set(doing);
    }

    /// Silence until the timeout may count as success: `udp::silence` decides.
    pub(crate) fn content_with_silence(&self, sent: Instant) {
        self.unanswered.set(Some(sent));
    }

    /// Does `work` with a file on a thread that may hang. A timeout during that time is not a
    /// failure of the server. `doing` names the action in messages: "reading".
    pub(crate) async fn touch<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        self.touching.replace(Some((doing, path.to_owned())));
        let result = self.means.files.run(doing, path, work).await;
        self.touching.take();
        result.map_err(Failure::ours)
    }

    /// Opens a TCP connection to the target.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Failure> {
        self.stage(CONNECTING);
        self.way.connect().await
    }
}

//! One check under way, and what checks share.

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
use crate::through::Passages;
use crate::{Advice, Target};

/// What is done first, by nearly all.
pub(crate) const CONNECTING: &str = "connecting";

/// What checks share: all that is costly to make anew each time. One of them for a thread.
#[derive(Debug, Default)]
pub(crate) struct Means {
    /// Compiled expectations.
    pub(crate) patterns: Patterns,
    /// Computations that a server can make costly.
    pub(crate) computing: Computing,
    /// Threads for what may hang.
    pub(crate) files: Files,
    /// TLS configurations.
    pub(crate) tls: Configurations,
    /// The ways through the forwarding path.
    pub(crate) passages: Arc<Passages>,
    /// Datagrams that were refused lately.
    pub(crate) refusals: Refusals,
}

/// What a kind remembers of a target from one check to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    /// What the agent said last, as its words hold until it says others.
    pub(crate) advice: Advice,
    /// Whether the agent said that the server is down, and not yet that it is up.
    pub(crate) down: bool,
    /// Whether datagrams to it were refused.
    pub(crate) refused: Refused,
    /// When a PostgreSQL server refused the start-up message, if it was not asked again since.
    pub(crate) startup_refused: Option<Instant>,
}

/// One check under way.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    /// What is checked.
    pub(crate) target: &'a Target,
    /// Where it goes.
    pub(crate) way: Way,
    /// What checks share.
    pub(crate) means: &'a Means,
    /// What the kind remembers, and will.
    pub(crate) memory: Cell<Memory>,
    pub(super) stage: Cell<&'static str>,
    /// What is done with which file meanwhile.
    pub(super) touching: RefCell<Option<(&'static str, PathBuf)>>,
    /// When a datagram was sent that need not be answered.
    pub(super) unanswered: Cell<Option<Instant>>,
}

impl Attempt<'_> {
    /// What is done from now on, for the text when time runs out: "connecting", "waiting for ...".
    pub(crate) fn stage(&self, doing: &'static str) {
        self.stage.set(doing);
    }

    /// It may be well if nothing comes until the time is over: `udp::silence` says.
    pub(crate) fn content_with_silence(&self, sent: Instant) {
        self.unanswered.set(Some(sent));
    }

    /// Does `work` with a file, on a thread that may hang. Time that runs out meanwhile is no
    /// failure of the server. `doing` is what is told: "reading".
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

    /// A TCP connection to the target.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Failure> {
        self.stage(CONNECTING);
        self.way.connect().await
    }
}

//! One check, run once: each kind in a file of its own.
//!
//! ```text
//!   Target ──► run ──► tcp, http, ... ──► Passed or Failure ──► Report
//!               │
//!               └ the limit of time, over all of it; the stage says in what it ran out
//! ```
//!
//! - **The limit is set here**, once, from before the first packet to after the last byte. A kind
//!   awaits as if it had all the time in the world, and is dropped when it has not; what it
//!   started (a program) ends with it.
//! - **What is this machine's fault is no failure**: without descriptors, memory or the source
//!   address the question was not asked, and the verdict stays.
//! - **A report holds no secret**: nothing that is sent is in it, and of what comes back only a
//!   short quoted beginning.

mod agent;
mod dns;
mod exec;
mod expect;
mod file;
pub(super) mod fuzz;
mod grpc;
pub(super) mod http;
mod mysql;
mod ping;
mod postgres;
mod redis;
mod refusals;
mod smtp;
mod talk;
mod tcp;
mod udp;
mod words;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::computing::Computing;
use super::files::{self, Files};
use super::net::{self, Way};
use super::through::Passages;
use super::tls::Configurations;
use super::{Advice, Outcome, Report, Target};
use director_config::state::health::{CheckKind, CheckSpec};
pub(crate) use expect::Patterns;
pub(crate) use refusals::{Refusals, Refused};

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
    stage: Cell<&'static str>,
    /// What is done with which file meanwhile.
    touching: RefCell<Option<(&'static str, PathBuf)>>,
    /// When a datagram was sent that need not be answered.
    unanswered: Cell<Option<Instant>>,
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

/// A check that went well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Passed {
    /// What is worth telling.
    pub(crate) text: Option<Box<str>>,
    /// What else it said.
    pub(crate) advice: Option<Advice>,
}

/// A check that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What was wrong.
    pub(crate) text: Box<str>,
    /// Whether it is this machine that could not ask.
    pub(crate) ours: bool,
    /// Whether this machine has no way to the server.
    pub(crate) cut_off: bool,
    /// What else the server said.
    pub(crate) advice: Option<Advice>,
}

impl Failure {
    /// The server's failure.
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string().into(),
            ours: false,
            cut_off: false,
            advice: None,
        }
    }

    /// This machine's own: the question could not be asked.
    pub(crate) fn ours(text: impl Into<OwnFault>) -> Self {
        Self {
            ours: true,
            ..Self::new(text.into().0)
        }
    }

    /// An error of a connection: the server's, or ours, as it comes.
    pub(crate) fn io(error: &io::Error) -> Self {
        if net::is_ours(error) {
            Self::ours(error)
        } else {
            Self {
                cut_off: net::is_cut_off(error),
                ..Self::new(net::describe(error))
            }
        }
    }
}

/// What this machine could not do.
#[derive(Debug)]
pub(crate) struct OwnFault(String);

impl From<&io::Error> for OwnFault {
    fn from(error: &io::Error) -> Self {
        Self(format!("not checked: {}", net::describe(error)))
    }
}

impl From<String> for OwnFault {
    fn from(text: String) -> Self {
        Self(format!("not checked: {text}"))
    }
}

/// What is done first, by nearly all.
pub(crate) const CONNECTING: &str = "connecting";

/// Time ran out.
pub(crate) fn timed_out(timeout: Duration, stage: &str) -> Failure {
    Failure::new(format_args!("timed out after {timeout:?} while {stage}"))
}

/// So many source ports are tried for a check through the forwarding path.
const PORT_TRIES: usize = 8;

/// Runs one check that began at `began`.
pub(crate) async fn run(
    target: &Target,
    means: &Means,
    memory: Memory,
    began: Instant,
) -> (Report, Memory) {
    if !target.spec.at.through {
        return attempt(target, Way::to(target), means, memory, began).await;
    }
    let mut tries = 0;
    loop {
        let way = match Way::through(target, &means.passages) {
            Ok(way) => way,
            Err(failure) => return (report(Err(failure)), memory),
        };
        let result = attempt(target, way, means, memory, began).await;
        tries += 1;
        // A port may be taken by a program of this machine, or still in use from a run before.
        if tries == PORT_TRIES || !matches!(result.0.outcome, Outcome::NotAsked(_)) {
            return result;
        }
    }
}

/// Runs one check, on one way.
async fn attempt(
    target: &Target,
    way: Way,
    means: &Means,
    memory: Memory,
    began: Instant,
) -> (Report, Memory) {
    let attempt = Attempt {
        target,
        way,
        means,
        memory: Cell::new(memory),
        stage: Cell::new("starting"),
        touching: RefCell::default(),
        unanswered: Cell::new(None),
    };
    let timeout = target.spec.pace.timeout;
    let deadline = tokio::time::Instant::from_std(began + timeout);
    let result = match tokio::time::timeout_at(deadline, ask(&attempt)).await {
        Ok(result) => result,
        Err(_) => match (attempt.touching.take(), attempt.unanswered.get()) {
            (Some((doing, path)), _) => Err(Failure::ours(files::hangs(doing, &path, timeout))),
            (None, Some(sent)) => udp::silence(&attempt, sent),
            (None, None) => Err(timed_out(timeout, attempt.stage.get())),
        },
    };
    (report(result), attempt.memory.get())
}

/// A result, as others see it.
pub(crate) fn report(result: Result<Passed, Failure>) -> Report {
    match result {
        Ok(passed) => Report {
            outcome: Outcome::Passed(passed.text),
            advice: passed.advice,
            cut_off: false,
        },
        Err(failure) => Report {
            outcome: if failure.ours {
                Outcome::NotAsked(failure.text)
            } else {
                Outcome::Failed(failure.text)
            },
            advice: failure.advice,
            cut_off: failure.cut_off,
        },
    }
}

/// Who makes a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// `connects.rs`, on the thread that keeps the time.
    Connects,
    /// `worker.rs`, in a task.
    Task,
}

macro_rules! kinds {
    ($($kind:ident is $file:ident $(, driven by $driver:path)?;)*) => {
        async fn ask(attempt: &Attempt<'_>) -> Result<Passed, Failure> {
            // Each in a box of its own: one future for all would be as large as the largest.
            match &attempt.target.spec.kind {
                $(CheckKind::$kind(spec) => Box::pin($file::run(spec, attempt)).await,)*
            }
        }

        /// Who makes the checks of a spec: a task, unless the kind says otherwise.
        pub(crate) fn driver(spec: &CheckSpec) -> Driver {
            match &spec.kind {
                $($(CheckKind::$kind(kind) => $driver(kind, &spec.at),)?)*
                _ => Driver::Task,
            }
        }
    };
}

// One line for each kind, and a `mod` above. A kind that is missing here does not compile.
kinds! {
    Tcp is tcp, driven by tcp::driver;
    Http is http, driven by http::driver;
    Grpc is grpc;
    Udp is udp;
    Dns is dns;
    Smtp is smtp;
    Redis is redis;
    Mysql is mysql;
    Postgres is postgres;
    Ping is ping;
    Exec is exec;
    File is file;
    Agent is agent;
}

#[cfg(test)]
mod tests;

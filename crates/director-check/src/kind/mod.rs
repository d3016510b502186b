//! One check, run once; each kind in a file of its own.
//!
//! ```text
//!   Target ──► run ──► tcp, http, ... ──► Passed or Failure ──► Report
//!               │
//!               └ the limit of time, over all of it; the stage says in what it ran out
//! ```
//!
//! - **The timeout is set here**, once, from before the first packet to after the last byte. A kind
//!   awaits without a limit, and is dropped on a timeout; what it started (a program) ends with it.
//! - **This machine's faults are not failures**: without descriptors, memory or the source address,
//!   the check was not carried out, and the verdict stays.
//! - **A report contains no secret**: nothing that is sent, and only a short quoted start of what
//!   is received.

mod agent;
mod attempt;
mod dns;
mod duplex;
mod exec;
mod expect;
mod file;
pub(super) mod fuzz;
mod grpc;
pub(super) mod http;
pub(super) mod idle;
mod mysql;
mod ping;
mod postgres;
mod redis;
mod refusals;
mod smtp;
mod talk;
mod tcp;
pub(crate) mod tls;
mod udp;
mod words;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::failure::{Failure, Passed};
use super::files;
use super::net::Way;
use super::{Outcome, Report, Target};
use attempt::Attempt;
pub(crate) use attempt::{CONNECTING, Means, Memory};
use director_config::state::health::{CheckKind, CheckSpec};
pub(crate) use expect::Patterns;

/// The failure of a check that timed out.
pub(crate) fn timed_out(timeout: Duration, stage: &str) -> Failure {
    Failure::new(format_args!("timed out after {timeout:?} while {stage}"))
}

/// The number of source ports tried for a check through the forwarding path.
const PORT_TRIES: usize = 8;

/// Runs one check that began at `began`.
pub(crate) async fn run(
    target: &Target,
    means: &Means,
    memory: Memory,
    began: Instant,
) -> (Report, Memory) {
    if !target.spec.at.through {
        return attempt(
            target,
            Way::to(target, &means.sources),
            means,
            memory,
            began,
        )
        .await;
    }
    let mut tries = 0;
    loop {
        let way = match Way::through(target, &means.passages, &means.sources) {
            Ok(way) => way,
            Err(failure) => return (report(Err(failure)), memory),
        };
        let result = attempt(target, way, means, memory, began).await;
        tries += 1;
        // A port may be taken by a program on this machine, or still in use from an earlier run.
        if tries == PORT_TRIES || !matches!(result.0.outcome, Outcome::NotAsked(_)) {
            return result;
        }
    }
}

/// Runs one check on one way.
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

/// The result in public form.
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

/// The part of the program that runs a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// `connects.rs`, on the thread that keeps the time.
    Connects,
    /// The same, and the connection stays until it ends.
    Holds,
    /// `worker.rs`, in a task.
    Task,
}

macro_rules! kinds {
    ($($kind:ident is $file:ident $(, driven by $driver:path)?;)*) => {
        async fn ask(attempt: &Attempt<'_>) -> Result<Passed, Failure> {
            // Boxed one by one: a single future would be as large as the largest.
            match &attempt.target.spec.kind {
                $(CheckKind::$kind(spec) => Box::pin($file::run(spec, attempt)).await,)*
            }
        }

        /// The driver for a spec: a task, unless the kind says otherwise.
        pub(crate) fn driver(spec: &CheckSpec) -> Driver {
            match &spec.kind {
                $($(CheckKind::$kind(kind) => $driver(kind, &spec.at),)?)*
                _ => Driver::Task,
            }
        }
    };
}

// One line for each kind, and a `mod` above. A missing kind does not compile.
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
    Idle is idle, driven by idle::driver;
}

#[cfg(test)]
mod tests;

//! What checks find: of one check, and the verdict over several.

use std::sync::Arc;

use super::TargetId;

/// Whether a target is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Unknown: `rise` successes make it up, `fall` failures down.
    Open,
    /// Up, until `fall` consecutive failures.
    Up,
    /// Down, until `rise` consecutive successes.
    Down,
}

/// A report of the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The verdict changed.
    Judged {
        /// The target concerned.
        target: TargetId,
        /// `Up` or `Down`.
        verdict: Verdict,
        /// Whether, for `Down`, this machine had no way to the target: its own interface is down or
        /// has no carrier, or there is no route. That says as much about this machine as about the
        /// server.
        cut_off: bool,
        /// The result of the last check, for people.
        reason: Arc<str>,
    },
    /// The agent, or the answer, advises another weight or use than before.
    Advised {
        /// The target concerned.
        target: TargetId,
        /// The current advice.
        advice: Advice,
    },
    /// For some time the target's checks could not be carried out because this machine lacked
    /// something; or they can be again. The verdict stays.
    NotAsked {
        /// The target concerned.
        target: TargetId,
        /// What is missing; `None` once it is available again.
        why: Option<Arc<str>>,
    },
}

/// What a check can report besides success or failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Advice {
    /// The weight, in percent of the declared one, 0 to 10,000.
    pub weight: Option<u16>,
    /// Whether the server should get new clients.
    pub admin: Admin,
}

/// Whether a server should get new clients, according to its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Admin {
    /// It should.
    #[default]
    Ready,
    /// It should not, but keeps its connections.
    Drain,
    /// It is in maintenance: out.
    Maint,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the server is up.
    pub outcome: Outcome,
    /// Its advice; `None` if this kind of check, or this answer, has none.
    pub advice: Option<Advice>,
    /// Whether it failed because this machine has no way to the server.
    pub cut_off: bool,
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Success, with information for people.
    Passed(Option<Box<str>>),
    /// Failure, with the reason.
    Failed(Box<str>),
    /// The check could not be carried out because this machine lacked something: descriptors,
    /// memory, a source address; or its answer was missed, because the director itself did not run.
    /// It says nothing about the server; the verdict stays.
    NotAsked(Box<str>),
}

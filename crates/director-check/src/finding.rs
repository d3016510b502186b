//! What checks find: of one check, and the verdict over several.

use std::sync::Arc;

use super::TargetId;

/// Whether a target is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not known yet: `rise` successes make it up, `fall` failures down.
    Open,
    /// Up, until `fall` failures in a row.
    Up,
    /// Down, until `rise` successes in a row.
    Down,
}

/// What the checks have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The verdict changed.
    Judged {
        /// Of what.
        target: TargetId,
        /// To `Up` or `Down`.
        verdict: Verdict,
        /// To `Down`, and this machine had no way to it: its own interface is down or has no
        /// carrier, or there is no route. That says as much about this machine as about the server.
        cut_off: bool,
        /// What the last check said.
        reason: Arc<str>,
    },
    /// The agent, or the answer, says something else about its weight or its use than before.
    Advised {
        /// Of what.
        target: TargetId,
        /// What it says now.
        advice: Advice,
    },
    /// Checks of it could not be asked for some time, for want of something on this machine; or
    /// they can again. The verdict stays.
    NotAsked {
        /// Of what.
        target: TargetId,
        /// What is missing; `None` when it is there again.
        why: Option<Arc<str>>,
    },
}

/// What a check can say beside whether its server is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Advice {
    /// The weight, in percent of the declared one, 0 to 10,000.
    pub weight: Option<u16>,
    /// Whether it should get new clients.
    pub admin: Admin,
}

/// Whether a server should get new clients, as its agent has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Admin {
    /// It should.
    #[default]
    Ready,
    /// It should not, but keeps the connections it has.
    Drain,
    /// It is in maintenance: out.
    Maint,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the server is well.
    pub outcome: Outcome,
    /// What else it said; `None` if that kind of check, or this answer, says nothing.
    pub advice: Option<Advice>,
    /// It failed as this machine has no way to the server.
    pub cut_off: bool,
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Well, with what is worth telling.
    Passed(Option<Box<str>>),
    /// Not well: what was wrong.
    Failed(Box<str>),
    /// The question could not be asked, for want of something on this machine: no descriptors, no
    /// memory, a source address it does not have; or the answer not heard, as the director itself
    /// did not run. It says nothing about the server; the verdict stays.
    NotAsked(Box<str>),
}

//! From what is there to what is declared, all or nothing.

use super::carry::{Done, Failed, Progress, Unrestored, carry_out, take_back};
use super::incarnation::Incarnation;
use super::journal::Journal;
use super::ledger::Ledger;
use super::platform::{Platform, PlatformError};
use super::store::{Store, StoreError};
use crate::plan::{Beside, Change, Plan, Situation, diff};
use crate::state::{BootTime, Desired, Observed, Ownership};

/// How often a plan is made anew because somebody else changed the tables meanwhile.
const MAX_ROUNDS: u32 = 5;

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many steps were carried out.
    pub steps: usize,
    /// The plan that was carried out last; what drains and what is foreign stands in it.
    pub plan: Plan,
    /// What was owned before.
    pub before: Ownership,
    /// Why what is owned now is not on disk, if it is not. What was done is in force.
    pub unkept: Option<StoreError>,
    done: Done,
}

impl Applied {
    /// What gives back the configuration from before, in the order in which it has to be done.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        self.done.undo()
    }
}

/// A plan, and what it was made from.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// What is owned before it is carried out.
    pub before: Ownership,
    /// What is owned besides, of services that the plan does not look at; it stays so.
    pub beside: Ownership,
    /// When it was made.
    pub now: BootTime,
    /// Whether it is carried out even if the journal cannot be written. A crash in the middle then
    /// leaves services whose owner is not known.
    pub lenient: bool,
}

/// Why the tables are not as declared.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The state of the kernel is not known. Nothing was done.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The ledger or the journal cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Changes failed; everything was undone, but for what is listed.
    #[error(
        "{}{}", failed.first().map(ToString::to_string).unwrap_or_default(),
        if unrestored.is_empty() { "; everything is as it was before" } else { "" }
    )]
    Failed {
        /// The changes that failed, the first one first.
        failed: Vec<Failed>,
        /// What could not be undone.
        unrestored: Vec<Unrestored>,
    },
    /// Somebody else kept changing the tables.
    #[error("the tables changed during each of {MAX_ROUNDS} attempts; somebody else is at work")]
    Contended,
}

/// Reads the kernel and makes the plan that leads to what is declared.
///
/// # Errors
/// [`ApplyError`] when the kernel or the ledger cannot be read.
pub fn prepare(
    platform: &mut impl Platform,
    store: &Store,
    incarnation: &Incarnation,
    desired: &Desired,
) -> Result<Prepared, ApplyError> {
    let observed = platform.observe()?;
    let mut before = Ledger::read(store, incarnation)?;
    if let Some(journal) = Journal::interrupted(store, incarnation)? {
        before = journal.recover(before, &observed);
    }
    let now = platform.now();
    let plan = make(desired, &observed, &before, now);
    Ok(Prepared {
        plan,
        before,
        beside: Ownership::default(),
        now,
        lenient: false,
    })
}

fn make(desired: &Desired, observed: &Observed, ownership: &Ownership, now: BootTime) -> Plan {
    diff(&Situation {
        desired,
        observed,
        ownership,
        now,
        beside: Beside::default(),
    })
}

/// Makes the tables what is declared, starting with a plan that was made for it.
///
/// Whoever calls this holds the [`Lock`](super::Lock), since before the plan was made.
///
/// # Errors
/// [`ApplyError`]; unless it says otherwise the configuration is what it was before.
pub fn converge(
    platform: &mut impl Platform,
    store: &Store,
    incarnation: &Incarnation,
    desired: &Desired,
    prepared: Prepared,
    progress: &mut dyn FnMut(Progress),
) -> Result<Applied, ApplyError> {
    let Prepared {
        mut plan,
        before,
        beside,
        now,
        lenient,
    } = prepared;
    let mut ownership = before.clone();
    let mut done = Done::default();
    let mut steps = 0;
    for _ in 0..MAX_ROUNDS {
        if !plan.is_empty() {
            match Journal::of(&plan, incarnation).begin(store) {
                Err(error) if !lenient => return Err(error.into()),
                _ => {}
            }
        }
        let next = std::mem::take(&mut plan.steps);
        let count = next.len();
        match carry_out(platform, next, &mut done, progress) {
            Ok(()) => {
                steps += count;
                // A server that has just been set to weight 0 may have no connection: only now
                // is a count of none one that stays. Then it goes in the same run.
                if !plan.draining.is_empty() {
                    ownership.clone_from(&plan.ownership);
                    plan = make(desired, &platform.observe()?, &ownership, now);
                    if !plan.is_empty() {
                        continue;
                    }
                }
                // The journal stands until the ledger does: it knows who owns what as well.
                let written = Ledger::write(store, incarnation, &[&plan.ownership, &beside]);
                let kept = written.and_then(|()| Journal::end(store));
                return Ok(Applied {
                    steps,
                    plan,
                    before,
                    unkept: kept.err(),
                    done,
                });
            }
            Err(failed) if failed.iter().all(Failed::is_stale_view) => {
                // What this run made in its earlier rounds is its own.
                ownership.services.extend(plan.ownership.services.clone());
                plan = make(desired, &platform.observe()?, &ownership, now);
            }
            Err(failed) => {
                let unrestored = take_back(platform, done);
                // One that stays says of nothing that it is owned unless it is there.
                if let Err(error) = Journal::end(store) {
                    store.warn(error.to_string());
                }
                return Err(ApplyError::Failed { failed, unrestored });
            }
        }
    }
    Err(ApplyError::Contended)
}

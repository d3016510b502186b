//! From the kernel's state to the declaration, all or nothing.

use super::carry::{Done, Failed, Progress, Unrestored, carry_out, take_back};
use super::incarnation::Incarnation;
use super::journal::Journal;
use super::ledger::Ledger;
use super::platform::{Platform, PlatformError};
use super::store::{Store, StoreError};
use crate::plan::{Beside, Change, Plan, Situation, diff};
use crate::state::{BootTime, Desired, Observed, Ownership};

/// How often a plan is made again because another program changed the tables in between.
const MAX_ROUNDS: u32 = 5;

/// The result of an apply.
#[derive(Debug, Default)]
pub struct Applied {
    /// The number of steps carried out.
    pub steps: usize,
    /// The last plan carried out; it lists what drains and what is foreign.
    pub plan: Plan,
    /// The ownership before.
    pub before: Ownership,
    /// Why the new ownership is not on disk, if so. The changes are in force.
    pub unkept: Option<StoreError>,
    done: Done,
}

impl Applied {
    /// The changes that restore the earlier configuration, in order.
    #[must_use]
    pub fn undo(&self) -> Vec<Change> {
        self.done.undo()
    }
}

/// A plan and its input.
#[derive(Debug)]
pub struct Prepared {
    /// The plan itself.
    pub plan: Plan,
    /// The ownership before the plan.
    pub before: Ownership,
    /// The ownership of services outside the plan, which stays.
    pub beside: Ownership,
    /// When the plan was made.
    pub now: BootTime,
    /// Whether to proceed even if the journal cannot be written. A crash halfway then leaves
    /// services without a known owner.
    pub lenient: bool,
}

/// Why the tables are not as declared.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The kernel's state is unknown. Nothing was changed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The ledger or the journal cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Changes failed; everything was rolled back, except what is listed.
    #[error(
        "{}{}", failed.first().map(ToString::to_string).unwrap_or_default(),
        if unrestored.is_empty() { "; everything was rolled back" } else { "" }
    )]
    Failed {
        /// The failed changes, the first failure first.
        failed: Vec<Failed>,
        /// The changes that could not be rolled back.
        unrestored: Vec<Unrestored>,
    },
    /// Another program kept changing the tables.
    #[error(
        "the tables changed during each of {MAX_ROUNDS} attempts: another program is changing \
             them"
    )]
    Contended,
}

/// Reads the kernel and plans the way to the declaration.
///
/// # Errors
/// [`ApplyError`] if the kernel or the ledger cannot be read.
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
    Ok(Prepared::new(desired, &observed, before, platform.now()))
}

impl Prepared {
    /// Plans for all services, those that are owned and no longer declared included.
    #[must_use]
    pub fn new(desired: &Desired, observed: &Observed, before: Ownership, now: BootTime) -> Self {
        Self {
            plan: make(desired, observed, &before, now),
            before,
            beside: Ownership::default(),
            now,
            lenient: false,
        }
    }
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

/// Makes the tables match the declaration, starting with a prepared plan.
///
/// The caller has held the [`Lock`](super::Lock) since before the plan was made.
///
/// # Errors
/// [`ApplyError`]; unless it says otherwise, the earlier configuration is restored.
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
                // A server just set to weight 0 may have no connections, and only now can that
                // count not rise again. It is then deleted in the same run.
                if !plan.draining.is_empty() {
                    ownership.clone_from(&plan.ownership);
                    plan = make(desired, &platform.observe()?, &ownership, now);
                    if !plan.is_empty() {
                        continue;
                    }
                }
                // The journal stays until the ledger is written: it contains the ownership as well.
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
                // Everything created in earlier rounds of this run is owned.
                ownership.services.extend(plan.ownership.services.clone());
                plan = make(desired, &platform.observe()?, &ownership, now);
            }
            Err(failed) => {
                let unrestored = take_back(platform, done);
                // A leftover journal claims ownership only of what exists.
                if let Err(error) = Journal::end(store) {
                    store.warn(error.to_string());
                }
                return Err(ApplyError::Failed { failed, unrestored });
            }
        }
    }
    Err(ApplyError::Contended)
}

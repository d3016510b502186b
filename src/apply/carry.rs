//! One plan, carried out; and taken back.

use std::fmt;
use std::io;

use ipvs::{Errno, Operation};

use super::platform::Platform;
use crate::plan::{Change, Phase, Step};

/// How many operations go between two reports of progress.
const SLICE: usize = 1024;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The phase under way.
    pub phase: Phase,
    /// Steps done, of all phases.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// A change that failed.
#[derive(Debug)]
pub struct Failed {
    /// What was to be done.
    pub change: Change,
    /// Why it was not.
    pub cause: Cause,
}

/// Why a change failed.
#[derive(Debug)]
pub enum Cause {
    /// IPVS refused, or did not answer.
    Ipvs(ipvs::Error),
    /// The sysctl could not be written.
    Sysctl(io::Error),
}

impl Failed {
    /// Whether the table was not as the plan assumed: look again.
    pub(super) fn is_stale_view(&self) -> bool {
        matches!(&self.cause, Cause::Ipvs(error) if error.is_stale_view())
    }

    /// Whether it may have been done all the same.
    fn is_unknown(&self) -> bool {
        matches!(&self.cause, Cause::Ipvs(error) if error.is_outcome_unknown())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Ipvs(error) => error.fmt(f),
            Cause::Sysctl(error) => write!(f, "cannot {}: {error}", self.change),
        }
    }
}

/// Something that could not be given back.
#[derive(Debug)]
pub struct Unrestored(pub Failed);

impl fmt::Display for Unrestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not undo: {}", self.0)
    }
}

/// The steps that were done, in the order in which they were.
#[derive(Debug, Default)]
pub(super) struct Done {
    steps: Vec<Step>,
    /// Which of them, in ascending order, had their answer lost: undoing one may find nothing to
    /// undo.
    unknown: Vec<usize>,
}

/// Carries steps out. A phase begins only when all of the one before it is acknowledged; after a
/// failure nothing further is sent.
pub(super) fn carry_out(
    platform: &mut impl Platform,
    steps: Vec<Step>,
    done: &mut Done,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Vec<Failed>> {
    // A large plan is not copied: all steps go to those that are done, and those that were not
    // are taken out again after a failure.
    let start = done.steps.len();
    if done.steps.is_empty() {
        done.steps = steps;
    } else {
        done.steps.extend(steps);
    }
    let total = done.steps.len() - start;
    let mut at = start;
    let mut operations = Vec::with_capacity(SLICE.min(total));
    for phase in Phase::ALL {
        let in_phase = |step: &&Step| step.phase == phase;
        while let Some(step) = done.steps.get(at).filter(in_phase) {
            progress(Progress {
                phase,
                done: at - start,
                total,
            });
            if let Change::Sysctl { sysctl, value } = &step.change {
                if let Err(error) = platform.write_sysctl(*sysctl, value) {
                    let change = step.change.clone();
                    let cause = Cause::Sysctl(error);
                    done.steps.truncate(at);
                    return Err(vec![Failed { change, cause }]);
                }
                at += 1;
                continue;
            }
            let rest = done.steps[at..].iter().take_while(in_phase);
            let run = rest.map_while(|step| match step.change {
                Change::Operation(operation) => Some(operation),
                Change::Sysctl { .. } => None,
            });
            operations.clear();
            operations.extend(run.take(SLICE));
            execute(platform, &operations, done, at)?;
            at += operations.len();
        }
        progress(Progress {
            phase,
            done: at - start,
            total,
        });
    }
    Ok(())
}

/// Carries out the operations of the steps from `at` on. After a failure, those steps that were
/// not done are no longer among the done ones.
fn execute(
    platform: &mut impl Platform,
    operations: &[Operation],
    done: &mut Done,
    at: usize,
) -> Result<(), Vec<Failed>> {
    let report = platform.execute(operations);
    if report.is_complete() {
        return Ok(());
    }
    let sent = report.sent();
    let mut failed = Vec::new();
    let mut failures = report.into_failures().into_iter().peekable();
    let steps = done.steps.split_off(at);
    for (index, step) in steps.into_iter().take(operations.len()).enumerate() {
        match failures.next_if(|failure| failure.index == index) {
            Some(failure) => {
                let cause = Cause::Ipvs(failure.error);
                let failure = Failed {
                    change: step.change.clone(),
                    cause,
                };
                if failure.is_unknown() && index < sent {
                    done.unknown.push(done.steps.len());
                    done.steps.push(step);
                }
                if !is_consequence(&failure, &failed) {
                    failed.push(failure);
                }
            }
            None if index < sent => done.steps.push(step),
            None => {}
        }
    }
    Err(failed)
}

/// Whether a change failed only because the service that it is about could not be made: then it
/// is nothing to report.
fn is_consequence(failure: &Failed, earlier: &[Failed]) -> bool {
    let Cause::Ipvs(error) = &failure.cause else {
        return false;
    };
    error.errno() == Some(Errno::ESRCH)
        && earlier.iter().any(|earlier| match &earlier.change {
            Change::Operation(Operation::AddService(service)) => {
                error.service_key() == Some(service.key)
            }
            _ => false,
        })
}

impl Done {
    /// What undoes it all, in the order in which it has to be done.
    pub(super) fn undo(&self) -> Vec<Change> {
        let steps = self.steps.iter().rev();
        steps.flat_map(Step::undo).collect()
    }
}

/// Undoes what was done, the last first, and says what could not be.
pub(super) fn take_back(platform: &mut impl Platform, done: Done) -> Vec<Unrestored> {
    let mut unrestored = Vec::new();
    let Done { steps, unknown } = done;
    for (index, step) in steps.into_iter().enumerate().rev() {
        let failed = restore(platform, step.undo());
        // Undoing what was perhaps never done finds nothing, and that is as well.
        let is_unknown = unknown.binary_search(&index).is_ok();
        let excused = |failed: &Unrestored| is_unknown && failed.0.is_stale_view();
        unrestored.extend(failed.into_iter().filter(|failed| !excused(failed)));
    }
    unrestored
}

/// Carries changes out one by one, whatever becomes of each, and says which failed.
pub(super) fn restore(platform: &mut impl Platform, changes: Vec<Change>) -> Vec<Unrestored> {
    let mut unrestored = Vec::new();
    for change in changes {
        let failed = match &change {
            Change::Sysctl { sysctl, value } => platform
                .write_sysctl(*sysctl, value)
                .err()
                .map(Cause::Sysctl),
            Change::Operation(operation) => platform
                .execute(&[*operation])
                .into_result()
                .err()
                .map(Cause::Ipvs),
        };
        if let Some(cause) = failed {
            unrestored.push(Unrestored(Failed { change, cause }));
        }
    }
    unrestored
}

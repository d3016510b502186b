//! Carries out one plan, and rolls it back.

use std::fmt;
use std::io;

use ipvs::{Errno, Operation, Report};

use super::platform::Platform;
use crate::plan::{Change, Phase, Portion, Step, Steps};

/// The number of operations between two progress reports: as many as the library sends in one
/// datagram.
const SLICE: usize = 256;

/// The progress of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The phase in progress.
    pub phase: Phase,
    /// The number of finished steps, in all phases.
    pub done: usize,
    /// The number of steps in all.
    pub total: usize,
}

/// A change that failed.
#[derive(Debug)]
pub struct Failed {
    /// The change itself.
    pub change: Change,
    /// The reason.
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
    /// Whether the table differed from the plan's assumption, so that it must be read again.
    pub(super) fn is_stale_view(&self) -> bool {
        matches!(&self.cause, Cause::Ipvs(error) if error.is_stale_view())
    }

    /// Whether the change may have been carried out anyway.
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

/// A change that could not be rolled back.
#[derive(Debug)]
pub struct Unrestored(pub Failed);

impl fmt::Display for Unrestored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot roll back: {}", self.0)
    }
}

/// The finished steps, in the order in which they were carried out.
#[derive(Debug, Default)]
pub(super) struct Done {
    steps: Steps,
    /// The indices, ascending, of steps whose answer was lost: their rollback may find nothing to
    /// do.
    unknown: Vec<usize>,
}

/// Carries steps out. A phase begins only after every step of the previous one is acknowledged;
/// after a failure nothing more is sent.
pub(super) fn carry_out(
    platform: &mut impl Platform,
    steps: Steps,
    done: &mut Done,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Vec<Failed>> {
    // Large plans are not copied: all steps are moved to the finished ones, and after a failure the
    // unfinished ones are taken out again.
    let start = done.steps.len();
    done.steps.append(steps);
    send(platform, &done.steps, start, progress).map_err(|stopped| done.settle(stopped))
}

/// Where execution stopped.
struct Stopped {
    /// The first step of the last batch.
    at: usize,
    why: Why,
}

enum Why {
    /// The sysctl step at this index failed.
    Sysctl(io::Error),
    /// A batch of operations, not all of which succeeded.
    Operations { tried: usize, report: Report },
}

/// Carries out the steps from `start` on.
fn send(
    platform: &mut impl Platform,
    steps: &Steps,
    start: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Stopped> {
    let total = steps.len() - start;
    let mut portions = steps.portions(start, SLICE);
    let mut at = start;
    for phase in Phase::ALL {
        let show = |at| Progress {
            phase,
            done: at - start,
            total,
        };
        while let Some(portion) = portions.next_of(phase) {
            progress(show(at));
            match portion {
                Portion::Sysctl(sysctl, value) => {
                    if let Err(error) = platform.write_sysctl(sysctl, &value) {
                        let why = Why::Sysctl(error);
                        return Err(Stopped { at, why });
                    }
                    at += 1;
                }
                Portion::Operations(operations) => {
                    let tried = operations.len();
                    let report = platform.execute(operations);
                    if !report.is_complete() {
                        let why = Why::Operations { tried, report };
                        return Err(Stopped { at, why });
                    }
                    at += tried;
                }
            }
        }
        progress(show(at));
    }
    Ok(())
}

impl Done {
    /// Removes the unfinished steps from the finished ones; returns the failures.
    fn settle(&mut self, stopped: Stopped) -> Vec<Failed> {
        let Stopped { at, why } = stopped;
        let mut steps = self.steps.split_off(at).into_iter();
        let (tried, report) = match why {
            Why::Operations { tried, report } => (tried, report),
            Why::Sysctl(error) => {
                let cause = Cause::Sysctl(error);
                let failed = |Step { change, .. }| Failed { change, cause };
                return steps.next().map(failed).into_iter().collect();
            }
        };
        let sent = report.sent();
        let mut failed = Vec::new();
        let mut failures = report.into_failures().into_iter().peekable();
        for (index, step) in steps.take(tried).enumerate() {
            match failures.next_if(|failure| failure.index == index) {
                Some(failure) => {
                    let cause = Cause::Ipvs(failure.error);
                    let failure = Failed {
                        change: step.change.clone(),
                        cause,
                    };
                    if failure.is_unknown() && index < sent {
                        self.unknown.push(self.steps.len());
                        self.steps.push(step);
                    }
                    if !is_consequence(&failure, &failed) {
                        failed.push(failure);
                    }
                }
                None if index < sent => self.steps.push(step),
                None => {}
            }
        }
        failed
    }

    /// The changes that roll everything back, in order.
    pub(super) fn undo(&self) -> Vec<Change> {
        self.steps.undo()
    }
}

/// Whether a change failed only because its service could not be created; such a failure is not
/// reported.
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

/// Rolls the finished steps back, last first, and returns the changes that could not be rolled
/// back.
pub(super) fn take_back(platform: &mut impl Platform, done: Done) -> Vec<Unrestored> {
    let mut unrestored = Vec::new();
    let Done { steps, unknown } = done;
    for (index, step) in (0..steps.len()).rev().zip(steps.iter().rev()) {
        let failed = restore(platform, step.undo());
        // A step that was perhaps never carried out may have nothing to roll back; that is fine.
        let is_unknown = unknown.binary_search(&index).is_ok();
        let excused = |failed: &Unrestored| is_unknown && failed.0.is_stale_view();
        unrestored.extend(failed.into_iter().filter(|failed| !excused(failed)));
    }
    unrestored
}

/// Carries changes out one by one, regardless of failures, and returns the failures.
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

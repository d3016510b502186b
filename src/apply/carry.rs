//! One plan, carried out; and taken back.

use std::fmt;
use std::io;

use ipvs::{Errno, Operation, Report};

use super::platform::Platform;
use crate::plan::{Change, Phase, Portion, Step, Steps};

/// How many operations go between two reports of progress: as many as the library sends at once.
const SLICE: usize = 256;

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
    steps: Steps,
    /// Which of them, in ascending order, had their answer lost: undoing one may find nothing to
    /// undo.
    unknown: Vec<usize>,
}

/// Carries steps out. A phase begins only when all of the one before it is acknowledged; after a
/// failure nothing further is sent.
pub(super) fn carry_out(
    platform: &mut impl Platform,
    steps: Steps,
    done: &mut Done,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Vec<Failed>> {
    // A large plan is not copied: all steps go to those that are done, and those that were not
    // are taken out again after a failure.
    let start = done.steps.len();
    done.steps.append(steps);
    send(platform, &done.steps, start, progress).map_err(|stopped| done.settle(stopped))
}

/// Where it stopped.
struct Stopped {
    /// The first step of those that were tried last.
    at: usize,
    why: Why,
}

enum Why {
    /// The step at that place could not be carried out.
    Sysctl(io::Error),
    /// So many operations were tried, and not all succeeded.
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
    /// Those steps that were not done are no longer among the done ones; returns what failed.
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

    /// What undoes it all, in the order in which it has to be done.
    pub(super) fn undo(&self) -> Vec<Change> {
        self.steps.undo()
    }
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

/// Undoes what was done, the last first, and says what could not be.
pub(super) fn take_back(platform: &mut impl Platform, done: Done) -> Vec<Unrestored> {
    let mut unrestored = Vec::new();
    let Done { steps, unknown } = done;
    for (index, step) in (0..steps.len()).rev().zip(steps.iter().rev()) {
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

//! The core and the worker: jobs on the kernel's tables, and their results.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::{FilesRead, Hot, Order};
use crate::check::{Command, Target, TargetId};
use crate::control::snapshot::Rejection;
use crate::control::{Counted, InForce};
use crate::state::failover::Failovers;
use crate::state::health::{RunSettings, ServiceWatch};
use crate::state::{Desired, DesiredService, Observed, ObservedService, Ownership, Policy, Sysctl};

/// A job for the worker.
pub(in crate::daemon) enum Job {
    /// Compare the files read with those in force; for the first ones also with the kernel.
    Take(Box<FilesRead>),
    /// Make the kernel match the wanted state, all or nothing.
    Transact(Box<Transaction>),
    /// Compare the tables with the believed ones.
    Read(Read),
    /// Log what the machine lacks for the file in force.
    Advise,
    /// Write the ownership to disk.
    Keep(Box<Ownership>),
    /// Targets that may go through the forwarding path were added or removed.
    Through(Changes),
    /// Read these services, or all tables, for a requester.
    Table(
        Option<Vec<ServiceKey>>,
        Box<dyn FnOnce(ipvs::Result<Counted>) + Send>,
    ),
    /// Show a requester the files in force; `None` before the first ones are.
    Files(Box<dyn FnOnce(Option<InForce>) + Send>),
    /// No more jobs. Sent explicitly, as a hanging reader holds its end of the channel.
    End,
}

impl Job {
    /// The name of the job, for when it hangs.
    pub(in crate::daemon) const fn what(&self) -> &'static str {
        match self {
            Self::Take(_) => "comparing the files with the tables",
            Self::Files(_) => "showing the files in force",
            Self::Transact(_) => "changing the tables, with the state directory",
            Self::Read(_) | Self::Table(..) => "reading the tables",
            Self::Advise => "reading addresses and routes",
            Self::Keep(_) => "writing the ledger to the state directory",
            Self::Through(_) => "changing the private services of checks",
            Self::End => "ending",
        }
    }
}

/// A result of the worker.
pub(in crate::daemon) enum Done {
    Loaded(Result<Box<Loaded>, Rejection>),
    Transacted(Result<Transacted, NotDone>),
    /// The ledger is on disk, or why it is not.
    Kept(Result<(), String>),
    Read(Result<Reading, String>),
}

/// A service as declared in a file.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Declaration {
    pub(in crate::daemon) key: ServiceKey,
    pub(in crate::daemon) declared: Arc<DesiredService>,
    pub(in crate::daemon) watch: Arc<ServiceWatch>,
}

/// A file without mistakes, compared with the one in force.
#[derive(Debug)]
pub(in crate::daemon) struct Loaded {
    /// New and changed services.
    pub(in crate::daemon) changed: Vec<Declaration>,
    /// Removed services.
    pub(in crate::daemon) removed: Vec<ServiceKey>,
    /// Everything but the services.
    pub(in crate::daemon) rest: Desired,
    pub(in crate::daemon) run: RunSettings,
    /// The sections about addresses.
    pub(in crate::daemon) failovers: Arc<Failovers>,
    /// At the start: the kernel's state.
    pub(in crate::daemon) first: Option<Box<First>>,
    /// On a reload: the kernel's state of services that the file in force does not have. Other
    /// programs may have created them, with traffic of their own.
    pub(in crate::daemon) found: BTreeMap<ServiceKey, ObservedService>,
}

impl Loaded {
    /// Whether persistent clients leave a server of weight 0 once this is in force.
    pub(in crate::daemon) fn quiescent(&self, now: bool) -> bool {
        let declared = self
            .rest
            .kernel
            .sysctls
            .get(&Sysctl::ExpireQuiescentTemplate);
        declared.map_or(now, |value| value != "0")
    }
}

/// The kernel's state when the director starts, and its ownership.
#[derive(Debug)]
pub(in crate::daemon) struct First {
    pub(in crate::daemon) observed: Observed,
    pub(in crate::daemon) ownership: Ownership,
    /// Problems with the state directory that were overcome.
    pub(in crate::daemon) warnings: Vec<String>,
}

/// The tables to compare with.
pub(in crate::daemon) struct Read {
    /// The core's number of writes at the start.
    pub(in crate::daemon) began: u64,
    pub(in crate::daemon) believed: BTreeMap<ServiceKey, Arc<ObservedService>>,
    pub(in crate::daemon) run: RunSettings,
}

/// The result of a comparison.
pub(in crate::daemon) struct Reading {
    pub(in crate::daemon) began: u64,
    /// Services that differ from what is believed. Long lists can lie: each has to be read again.
    pub(in crate::daemon) suspects: Vec<ServiceKey>,
    /// Services that are not believed to be there.
    pub(in crate::daemon) unknown: Vec<ServiceKey>,
    /// Everything but services.
    pub(in crate::daemon) settings: Observed,
}

/// The wanted state of some services.
pub(in crate::daemon) struct Transaction {
    pub(in crate::daemon) wanted: Vec<DesiredService>,
    /// The same services as declared in the file.
    pub(in crate::daemon) declared: Vec<Arc<DesiredService>>,
    pub(in crate::daemon) removed: Vec<ServiceKey>,
    pub(in crate::daemon) rest: Desired,
    pub(in crate::daemon) ownership: Ownership,
    pub(in crate::daemon) hot: Hot,
    /// The order of a reload; `None` for settings alone, which leave the file in force.
    pub(in crate::daemon) order: Option<Order>,
    /// The director is starting: it continues even if the state directory cannot be written.
    /// Otherwise dead servers would stay in for as long as the disk is full.
    pub(in crate::daemon) first: bool,
    /// The policy of the file in force; `None` if there is none.
    pub(in crate::daemon) policy: Option<Policy>,
}

/// A completed transaction.
#[derive(Debug)]
pub(in crate::daemon) struct Transacted {
    /// Its services.
    pub(in crate::daemon) keys: Vec<ServiceKey>,
    /// Their ownership now.
    pub(in crate::daemon) ownership: Ownership,
    pub(in crate::daemon) steps: usize,
    /// What the guards object to, and was forced.
    pub(in crate::daemon) forced: Vec<String>,
    /// Why the ledger is not on disk, if so.
    pub(in crate::daemon) unkept: Option<String>,
}

/// Why a transaction was not carried out.
#[derive(Debug)]
pub(in crate::daemon) enum NotDone {
    /// A guard or the kernel refused it.
    Refused(Rejection),
    /// The state directory cannot be written.
    Unkept(String),
}

/// Changes of targets that may go through the forwarding path.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Changes {
    pub(in crate::daemon) started: Vec<(TargetId, Arc<Target>)>,
    pub(in crate::daemon) stopped: Vec<TargetId>,
}

impl Changes {
    /// The changes made by these commands.
    pub(in crate::daemon) fn of(commands: &[Command]) -> Self {
        let mut changes = Self::default();
        for command in commands {
            match command {
                Command::Start { id, target, .. } if target.spec.at.through => {
                    changes.started.push((*id, target.clone()));
                }
                Command::Start { .. }
                | Command::Anew(_)
                | Command::Avoid(_)
                | Command::Allow(_) => {}
                Command::Stop(id) => changes.stopped.push(*id),
            }
        }
        changes
    }

    /// Whether there are no changes.
    pub(in crate::daemon) fn is_empty(&self) -> bool {
        self.started.is_empty() && self.stopped.is_empty()
    }
}

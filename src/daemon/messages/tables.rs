//! The core and the worker: what to do with the kernel's tables, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::{FilesRead, Hot, Order};
use crate::check::{Command, Target, TargetId};
use crate::state::health::{RunSettings, ServiceWatch};
use crate::state::{Desired, DesiredService, Observed, ObservedService, Ownership, Policy, Sysctl};

/// What the worker is to do.
pub(in crate::daemon) enum Job {
    /// Name what differs between the files that were read and those in force; of the first ones
    /// also what stands in the kernel.
    Take(Box<FilesRead>),
    /// Make the kernel what is wanted, all or nothing.
    Transact(Box<Transaction>),
    /// Compare the tables with the believed ones.
    Read(Read),
    /// Say what the machine lacks for the file in force.
    Advise,
    /// Put on disk who owns what.
    Keep(Box<Ownership>),
    /// Targets that may go through the forwarding path came and went.
    Through(Changes),
    /// Read all tables for somebody.
    Table(Box<dyn FnOnce(ipvs::Result<ipvs::Table>) + Send>),
    /// Nothing more comes. Said, as a reader that hangs holds its end of the channel.
    End,
}

impl Job {
    /// What it is at, for when it hangs.
    pub(in crate::daemon) const fn what(&self) -> &'static str {
        match self {
            Self::Take(_) => "comparing the files with the tables",
            Self::Transact(_) => "changing the tables, with the state directory",
            Self::Read(_) | Self::Table(_) => "reading the tables",
            Self::Advise => "reading addresses and routes",
            Self::Keep(_) => "writing the ledger to the state directory",
            Self::Through(_) => "changing the private services of checks",
            Self::End => "ending",
        }
    }
}

/// What the worker did.
pub(in crate::daemon) enum Done {
    Loaded(Result<Box<Loaded>, String>),
    Transacted(Result<Transacted, NotDone>),
    /// The ledger is on disk, or why it is not.
    Kept(Result<(), String>),
    Read(Result<Reading, String>),
}

/// A service as a file declares it.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Declaration {
    pub(in crate::daemon) key: ServiceKey,
    pub(in crate::daemon) declared: Arc<DesiredService>,
    pub(in crate::daemon) watch: Arc<ServiceWatch>,
}

/// A file without mistakes, compared with the one in force.
#[derive(Debug)]
pub(in crate::daemon) struct Loaded {
    /// Services that are new or different.
    pub(in crate::daemon) changed: Vec<Declaration>,
    /// Services that are gone.
    pub(in crate::daemon) removed: Vec<ServiceKey>,
    /// All but the services.
    pub(in crate::daemon) rest: Desired,
    pub(in crate::daemon) run: RunSettings,
    /// At the start: what stands in the kernel.
    pub(in crate::daemon) first: Option<Box<First>>,
    /// At a reload: what stands in the kernel of services that the file in force does not have.
    /// Somebody else may have made them, and they carry his traffic.
    pub(in crate::daemon) found: BTreeMap<ServiceKey, ObservedService>,
}

impl Loaded {
    /// Whether persistent clients leave a server of weight 0 when this is in force.
    pub(in crate::daemon) fn quiescent(&self, now: bool) -> bool {
        let declared = self
            .rest
            .kernel
            .sysctls
            .get(&Sysctl::ExpireQuiescentTemplate);
        declared.map_or(now, |value| value != "0")
    }
}

/// What stands in the kernel when the director starts, and what of it is its own.
#[derive(Debug)]
pub(in crate::daemon) struct First {
    pub(in crate::daemon) observed: Observed,
    pub(in crate::daemon) ownership: Ownership,
    /// What is wrong with the state directory, and was overcome.
    pub(in crate::daemon) warnings: Vec<String>,
}

/// What a reading is compared with.
pub(in crate::daemon) struct Read {
    /// How many writes the core had made.
    pub(in crate::daemon) began: u64,
    pub(in crate::daemon) believed: BTreeMap<ServiceKey, Arc<ObservedService>>,
    pub(in crate::daemon) run: RunSettings,
}

/// What a reading came to.
pub(in crate::daemon) struct Reading {
    pub(in crate::daemon) began: u64,
    /// Services that differ from what is believed. Long lists can lie: each has to be read again.
    pub(in crate::daemon) suspects: Vec<ServiceKey>,
    /// Services that are not believed to be there.
    pub(in crate::daemon) unknown: Vec<ServiceKey>,
    /// Everything but services.
    pub(in crate::daemon) settings: Observed,
}

/// What is to be made of some services.
pub(in crate::daemon) struct Transaction {
    pub(in crate::daemon) wanted: Vec<DesiredService>,
    /// The same services as the file has them.
    pub(in crate::daemon) declared: Vec<Arc<DesiredService>>,
    pub(in crate::daemon) removed: Vec<ServiceKey>,
    pub(in crate::daemon) rest: Desired,
    pub(in crate::daemon) ownership: Ownership,
    pub(in crate::daemon) hot: Hot,
    /// Of a reload; `None` for settings alone, which leave the file in force as it is.
    pub(in crate::daemon) order: Option<Order>,
    /// The director starts: it goes on where the state directory cannot be written. Servers that
    /// are dead would stay in otherwise, for as long as the disk is full.
    pub(in crate::daemon) first: bool,
    /// What the file in force says; `None` when there is none.
    pub(in crate::daemon) policy: Option<Policy>,
}

/// A transaction that was carried out.
#[derive(Debug)]
pub(in crate::daemon) struct Transacted {
    /// The services that it was about.
    pub(in crate::daemon) keys: Vec<ServiceKey>,
    /// What is owned of them now.
    pub(in crate::daemon) ownership: Ownership,
    pub(in crate::daemon) steps: usize,
    /// Why the ledger is not on disk, if it is not.
    pub(in crate::daemon) unkept: Option<String>,
}

/// Why a transaction was not carried out.
#[derive(Debug)]
pub(in crate::daemon) enum NotDone {
    /// A guard or the kernel refuses what is wanted.
    Refused(String),
    /// The state directory cannot be written.
    Unkept(String),
}

/// What becomes of targets that may go through the forwarding path.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Changes {
    pub(in crate::daemon) started: Vec<(TargetId, Arc<Target>)>,
    pub(in crate::daemon) stopped: Vec<TargetId>,
}

impl Changes {
    /// Those of these commands.
    pub(in crate::daemon) fn of(commands: &[Command]) -> Self {
        let mut changes = Self::default();
        for command in commands {
            match command {
                Command::Start { id, target, .. } if target.spec.at.through => {
                    changes.started.push((*id, target.clone()));
                }
                Command::Start { .. } => {}
                Command::Stop(id) => changes.stopped.push(*id),
            }
        }
        changes
    }

    /// Whether there are none.
    pub(in crate::daemon) fn is_empty(&self) -> bool {
        self.started.is_empty() && self.stopped.is_empty()
    }
}

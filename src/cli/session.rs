//! What the verbs that touch the kernel have in common.

use std::time::Duration;

use anyhow::Context;

use super::args::Args;
use super::output::say;
use crate::apply::{
    Applied, ApplyError, Incarnation, Journal, Kernel, Ledger, Lock, Platform, Prepared, Progress,
    Store, converge,
};
use crate::net;
use crate::plan::{Situation, diff};
use crate::state::{Desired, Observed, Ownership};

/// The kernel of the chosen namespace, and what is remembered of it.
pub(crate) struct Session {
    pub(crate) kernel: Kernel,
    pub(crate) store: Store,
    pub(crate) incarnation: Incarnation,
}

impl Session {
    /// Enters the namespace and connects. The program has one thread at this time.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(name) = &args.netns {
            net::enter(name)?;
        }
        let incarnation = Incarnation::current().context("cannot read /proc")?;
        // By inode, so that `ip netns exec` and --netns mean the same directory.
        let directory = args
            .state_dir
            .join(format!("net-{}", incarnation.namespace.1));
        let kernel = Kernel::connect()?;
        let store = Store::new(directory);
        Ok(Self {
            kernel,
            store,
            incarnation,
        })
    }

    /// Takes the lock for as long as what is returned lives.
    pub(crate) fn lock(&self, patience: Duration) -> anyhow::Result<Lock> {
        Ok(Lock::take(&self.store, patience)?)
    }

    /// Reads the kernel.
    pub(crate) fn observe(&mut self) -> anyhow::Result<Observed> {
        Ok(self.kernel.observe()?)
    }

    /// What is owned; after an interrupted run, what that was to own too.
    pub(crate) fn ownership(&self, observed: &Observed) -> anyhow::Result<Ownership> {
        let ownership = Ledger::read(&self.store, &self.incarnation)?;
        let interrupted = Journal::interrupted(&self.store, &self.incarnation)?;
        Ok(match interrupted {
            Some(journal) => {
                let (pid, changes) = (journal.pid, journal.changes);
                if Lock::holder(&self.store) == Some(pid) {
                    say!("director: process {pid} is in the middle of {changes} changes");
                } else {
                    say!(
                        "director: an earlier run (process {pid}) ended in the middle of \
                         {changes} changes; `apply` finishes what is declared now"
                    );
                }
                journal.recover(ownership, observed)
            }
            None => ownership,
        })
    }

    /// The plan for what is declared.
    pub(crate) fn plan(&mut self, desired: &Desired) -> anyhow::Result<Prepared> {
        let observed = self.observe()?;
        let before = self.ownership(&observed)?;
        let now = self.kernel.now();
        let plan = diff(&Situation {
            desired,
            observed: &observed,
            ownership: &before,
            now,
        });
        Ok(Prepared {
            plan,
            before,
            beside: Ownership::default(),
            now,
        })
    }

    /// Carries a plan out, and whatever it takes beyond it.
    pub(crate) fn converge(
        &mut self,
        desired: &Desired,
        prepared: Prepared,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Applied, ApplyError> {
        let Self {
            kernel,
            store,
            incarnation,
        } = self;
        converge(kernel, store, incarnation, desired, prepared, progress)
    }
}

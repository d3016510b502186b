//! Code shared by the verbs that touch the kernel.

use std::time::Duration;

use anyhow::Context;
use ipvs::{Operation, ServiceKey};

use super::args::Args;
use super::exit::Exit;
use super::output::say;
use crate::apply::{
    Applied, ApplyError, Incarnation, Journal, Kernel, Ledger, Lock, Platform, Prepared, Progress,
    Remains, Store, converge,
};
use crate::net;
use crate::plan::sysctls_for;
use crate::state::health::MarkRange;
use crate::state::{Desired, Observed, Ownership, Sysctl};
use crate::words::{chain, count};

/// The kernel of the chosen namespace, and the state stored for it.
pub(crate) struct Session {
    pub(crate) kernel: Kernel,
    pub(crate) store: Store,
    pub(crate) incarnation: Incarnation,
    /// Whether the leftovers of earlier runs have been reported.
    said: bool,
    /// The ranges of private firewall marks, besides the default one.
    marks: Vec<MarkRange>,
    /// The checks' private services in the last reading of the kernel.
    private: Vec<ServiceKey>,
}

impl Session {
    /// Enters the namespace and connects. The program has one thread at this time.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(name) = &args.netns {
            net::enter(name)?;
        }
        let incarnation = Incarnation::current().context("cannot read `/proc`")?;
        let kernel = Kernel::connect()?;
        let store = Store::within(&args.state_dir, &incarnation.directory());
        Ok(Self {
            kernel,
            store,
            incarnation,
            said: false,
            marks: Vec::new(),
            private: Vec::new(),
        })
    }

    /// For a look beside the director that this process is: its leftovers are no news.
    pub(crate) const fn beside(kernel: Kernel, store: Store, incarnation: Incarnation) -> Self {
        Self {
            kernel,
            store,
            incarnation,
            said: true,
            marks: Vec::new(),
            private: Vec::new(),
        }
    }

    /// Takes the lock until the returned value is dropped.
    pub(crate) fn lock(&self, patience: Duration) -> anyhow::Result<Lock> {
        let lock = Lock::take(&self.store, patience);
        self.tell_warnings();
        Ok(lock?)
    }

    /// Reports problems with the state directory that were overcome.
    pub(crate) fn tell_warnings(&self) {
        for warning in self.store.take_warnings() {
            say!("director: {warning}");
        }
    }

    /// Treats services with these firewall marks as private from now on.
    pub(crate) fn hide(&mut self, marks: MarkRange) {
        self.marks.push(marks);
    }

    /// Reads the kernel's tables.
    pub(crate) fn observe(&mut self) -> anyhow::Result<Observed> {
        self.observe_with(Sysctl::ALL)
    }

    fn observe_with<'s>(
        &mut self,
        sysctls: impl IntoIterator<Item = &'s Sysctl>,
    ) -> anyhow::Result<Observed> {
        let mut observed = self.kernel.observe_with(sysctls)?;
        for marks in &self.marks {
            observed.hide_private(marks);
        }
        self.private = observed.private.keys().copied().collect();
        Ok(observed)
    }

    /// Removes private services left by a killed daemon. The caller holds the lock, which a running
    /// daemon would hold, so no daemon owns them.
    pub(crate) fn remove_leftovers(&mut self) {
        let leftovers = std::mem::take(&mut self.private);
        let operations: Vec<_> = leftovers
            .iter()
            .copied()
            .map(Operation::DeleteService)
            .collect();
        if operations.is_empty() {
            return;
        }
        let report = self.kernel.execute(&operations);
        // Already gone is fine.
        let failed = report
            .failures()
            .iter()
            .find(|failure| !failure.error.is_stale_view());
        match failed {
            None => say!(
                "director: removed {}, left by a killed daemon",
                count(
                    operations.len(),
                    "private service of checks",
                    "private services of checks"
                )
            ),
            Some(failure) => say!(
                "director: cannot remove the private services that a killed daemon left: {}",
                failure.error
            ),
        }
    }

    /// What director owns, including what an interrupted run was to own. Reports the leftovers of
    /// earlier runs once.
    pub(crate) fn ownership(&mut self, observed: &Observed) -> anyhow::Result<Ownership> {
        let ownership = Ledger::read(&self.store, &self.incarnation)?;
        let interrupted = Journal::interrupted(&self.store, &self.incarnation)?;
        if !self.said {
            if let Some(journal) = &interrupted {
                self.tell_of_interrupted(journal);
            }
            if let Some(remains) = Remains::read(&self.store, &self.incarnation)? {
                self.tell_of_remains(&remains);
            }
            self.said = true;
        }
        self.tell_warnings();
        Ok(match interrupted {
            Some(journal) => journal.recover(ownership, observed),
            None => ownership,
        })
    }

    fn tell_of_interrupted(&self, journal: &Journal) {
        let pid = journal.pid;
        let changes = count(journal.changes, "change", "changes");
        if Lock::holder(&self.store) == Some(pid) {
            say!("director: process {pid} is halfway through {changes}");
        } else {
            say!(
                "director: an earlier run (process {pid}) ended halfway through {changes}; `apply` \
                 finishes what is declared now"
            );
        }
    }

    fn tell_of_remains(&self, remains: &Remains) {
        let ago = remains.at().until(self.kernel.now()).as_secs();
        say!("director: an unconfirmed apply was rolled back {ago}s ago, except for:");
        for failure in &remains.failures {
            say!("director:   {failure}");
        }
        say!("director: the next successful `apply` fixes it");
    }

    /// Writes the new ownership to disk, which also settles an interrupted run.
    ///
    /// The caller holds the lock and has the ownership from [`Session::ownership`].
    pub(crate) fn settle(&self, ownership: &Ownership) -> anyhow::Result<()> {
        // The ledger first: if a run ends between the two writes, the next one finds the journal
        // and adds its contents to the ledger, as this one did.
        Ledger::write(&self.store, &self.incarnation, &[ownership])?;
        Ok(Journal::end(&self.store)?)
    }

    /// The exit code of a verb that changed the tables; not [`Exit::Done`] if the ledger is not on
    /// disk.
    pub(crate) fn ended(&self, applied: &Applied) -> Exit {
        self.tell_warnings();
        match &applied.unkept {
            None => Exit::Done,
            Some(error) => {
                say!(
                    "director: applied, but the ownership is not on disk: {}; free disk space, and \
                     run it again",
                    chain(error)
                );
                Exit::NotKept
            }
        }
    }

    /// Makes the plan for a declaration.
    pub(crate) fn plan(&mut self, desired: &Desired) -> anyhow::Result<Prepared> {
        let observed = self.observe_with(&sysctls_for(&desired.kernel))?;
        let before = self.ownership(&observed)?;
        let now = self.kernel.now();
        Ok(Prepared::new(desired, &observed, before, now))
    }

    /// Applies a plan, including the work around it.
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
            ..
        } = self;
        let mut applied = converge(kernel, store, incarnation, desired, prepared, progress)?;
        let forgotten = Remains::forget(store);
        applied.unkept = applied.unkept.or(forgotten.err());
        Ok(applied)
    }
}

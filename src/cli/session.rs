//! What the verbs that touch the kernel have in common.

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
use crate::plan::{Beside, Situation, diff, sysctls_for};
use crate::state::health::MarkRange;
use crate::state::{Desired, Observed, Ownership, Sysctl};
use crate::words::{chain, count};

/// The kernel of the chosen namespace, and what is remembered of it.
pub(crate) struct Session {
    pub(crate) kernel: Kernel,
    pub(crate) store: Store,
    pub(crate) incarnation: Incarnation,
    /// Whether it was said what earlier runs left.
    said: bool,
    /// Where private services have their firewall marks, beside the default range.
    marks: Vec<MarkRange>,
    /// The private services of checks that were there when the kernel was last read.
    private: Vec<ServiceKey>,
}

impl Session {
    /// Enters the namespace and connects. The program has one thread at this time.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(name) = &args.netns {
            net::enter(name)?;
        }
        let incarnation = Incarnation::current().context("cannot read /proc")?;
        // By inode, so that `ip netns exec` and --netns mean the same directory.
        let directory = format!("net-{}", incarnation.namespace.1);
        let kernel = Kernel::connect()?;
        let store = Store::within(&args.state_dir, &directory);
        Ok(Self {
            kernel,
            store,
            incarnation,
            said: false,
            marks: Vec::new(),
            private: Vec::new(),
        })
    }

    /// Takes the lock for as long as what is returned lives.
    pub(crate) fn lock(&self, patience: Duration) -> anyhow::Result<Lock> {
        let lock = Lock::take(&self.store, patience);
        self.tell_warnings();
        Ok(lock?)
    }

    /// Says what is wrong with the state directory, and was overcome.
    pub(crate) fn tell_warnings(&self) {
        for warning in self.store.take_warnings() {
            say!("director: {warning}");
        }
    }

    /// Services of these firewall marks are private too, in what is read from now on.
    pub(crate) fn hide(&mut self, marks: MarkRange) {
        self.marks.push(marks);
    }

    /// Reads the kernel.
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

    /// Removes private services that a killed daemon has left. Whoever calls this holds the lock,
    /// which a daemon holds as long as it runs: they are nobody's.
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
        // Gone is gone.
        let failed = report
            .failures()
            .iter()
            .find(|failure| !failure.error.is_stale_view());
        match failed {
            None => say!(
                "director: removed {}, which a killed daemon had left",
                count(
                    operations.len(),
                    "private service of checks",
                    "private services of checks"
                )
            ),
            Some(failure) => say!(
                "director: cannot remove the private services of checks that a killed daemon \
                 left: {}",
                failure.error
            ),
        }
    }

    /// What is owned; after an interrupted run, what that was to own too. Says, once, what earlier
    /// runs left.
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
            say!("director: process {pid} is in the middle of {changes}");
        } else {
            say!(
                "director: an earlier run (process {pid}) ended in the middle of {changes}; \
                 `apply` finishes what is declared now"
            );
        }
    }

    fn tell_of_remains(&self, remains: &Remains) {
        let ago = remains.at().until(self.kernel.now()).as_secs();
        say!("director: an unconfirmed apply was undone {ago}s ago, but not all of it:");
        for failure in &remains.failures {
            say!("director:   {failure}");
        }
        say!("director: the next `apply` that ends well sets it right");
    }

    /// Puts down who owns what from now on; that settles what an interrupted run left open.
    ///
    /// Whoever calls this holds the lock, and has the ownership from [`Session::ownership`].
    pub(crate) fn settle(&self, ownership: &Ownership) -> anyhow::Result<()> {
        // The ledger first: a run that ends between the two finds the journal and adds what it
        // says to the ledger, as this one did.
        Ledger::write(&self.store, &self.incarnation, &[ownership])?;
        Ok(Journal::end(&self.store)?)
    }

    /// How a verb ends that changed the tables: not as usual, if that is not on disk.
    pub(crate) fn ended(&self, applied: &Applied) -> Exit {
        self.tell_warnings();
        match &applied.unkept {
            None => Exit::Done,
            Some(error) => {
                say!(
                    "director: done and in force, but who owns what is not on disk: {}; make room, \
                     and run it again",
                    chain(error)
                );
                Exit::NotKept
            }
        }
    }

    /// The plan for what is declared.
    pub(crate) fn plan(&mut self, desired: &Desired) -> anyhow::Result<Prepared> {
        let observed = self.observe_with(&sysctls_for(&desired.kernel))?;
        let before = self.ownership(&observed)?;
        let now = self.kernel.now();
        let plan = diff(&Situation {
            desired,
            observed: &observed,
            ownership: &before,
            now,
            beside: Beside::default(),
        });
        Ok(Prepared {
            plan,
            before,
            beside: Ownership::default(),
            now,
            lenient: false,
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
            ..
        } = self;
        let mut applied = converge(kernel, store, incarnation, desired, prepared, progress)?;
        let forgotten = Remains::forget(store);
        applied.unkept = applied.unkept.or(forgotten.err());
        Ok(applied)
    }
}

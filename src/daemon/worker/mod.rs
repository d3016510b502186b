//! The worker: does what takes long, on its own thread and socket.
//!
//! It compares files with those in force, reads all tables and names the services that differ from
//! the core's belief, and carries out transactions. It decides nothing: its results go to the core.

mod dwindling;
mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ipvs::transport::Transport;
use ipvs::{Client, NetlinkSocket, ServerKey, ServiceKey, Table, TableService};

use super::messages::{Declaration, Declared, Done, FilesRead, First, Job, Loaded, Read, Reading};
use super::private::Private;
use super::warnings::Warnings;
use crate::apply::{
    ApplyError, Incarnation, Journal, Kernel, Ledger, Platform, PlatformError, Remains, Store,
};
use crate::config::{Services, Shape};
use crate::control::snapshot::Rejection;
use crate::control::{Counted, InForce};
use crate::state::Sysctl;
use crate::state::health::MarkRange;
use crate::words::{chain, count, length, path as shown};
use dwindling::Dwindling;
use transaction::standing;

/// The worker.
pub(in crate::daemon) struct Worker<T: Transport = NetlinkSocket> {
    pub(in crate::daemon) file: PathBuf,
    pub(in crate::daemon) kernel: Kernel<T>,
    pub(in crate::daemon) store: Store,
    pub(in crate::daemon) incarnation: Incarnation,
    /// What is in force, or is being put in force.
    in_force: Services,
    /// The shape of its files.
    shape: Shape,
    /// What will be in force if the transaction succeeds.
    candidate: Option<(Services, Shape)>,
    dwindling: Dwindling,
    private: Private,
    warnings: Warnings,
    /// Sysctls that this kernel lacks, as events have said.
    lacking: BTreeSet<Sysctl>,
    /// Whether what a rolled-back `apply` left is not settled yet.
    remains: bool,
}

impl<T: Transport> Worker<T> {
    pub(in crate::daemon) fn new(
        file: PathBuf,
        kernel: Kernel<T>,
        store: Store,
        incarnation: Incarnation,
        private: Private,
    ) -> Self {
        Self {
            file,
            kernel,
            store,
            incarnation,
            in_force: Services::new(),
            shape: Shape::default(),
            candidate: None,
            dwindling: Dwindling::default(),
            private,
            warnings: Warnings::default(),
            lacking: BTreeSet::new(),
            remains: false,
        }
    }

    /// There are no more jobs.
    pub(in crate::daemon) fn close(mut self) {
        self.private.close(&mut self.kernel);
    }

    /// Does a job; `None` for those without a result.
    pub(in crate::daemon) fn work(&mut self, job: Job) -> Option<Done> {
        match job {
            Job::Take(read) => Some(Done::Loaded(self.take(*read))),
            Job::Transact(transaction) => Some(Done::Transacted(self.transact(*transaction))),
            Job::Read(read) => Some(Done::Read(
                self.read(&read).map_err(|error| error.to_string()),
            )),
            Job::Advise => {
                let services = self.in_force.values();
                self.warnings
                    .look(services.map(|(declared, watch)| (declared, watch)));
                None
            }
            Job::Keep(ownership) => {
                let written = Ledger::write(&self.store, &self.incarnation, &[&ownership]);
                // A transaction that could not write its ledger has left its journal.
                let kept = written.and_then(|()| Journal::end(&self.store));
                Some(Done::Kept(kept.map_err(|error| chain(&error))))
            }
            Job::Through(changes) => {
                if self.private.change(changes) {
                    self.settle_private();
                }
                None
            }
            Job::Table(of, reply) => {
                reply(self.counted(of.as_deref()));
                None
            }
            Job::Files(reply) => {
                let is_there = !self.shape.files.is_empty();
                reply(is_there.then(|| InForce {
                    root: self.file.clone(),
                    texts: self.shape.texts.clone(),
                }));
                None
            }
            Job::End => None,
        }
    }

    /// The tables with counters, for readers outside.
    fn counted(&mut self, of: Option<&[ServiceKey]>) -> ipvs::Result<Counted> {
        let client = self.kernel.client();
        let table = match of {
            Some(keys) => some_of(client, keys)?,
            None => client.table()?,
        };
        let buckets = client.info().ok().map(|info| info.connection_table_size);
        Ok(Counted { table, buckets })
    }

    fn take(&mut self, read: FilesRead) -> Result<Box<Loaded>, Rejection> {
        let FilesRead { first, order, .. } = read;
        let Declared {
            rest,
            watch,
            failovers,
            services: candidate,
            shape,
            warnings,
        } = read.outcome.map_err(Rejection::mistakes)?;
        if !first && !order.force {
            let lacks = shape.lacks(&self.shape);
            if !lacks.is_empty() {
                let force = "if this is intended, run `director reload --force`";
                let why = format!("{}; {force}", lacks.join("; "));
                return Err(Rejection::guard(why));
            }
        }
        if !warnings.is_empty() {
            tracing::warn!("{}: {}", shown(&self.file), warnings.trim_end());
        }
        let run = watch.run;
        let Compared {
            changed,
            fresh,
            removed,
        } = Compared::new(&candidate, &self.in_force);
        let differs = !changed.is_empty() || !removed.is_empty();
        if differs && !first && !order.asked {
            let cut_off = shape.cut_off(&self.shape);
            if !cut_off.is_empty() {
                let ask = "if this is intended, run `director reload`";
                let why = format!("{}; {ask}", cut_off.join("; "));
                return Err(Rejection::guard(why));
            }
        }
        self.candidate = Some((candidate, shape));
        self.warnings.announced(&failovers);
        let (mut found, mut adopted) = (BTreeMap::new(), None);
        if first {
            self.private.configure(&run);
            let failed = |error| Rejection::failure(chain(&error));
            let first = self.first(&run.marks).map_err(failed)?;
            if !order.force {
                self.is_whole(&first).map_err(Rejection::guard)?;
            }
            adopted = Some(Box::new(first));
        } else if !fresh.is_empty() {
            let there = standing(&mut self.kernel, &fresh);
            found = there.map_err(|error| Rejection::failure(chain(&error)))?;
        }
        Ok(Box::new(Loaded {
            changed,
            removed,
            rest,
            run,
            failovers,
            first: adopted,
            found,
        }))
    }

    /// At the start, nothing shows what an empty or missing file contained before. It is refused if
    /// services of the last run would be removed.
    fn is_whole(&self, first: &First) -> Result<(), String> {
        let Some((candidate, shape)) = &self.candidate else {
            return Ok(());
        };
        let Some(doubt) = shape.doubt() else {
            return Ok(());
        };
        let ownership = &first.ownership;
        let goes = |key: &&ServiceKey| {
            first.observed.services.contains_key(*key)
                && !ownership.leaving.contains_key(*key)
                && !candidate.contains_key(*key)
        };
        match ownership.services.keys().filter(goes).count() {
            0 => Ok(()),
            going => Err(format!(
                "{doubt}, and {} of the last run would be removed; use --force to override",
                count(going, "service", "services")
            )),
        }
    }

    fn first(&mut self, marks: &MarkRange) -> Result<First, ApplyError> {
        let mut observed = self.kernel.observe()?;
        observed.hide_private(marks);
        let mut ownership = Ledger::read(&self.store, &self.incarnation)?;
        if let Some(journal) = Journal::interrupted(&self.store, &self.incarnation)? {
            let pid = journal.pid;
            let changes = count(journal.changes, "change", "changes");
            tracing::warn!("an earlier run (process {pid}) ended halfway through {changes}");
            ownership = journal.recover(ownership, &observed);
        }
        if let Some(remains) = Remains::read(&self.store, &self.incarnation)? {
            self.remains = true;
            let ago = length(remains.at().until(self.kernel.now()).as_secs());
            tracing::warn!(
                "an unconfirmed apply was rolled back {ago} ago, except for: {}; the file in force \
                 replaces it now",
                remains.failures.join("; ")
            );
        }
        Ok(First {
            observed,
            ownership,
            warnings: self.store.take_warnings(),
        })
    }

    /// Lists the private services and repairs them.
    fn settle_private(&mut self) {
        let listed = self.kernel.client().services();
        let there = listed.map(|listed| {
            let keys = listed.into_iter().map(|entry| entry.service.key);
            keys.filter(|key| self.private.is_private(key))
                .collect::<Vec<_>>()
        });
        let settled = match there {
            Ok(there) => self.settle_those(&there),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = settled {
            tracing::warn!(
                "cannot read the private services of checks: {}",
                chain(&error)
            );
        }
    }

    fn settle_those(&mut self, there: &[ServiceKey]) -> Result<(), PlatformError> {
        let in_force = &self.in_force;
        self.private.settle(&mut self.kernel, there, |target| {
            let (declared, watch) = in_force.get(&target.service?)?;
            let key = ServerKey::new(target.server.0, target.server.1);
            let servers = declared.servers.get(&key);
            let server = servers.or_else(|| watch.backup.get(&key));
            Some(server?.server)
        })
    }

    fn read(&mut self, read: &Read) -> Result<Reading, PlatformError> {
        self.private.configure(&read.run);
        let client = self.kernel.client();
        let (mut suspects, mut unknown) = (Vec::new(), Vec::new());
        let mut private = Vec::new();
        let mut seen = 0_usize;
        for entry in client.services()? {
            let key = entry.service.key;
            let Some(believed) = read.believed.get(&key) else {
                if self.private.is_private(&key) {
                    private.push(key);
                } else {
                    unknown.push(key);
                }
                continue;
            };
            seen += 1;
            let servers = client.servers(&key)?;
            let same = believed.service == entry.service
                && believed.servers.len() == servers.len()
                && servers.iter().all(|entry| {
                    let known = believed.servers.get(&entry.server.key);
                    known.is_some_and(|known| known.server == entry.server)
                });
            if !same {
                suspects.push(key);
            }
        }
        if seen != read.believed.len() {
            // Some are missing, or the list was cut short: it is cheap to read their names again.
            let there: BTreeSet<ServiceKey> = client
                .consistent_services()?
                .into_iter()
                .map(|entry| entry.service.key)
                .collect();
            suspects.extend(read.believed.keys().filter(|key| !there.contains(key)));
        }
        tracing::debug!(services = seen, differ = suspects.len(), "tables read");
        self.settle_those(&private)?;
        Ok(Reading {
            began: read.began,
            suspects,
            unknown,
            settings: self.kernel.settings_with(Sysctl::ALL)?,
        })
    }
}

/// Some services with their counters; those that are not there are left out.
fn some_of<T: Transport>(client: &mut Client<T>, keys: &[ServiceKey]) -> ipvs::Result<Table> {
    let mut table = Table::default();
    for key in keys {
        let Some(entry) = client.service(key)? else {
            continue;
        };
        match client.consistent_servers(key) {
            Ok(servers) => table.services.push(TableService { entry, servers }),
            // It has just been deleted.
            Err(error) if error.is_stale_view() => {}
            Err(error) => return Err(error),
        }
    }
    table
        .services
        .sort_unstable_by_key(|service| service.entry.service.key);
    Ok(table)
}

/// The differences between two sets of services.
#[derive(Default)]
struct Compared {
    /// New and changed services.
    changed: Vec<Declaration>,
    /// The new ones among them.
    fresh: BTreeSet<ServiceKey>,
    removed: Vec<ServiceKey>,
}

impl Compared {
    /// Equal services are usually shared in memory: then the two `Arc`s are equal without a
    /// comparison.
    fn new(now: &Services, before: &Services) -> Self {
        let mut compared = Self::default();
        let mut before = before.iter().peekable();
        for (key, (declared, watch)) in now {
            while let Some((gone, _)) = before.next_if(|(earlier, _)| *earlier < key) {
                compared.removed.push(*gone);
            }
            match before.next_if(|(same, _)| *same == key) {
                Some((_, (was, seen))) if was == declared && seen == watch => continue,
                Some(_) => {}
                None => {
                    compared.fresh.insert(*key);
                }
            }
            compared.changed.push(Declaration {
                key: *key,
                declared: declared.clone(),
                watch: watch.clone(),
            });
        }
        compared.removed.extend(before.map(|(gone, _)| *gone));
        compared
    }
}

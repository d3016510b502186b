//! The worker: what takes long, on a thread and socket of its own.
//!
//! It reads the file, reads all tables and names the services that are not as the core believes,
//! and carries transactions out. It decides nothing: what it finds goes to the core.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use ipvs::transport::Transport;
use ipvs::{NetlinkSocket, Operation, Report, ServerKey, ServiceKey};

use super::core::Hot;
use super::private::{Changes, Private};
use super::tables::observed;
use super::watch_file::Watched;
use crate::apply::{
    ApplyError, Incarnation, Journal, Kernel, Ledger, Platform, PlatformError, Prepared, Store,
    converge,
};
use crate::config::{self, Environment};
use crate::plan::{Situation, diff};
use crate::state::health::{MarkRange, RunSettings, ServiceWatch};
use crate::state::{
    BootTime, Desired, DesiredService, Observed, ObservedService, Ownership, Sysctl,
};
use crate::words::count;

/// Of more services than this, all tables are read at once and not each by itself.
const FEW: usize = 64;

/// What the worker is to do.
pub(super) enum Job {
    /// Read the file, and name what differs from the one in force.
    Load {
        /// Nothing is in force yet; say also what stands in the kernel.
        first: bool,
    },
    /// Make the kernel what is wanted, all or nothing.
    Transact(Box<Transaction>),
    /// Compare the tables with the picture.
    Read(Read),
    /// Put on disk who owns what.
    Keep(Box<Ownership>),
    /// Targets that may go through the forwarding path came and went.
    Through(Changes),
    /// Read all tables for somebody.
    Table(Box<dyn FnOnce(ipvs::Result<ipvs::Table>) + Send>),
}

/// What the worker did.
pub(super) enum Done {
    Loaded(Result<Box<Loaded>, String>),
    Transacted(Result<Transacted, String>),
    Read(Result<Reading, String>),
}

/// A service as a file declares it.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) key: ServiceKey,
    pub(super) declared: Arc<DesiredService>,
    pub(super) watch: Arc<ServiceWatch>,
}

/// A file without mistakes, compared with the one in force.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Services that are new or different.
    pub(super) changed: Vec<Declaration>,
    /// Services that are gone.
    pub(super) removed: Vec<ServiceKey>,
    /// All but the services.
    pub(super) rest: Desired,
    pub(super) run: RunSettings,
    /// At the start: what stands in the kernel.
    pub(super) first: Option<Box<First>>,
    /// At a reload: what stands in the kernel of services that the file in force does not have.
    /// Somebody else may have made them, and they carry his traffic.
    pub(super) found: BTreeMap<ServiceKey, ObservedService>,
}

impl Loaded {
    /// Whether persistent clients leave a server of weight 0 when this is in force.
    pub(super) fn quiescent(&self, now: bool) -> bool {
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
pub(super) struct First {
    pub(super) observed: Observed,
    pub(super) ownership: Ownership,
}

/// What is to be made of some services.
pub(super) struct Transaction {
    pub(super) wanted: Vec<DesiredService>,
    /// The same services as the file has them.
    pub(super) declared: Vec<Arc<DesiredService>>,
    pub(super) removed: Vec<ServiceKey>,
    pub(super) rest: Desired,
    pub(super) ownership: Ownership,
    pub(super) hot: Hot,
    pub(super) force: bool,
}

/// A transaction that was carried out.
#[derive(Debug)]
pub(super) struct Transacted {
    /// The services that it was about.
    pub(super) keys: Vec<ServiceKey>,
    /// What is owned of them now.
    pub(super) ownership: Ownership,
    pub(super) steps: usize,
}

/// What a reading is compared with.
pub(super) struct Read {
    /// How many writes the core had made.
    pub(super) began: u64,
    pub(super) picture: BTreeMap<ServiceKey, Arc<ObservedService>>,
    pub(super) run: RunSettings,
}

/// What a reading came to.
pub(super) struct Reading {
    pub(super) began: u64,
    /// Services that do not look as in the picture. Long lists can lie: each has to be read again.
    pub(super) suspects: Vec<ServiceKey>,
    /// Services that are not in the picture.
    pub(super) unknown: Vec<ServiceKey>,
    /// Everything but services.
    pub(super) settings: Observed,
}

/// The services of a file.
type Declared = BTreeMap<ServiceKey, (Arc<DesiredService>, Arc<ServiceWatch>)>;

/// The worker.
pub(super) struct Worker<T: Transport = NetlinkSocket> {
    pub(super) file: PathBuf,
    pub(super) kernel: Kernel<T>,
    pub(super) store: Store,
    pub(super) incarnation: Incarnation,
    /// What is in force, or is being put in force.
    in_force: Declared,
    /// What would be, if the transaction succeeds.
    candidate: Option<Declared>,
    watched: Watched,
    private: Private,
}

impl<T: Transport> Worker<T> {
    pub(super) fn new(
        file: PathBuf,
        kernel: Kernel<T>,
        store: Store,
        incarnation: Incarnation,
        watched: Watched,
        private: Private,
    ) -> Self {
        Self {
            file,
            kernel,
            store,
            incarnation,
            in_force: BTreeMap::new(),
            candidate: None,
            watched,
            private,
        }
    }

    /// Nothing is to be done any more.
    pub(super) fn close(mut self) {
        self.private.close(&mut self.kernel);
    }

    /// Does a job; `None` for those that nobody waits for.
    pub(super) fn work(&mut self, job: Job) -> Option<Done> {
        match job {
            Job::Load { first } => Some(Done::Loaded(self.load(first))),
            Job::Transact(transaction) => Some(Done::Transacted(self.transact(*transaction))),
            Job::Read(read) => Some(Done::Read(
                self.read(&read).map_err(|error| error.to_string()),
            )),
            Job::Keep(ownership) => {
                if let Err(error) = Ledger::write(&self.store, &self.incarnation, &ownership) {
                    tracing::error!("the ledger is not on disk: {}", chain(&error));
                }
                None
            }
            Job::Through(changes) => {
                if self.private.change(changes) {
                    self.settle_private();
                }
                None
            }
            Job::Table(reply) => {
                reply(self.kernel.client().table());
                None
            }
        }
    }

    fn load(&mut self, first: bool) -> Result<Box<Loaded>, String> {
        let outcome = config::load(&self.file, &Environment::of_process());
        let read = outcome
            .sources
            .iter()
            .map(|source| source.path())
            .chain([self.file.as_path()]);
        let looked = outcome.directories.iter().map(PathBuf::as_path);
        self.watched
            .set(read.chain(looked).map(Path::to_owned).collect());
        let report = outcome.render(config::Style::Plain);
        let (Some(desired), Some(watch)) = (outcome.desired, outcome.watch) else {
            return Err(report);
        };
        if !report.is_empty() {
            tracing::warn!("{}: {}", self.file.display(), report.trim_end());
        }
        let run = watch.run;
        let mut watches = watch.services;
        let (services, rest) = parted(desired);
        let mut candidate = BTreeMap::new();
        let mut changed = Vec::new();
        let mut fresh = BTreeSet::new();
        for (key, declared) in services {
            let watch = watches.remove(&key).unwrap_or_default();
            let before = self.in_force.get(&key);
            if before.is_none() {
                fresh.insert(key);
            }
            let same = before.filter(|(before, seen)| **before == declared && **seen == *watch);
            if let Some(same) = same {
                candidate.insert(key, same.clone());
                continue;
            }
            let declared = Arc::new(declared);
            candidate.insert(key, (declared.clone(), watch.clone()));
            changed.push(Declaration {
                key,
                declared,
                watch,
            });
        }
        let gone = self
            .in_force
            .keys()
            .filter(|key| !candidate.contains_key(key));
        let removed = gone.copied().collect();
        self.candidate = Some(candidate);
        let (mut found, mut adopted) = (BTreeMap::new(), None);
        if first {
            self.private.configure(&run);
            let first = self.first(&run.marks).map_err(|error| chain(&error))?;
            adopted = Some(Box::new(first));
        } else if !fresh.is_empty() {
            found = standing(&mut self.kernel, &fresh).map_err(|error| chain(&error))?;
        }
        Ok(Box::new(Loaded {
            changed,
            removed,
            rest,
            run,
            first: adopted,
            found,
        }))
    }

    fn first(&mut self, marks: &MarkRange) -> Result<First, ApplyError> {
        let mut observed = self.kernel.observe()?;
        observed.hide_private(marks);
        let mut ownership = Ledger::read(&self.store, &self.incarnation)?;
        if let Some(journal) = Journal::interrupted(&self.store, &self.incarnation)? {
            let pid = journal.pid;
            let changes = count(journal.changes, "change", "changes");
            tracing::warn!("an earlier run (process {pid}) ended in the middle of {changes}");
            ownership = journal.recover(ownership, &observed);
        }
        Ok(First {
            observed,
            ownership,
        })
    }

    fn transact(&mut self, transaction: Transaction) -> Result<Transacted, String> {
        let Transaction {
            wanted,
            declared,
            removed,
            rest,
            ownership,
            hot,
            force,
        } = transaction;
        let is_reload = !wanted.is_empty() || !removed.is_empty();
        let of = |services| Desired {
            services,
            ..rest.clone()
        };
        let services = wanted.into_iter();
        let desired = of(services
            .map(|service| (service.service.key, service))
            .collect());
        let keys: BTreeSet<ServiceKey> = desired.services.keys().copied().chain(removed).collect();
        let (before, beside) = divided(ownership, &keys);
        let mut platform = Scoped {
            kernel: &mut self.kernel,
            keys: &keys,
            hot: &hot,
        };
        let observed = platform.observe().map_err(|error| chain(&error))?;
        let now = platform.now();
        let to = |desired: &Desired| {
            diff(&Situation {
                desired,
                observed: &observed,
                ownership: &before,
                now,
            })
        };
        let plan = to(&desired);
        let objections = if force {
            Vec::new()
        } else {
            // The guards are about what the file takes away, not about who happens to be down.
            let services = declared
                .iter()
                .map(|one| (one.service.key, one.as_ref().clone()));
            to(&of(services.collect())).objections
        };
        if !objections.is_empty() {
            let reasons: Vec<String> = objections.iter().map(ToString::to_string).collect();
            return Err(format!(
                "refused, as {}; --force does it all the same",
                reasons.join(", and ")
            ));
        }
        let prepared = Prepared {
            plan,
            before,
            beside,
            now,
        };
        let applied = converge(
            &mut platform,
            &self.store,
            &self.incarnation,
            &desired,
            prepared,
            &mut |_| {},
        )
        .map_err(|error| explain(&error))?;
        if is_reload && let Some(candidate) = self.candidate.take() {
            self.in_force = candidate;
        }
        Ok(Transacted {
            keys: keys.into_iter().collect(),
            ownership: applied.plan.ownership,
            steps: applied.steps,
        })
    }

    /// Lists the private services and sets them right.
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
                "the private services of checks cannot be read: {}",
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
            let Some(picture) = read.picture.get(&key) else {
                if self.private.is_private(&key) {
                    private.push(key);
                } else {
                    unknown.push(key);
                }
                continue;
            };
            seen += 1;
            let servers = client.servers(&key)?;
            let same = picture.entry.service == entry.service
                && picture.servers.len() == servers.len()
                && servers.iter().all(|entry| {
                    let known = picture.servers.get(&entry.server.key);
                    known.is_some_and(|known| known.server == entry.server)
                });
            if !same {
                suspects.push(key);
            }
        }
        if seen != read.picture.len() {
            // Some are missing, or the list was cut short: it is cheap to read their names again.
            let there: BTreeSet<ServiceKey> = client
                .consistent_services()?
                .into_iter()
                .map(|entry| entry.service.key)
                .collect();
            suspects.extend(read.picture.keys().filter(|key| !there.contains(key)));
        }
        tracing::debug!(services = seen, differ = suspects.len(), "tables read");
        self.settle_those(&private)?;
        Ok(Reading {
            began: read.began,
            suspects,
            unknown,
            settings: self.kernel.settings()?,
        })
    }
}

/// The services, and all else.
fn parted(mut desired: Desired) -> (BTreeMap<ServiceKey, DesiredService>, Desired) {
    let services = std::mem::take(&mut desired.services);
    (services, desired)
}

/// What is owned of these services, and the rest.
fn divided(ownership: Ownership, keys: &BTreeSet<ServiceKey>) -> (Ownership, Ownership) {
    let (mut of_them, mut beside) = (Ownership::default(), Ownership::default());
    for (key, owned) in ownership.services {
        let part = if keys.contains(&key) {
            &mut of_them
        } else {
            &mut beside
        };
        part.services.insert(key, owned);
    }
    for (member, until) in ownership.drains {
        let part = if keys.contains(&member.0) {
            &mut of_them
        } else {
            &mut beside
        };
        part.drains.insert(member, until);
    }
    for (key, until) in ownership.leaving {
        let part = if keys.contains(&key) {
            &mut of_them
        } else {
            &mut beside
        };
        part.leaving.insert(key, until);
    }
    (of_them, beside)
}

/// Those of these services that are in the kernel.
fn standing<T: Transport>(
    kernel: &mut Kernel<T>,
    keys: &BTreeSet<ServiceKey>,
) -> Result<BTreeMap<ServiceKey, ObservedService>, PlatformError> {
    let client = kernel.client();
    if keys.len() > FEW {
        let mut services = Observed::services(client.table()?);
        services.retain(|key, _| keys.contains(key));
        return Ok(services);
    }
    let mut services = BTreeMap::new();
    for key in keys {
        if let Some(entry) = client.service(key)? {
            let servers = client.consistent_servers(key)?;
            services.insert(*key, observed(entry, servers));
        }
    }
    Ok(services)
}

/// The kernel, of which only some services are seen, and servers that the core has just changed
/// are left as they are.
struct Scoped<'a, T: Transport> {
    kernel: &'a mut Kernel<T>,
    keys: &'a BTreeSet<ServiceKey>,
    hot: &'a Hot,
}

impl<T: Transport> Scoped<'_, T> {
    fn is_hot(&self, operation: &Operation) -> bool {
        let Operation::UpdateServer(service, server) = operation else {
            return false;
        };
        let hot = self.hot.lock().unwrap_or_else(PoisonError::into_inner);
        hot.contains(&(*service, server.key))
    }
}

impl<T: Transport> Platform for Scoped<'_, T> {
    fn observe(&mut self) -> Result<Observed, PlatformError> {
        let mut seen = self.kernel.settings()?;
        seen.services = standing(self.kernel, self.keys)?;
        Ok(seen)
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        let hot: Vec<bool> = operations
            .iter()
            .map(|operation| self.is_hot(operation))
            .collect();
        let mut done = 0;
        while done < operations.len() {
            let cold = hot[done..].iter().take_while(|hot| !**hot).count();
            let (cold, run) = (&operations[done..done + cold], cold + 1);
            let report = self.kernel.execute(cold);
            if !report.failures().is_empty() {
                return report.preceded_by(done);
            }
            done += run;
        }
        Report::done(operations.len())
    }

    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()> {
        self.kernel.write_sysctl(sysctl, value)
    }

    fn now(&self) -> BootTime {
        self.kernel.now()
    }
}

/// All that failed, line by line.
fn explain(error: &ApplyError) -> String {
    let mut text = chain(error);
    if let ApplyError::Failed { failed, unrestored } = error {
        for failed in failed.iter().skip(1) {
            text.push_str(&format!("\nalso: {failed}"));
        }
        for unrestored in unrestored {
            text.push_str(&format!("\n{unrestored}"));
        }
    }
    text
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

//! From the declarations to [`Desired`] and [`Watch`]: how the parts fit together, what the kernel
//! would reject or silently ignore, and what works but causes trouble.

mod accept;
mod check;
mod failover;
mod health;
mod persistence;
mod pitfalls;
mod scheduler;
mod server;
mod service;
mod sticky;
mod unmoved;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use ipvs::{DaemonRole, ServiceKey};

pub(super) use self::service::MAX_SERVERS;
use super::diagnostic::Findings;
use super::files::Files;
use super::model::{Declaration, Listen, PoolDecl, Pools, ServerList, ServersDecl, ServiceDecl};
use super::source::Spanned;
use crate::state::failover::Failovers;
use crate::state::health::{ServiceWatch, Watch};
use crate::state::{Desired, DesiredService};

/// Takes services as they are decoded, one by one, and builds the table.
///
/// A decoded service is several times as large as its result, and only one of two thousand is held
/// at a time.
pub(super) struct Verifier<'e> {
    builder: Builder<'e>,
    /// The services from the first one on that names a missing pool: an include may bring it.
    waiting: Vec<ServiceDecl>,
}

impl<'e> Verifier<'e> {
    /// An empty verifier. `files` is used to look for files that checks need.
    pub(super) fn new(files: &'e dyn Files) -> Self {
        let builder = Builder {
            listens: Vec::new(),
            services: BTreeMap::new(),
            watched: Vec::new(),
            interned: health::Interned::default(),
            files,
            lacks: HashMap::new(),
            servers: 0,
            unknown_pools: 0,
            portless: check::Portless::default(),
            whole: whole::Whole::default(),
        };
        let waiting = Vec::new();
        Self { builder, waiting }
    }

    /// Builds a service from the pools found so far in `declaration`, and the root file's settings,
    /// which precede any service.
    pub(super) fn take_in(
        &mut self,
        service: ServiceDecl,
        declaration: &Declaration,
        findings: &mut Findings,
    ) {
        let waits = match &service.servers {
            ServersDecl::Pool(name) => declaration.pools.get(&name.value).is_none(),
            ServersDecl::Own(_) | ServersDecl::Unknown => false,
        };
        // In order: of two with one address, the second is reported.
        if waits || !self.waiting.is_empty() {
            self.waiting.push(service);
        } else {
            build(&service, declaration, &mut self.builder, findings);
        }
    }

    /// The resulting table and health settings; usable only without mistakes. Pools in `in_use` are
    /// not checked for unused servers.
    pub(super) fn finish(
        self,
        declaration: Declaration,
        in_use: &BTreeSet<String>,
        is_part: bool,
        findings: &mut Findings,
    ) -> (Desired, Watch, Failovers) {
        let Self {
            mut builder,
            waiting,
        } = self;
        for service in &waiting {
            build(service, &declaration, &mut builder, findings);
        }
        for pool in declaration.pools.iter() {
            server::check_addresses(&pool.servers.servers, findings);
        }
        builder.portless.report(findings);
        builder.whole.check(&declaration, in_use, findings);
        let declared = failover::Declared {
            names: builder.services.values().map(|one| &*one.name).collect(),
            listens: &builder.listens,
            is_whole: !is_part && !findings.has_errors(),
            takes_sync: declaration
                .daemons
                .iter()
                .flatten()
                .any(|daemon| daemon.value.role == DaemonRole::Backup),
            relay: declaration.relay,
        };
        if declared.is_whole {
            let services = &builder.services;
            unmoved::check(services, &builder.listens, &declaration, findings);
        }
        accept::check(&declaration.addresses.failovers, builder.files, findings);
        let failovers = failover::failovers(declaration.addresses, &declared, findings);
        let watch = Watch {
            services: builder.watched.into_iter().collect(),
            run: declaration.run,
        };
        let daemons = declaration.daemons.map(|daemons| {
            let by_role = daemons
                .iter()
                .map(|daemon| (daemon.value.role, daemon.value));
            by_role.collect()
        });
        let desired = Desired {
            services: builder.services,
            kernel: declaration.kernel,
            daemons,
            policy: declaration.policy,
        };
        (desired, watch, failovers)
    }
}

fn build(
    service: &ServiceDecl,
    declaration: &Declaration,
    builder: &mut Builder<'_>,
    findings: &mut Findings,
) {
    let file = service.name.span.file;
    findings.within(&service.allow, file, |findings| {
        service::build(service, declaration, builder, findings);
    });
}

/// What is collected while the services go by.
struct Builder<'e> {
    /// Where the services listen.
    listens: Vec<Spanned<Listen>>,
    services: BTreeMap<ServiceKey, Arc<DesiredService>>,
    watched: Vec<(ServiceKey, Arc<ServiceWatch>)>,
    interned: health::Interned,
    files: &'e dyn Files,
    /// The files that checks need, and whether they are missing.
    lacks: HashMap<PathBuf, bool>,
    /// The number of servers of all services so far.
    servers: usize,
    /// The number of services that name a missing pool.
    unknown_pools: usize,
    portless: check::Portless,
    whole: whole::Whole,
}

/// The pool of a service.
fn pool_of<'d>(service: &ServiceDecl, pools: &'d Pools) -> Option<&'d PoolDecl> {
    match &service.servers {
        ServersDecl::Pool(name) => pools.get(&name.value).map(|(_, pool)| pool),
        ServersDecl::Own(_) | ServersDecl::Unknown => None,
    }
}

/// The servers of a service, and the number of their pool if they are one.
fn servers_of<'d>(
    service: &'d ServiceDecl,
    pools: &'d Pools,
) -> Option<(&'d ServerList, Option<usize>)> {
    match &service.servers {
        ServersDecl::Own(list) => Some((list, None)),
        ServersDecl::Pool(name) => {
            let (index, pool) = pools.get(&name.value)?;
            Some((&pool.servers, Some(index)))
        }
        ServersDecl::Unknown => None,
    }
}

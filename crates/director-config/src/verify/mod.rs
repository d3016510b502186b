//! From what the files declare to [`Desired`] and [`Watch`]: how the parts fit together, what
//! the kernel would refuse or silently ignore, and what works but hurts.

mod advice;
mod check;
mod health;
mod persistence;
mod scheduler;
mod server;
mod service;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use ipvs::ServiceKey;

pub(super) use self::service::MAX_SERVERS;
use super::diagnostic::Findings;
use super::files::Files;
use super::model::{Declaration, Listen, Pools, ServerList, ServersDecl, ServiceDecl};
use super::source::Spanned;
use crate::state::health::{ServiceWatch, Watch};
use crate::state::{Desired, DesiredService};

/// Takes services in as they are decoded, one by one, and makes the table of them.
///
/// A decoded service is several times as large as what it comes to, and of two thousand only one
/// is held at a time.
pub(super) struct Verifier<'e> {
    builder: Builder<'e>,
    /// Those from the first on that names a pool which is not there yet: an include may bring it.
    waiting: Vec<ServiceDecl>,
}

impl<'e> Verifier<'e> {
    /// Nothing taken in yet. `files` are where the files that checks need are looked for.
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
            whole: whole::Whole::default(),
        };
        let waiting = Vec::new();
        Self { builder, waiting }
    }

    /// Works a service in; of `declaration` the pools found so far count, and the root file's
    /// settings, which stand before any service.
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
        // In their order: of two with one address the second is reported.
        if waits || !self.waiting.is_empty() {
            self.waiting.push(service);
        } else {
            service::build(&service, declaration, &mut self.builder, findings);
        }
    }

    /// The table that it all comes to, and what is to be watched. Only without mistakes are they
    /// ones to use. Of the pools `in_use` is not looked at whether anything of them is unused.
    pub(super) fn finish(
        self,
        declaration: Declaration,
        in_use: &BTreeSet<String>,
        findings: &mut Findings,
    ) -> (Desired, Watch) {
        let Self {
            mut builder,
            waiting,
        } = self;
        for service in &waiting {
            service::build(service, &declaration, &mut builder, findings);
        }
        for pool in declaration.pools.iter() {
            server::check_addresses(&pool.servers.servers, findings);
        }
        builder.whole.check(&declaration, in_use, findings);
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
        (desired, watch)
    }
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
    /// How many servers all services have by now.
    servers: usize,
    /// How many services name a pool that is not there.
    unknown_pools: usize,
    whole: whole::Whole,
}

/// The servers of a service, and which pool they are if they are one.
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

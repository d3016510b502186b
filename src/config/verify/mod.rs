//! From what the files declare to [`Desired`] and [`Watch`]: how the parts fit together, what the kernel would
//! refuse or silently ignore, and what works but hurts.

mod advice;
mod check;
mod health;
mod persistence;
mod scheduler;
mod server;
mod service;
mod whole;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::diagnostic::Findings;
use super::files::Files;
use super::model::{Declaration, ServerList, ServersDecl, ServiceDecl};
use super::source::Span;
use crate::state::health::{ServiceWatch, Watch};
use crate::state::{Desired, DesiredService};

/// The table that the declaration comes to, and what is to be watched. Only without mistakes are
/// they ones to use.
pub(super) fn desired<'d>(
    declaration: &'d Declaration,
    files: &'d dyn Files,
    findings: &mut Findings,
) -> (Desired, Watch) {
    let mut builder = Builder {
        declaration,
        pools: HashMap::new(),
        places: HashMap::new(),
        services: BTreeMap::new(),
        watched: BTreeMap::new(),
        interned: health::Interned::default(),
        files,
        lacks: HashMap::new(),
        servers: 0,
        unknown_pools: 0,
        whole: whole::Whole::default(),
    };
    for (index, pool) in declaration.pools.iter().enumerate() {
        builder.pools.insert(&pool.name.value, index);
        server::check_addresses(&pool.servers.servers, findings);
    }
    for service in &declaration.services {
        service::build(service, &mut builder, findings);
    }
    builder.whole.check(declaration, findings);
    let daemons = declaration.daemons.as_ref();
    let watch = Watch {
        services: builder.watched,
        run: declaration.run.clone(),
    };
    let desired = Desired {
        services: builder.services,
        kernel: declaration.kernel.clone(),
        daemons: daemons.map(|daemons| {
            let by_role = daemons
                .iter()
                .map(|daemon| (daemon.value.role, daemon.value));
            by_role.collect()
        }),
        policy: declaration.policy,
    };
    (desired, watch)
}

/// What is collected while the services are gone through.
struct Builder<'d> {
    declaration: &'d Declaration,
    pools: HashMap<&'d str, usize>,
    /// Where each service key was first declared.
    places: HashMap<ServiceKey, Span>,
    services: BTreeMap<ServiceKey, DesiredService>,
    watched: BTreeMap<ServiceKey, Arc<ServiceWatch>>,
    interned: health::Interned,
    files: &'d dyn Files,
    /// The files that checks need, and whether they are missing.
    lacks: HashMap<PathBuf, bool>,
    /// How many servers all services have by now.
    servers: usize,
    /// How many services name a pool that is not there.
    unknown_pools: usize,
    whole: whole::Whole,
}

impl<'d> Builder<'d> {
    /// The servers of a service, and which pool they are if they are one.
    fn servers_of(&self, service: &'d ServiceDecl) -> Option<(&'d ServerList, Option<usize>)> {
        match &service.servers {
            ServersDecl::Own(list) => Some((list, None)),
            ServersDecl::Pool(name) => {
                let index = *self.pools.get(name.value.as_str())?;
                Some((&self.declaration.pools[index].servers, Some(index)))
            }
            ServersDecl::Unknown => None,
        }
    }
}

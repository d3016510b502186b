//! Plans that need `--force`.

use std::fmt;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::diff::usable;
use super::replaced::Replacements;
use super::{Plan, Situation};
use crate::state::{DesiredService, ObservedService, Share};
use crate::words::count;

/// A reason not to carry out a plan without `--force`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// The plan removes more of a service's servers at a time than the policy allows.
    TooManyRemoved {
        /// The service's key.
        service: ServiceKey,
        /// Its name in the file.
        name: Arc<str>,
        /// How many servers that accept new clients the plan removes.
        removed: usize,
        /// The number before.
        of: usize,
        /// The policy's limit.
        limit: Share,
    },
    /// The plan removes the last server that accepts new clients.
    LastServer {
        /// The service's key.
        service: ServiceKey,
        /// Its name in the file.
        name: Arc<str>,
    },
    /// The plan removes a service that carries connections.
    ServiceInUse {
        /// The service's key.
        service: ServiceKey,
        /// Its name when it was declared.
        name: Arc<str>,
        /// Its connections, active and inactive.
        connections: u64,
    },
    /// The plan removes more services at a time than the policy allows.
    TooManyServicesRemoved {
        /// The services to remove, by address and name.
        removed: Vec<(ServiceKey, Arc<str>)>,
        /// The number of services removed a moment ago.
        earlier: usize,
        /// The number before.
        of: usize,
        /// The policy's limit.
        limit: Share,
    },
    /// The plan removes every service.
    LastService {
        /// The services to remove, by address and name.
        removed: Vec<(ServiceKey, Arc<str>)>,
    },
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRemoved {
                service,
                name,
                removed,
                of,
                limit,
            } => write!(
                f,
                "{name} ({service}) would lose {removed} of {} at a time; `policy.max_removed` \
                 allows {limit}",
                count(*of, "server", "servers")
            ),
            Self::LastServer { service, name } => {
                write!(f, "{name} ({service}) would be left without a server")
            }
            Self::ServiceInUse {
                service,
                name,
                connections,
            } => {
                write!(
                    f,
                    "{name} ({service}) would be removed while it carries {}",
                    count(*connections, "connection", "connections")
                )
            }
            Self::TooManyServicesRemoved {
                removed,
                earlier,
                of,
                limit,
            } => {
                let total = removed.len() + earlier;
                write!(
                    f,
                    "{total} of {} would be removed: ",
                    count(*of, "service", "services")
                )?;
                list(f, removed)?;
                if *earlier > 0 {
                    write!(f, ", and {earlier} removed a moment ago")?;
                }
                write!(f, "; `policy.max_removed_services` allows {limit}")
            }
            Self::LastService { removed } => {
                f.write_str("no service would be left: ")?;
                list(f, removed)?;
                f.write_str(" would be removed")
            }
        }
    }
}

/// The most services that an objection names.
const NAMED: usize = 4;

fn list(f: &mut fmt::Formatter<'_>, services: &[(ServiceKey, Arc<str>)]) -> fmt::Result {
    for (number, (service, name)) in services.iter().take(NAMED).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        write!(f, "{comma}{name} ({service})")?;
    }
    match services.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Checks what a remaining service loses. Servers that join in the same plan count against it: a
/// farm that is replaced server by server keeps its strength.
pub(super) fn check_removed(
    situation: &Situation<'_>,
    wanted: &DesiredService,
    there: &ObservedService,
    plan: &mut Plan,
) {
    let before = usable(there);
    let takes_clients = |server: &&crate::state::DesiredServer| server.server.weight.get() > 0;
    let after = wanted.servers.values().filter(takes_clients).count();
    let removed = before.saturating_sub(after);
    let (service, name) = (wanted.service.key, wanted.name.clone());
    let limit = situation.desired.policy.max_removed;
    if removed > 0 && after == 0 {
        plan.objections
            .push(Objection::LastServer { service, name });
    } else if removed > 0 && limit.is_exceeded_by(removed, before) {
        let of = before;
        plan.objections.push(Objection::TooManyRemoved {
            service,
            name,
            removed,
            of,
            limit,
        });
    }
}

/// Checks the services that the plan removes, with or without connections. A service that already
/// drains was counted when its drain began; one that a new service replaces does not count.
pub(super) fn check_services(situation: &Situation<'_>, plan: &mut Plan) {
    let Situation {
        desired,
        observed,
        ownership,
        beside,
        ..
    } = situation;
    let stays = |key: &ServiceKey| !ownership.leaving.contains_key(key);
    let going = |key: &ServiceKey| {
        let there = observed.services.contains_key(key);
        there && stays(key) && !desired.services.contains_key(key)
    };
    let owned = ownership.services.iter();
    let mut removed: Vec<_> = owned
        .filter(|(key, _)| going(key))
        .map(|(key, owned)| (*key, owned.name.clone()))
        .collect();
    if removed.is_empty() {
        return;
    }
    let mut replacements = Replacements::new(situation);
    removed.retain(|(key, name)| !replacements.has_one_for(key, name, &observed.services[key]));
    if removed.is_empty() {
        return;
    }
    if desired.services.len() + beside.stay == 0 {
        plan.objections.push(Objection::LastService { removed });
        return;
    }
    // Including those that another program deleted from the kernel: they come back.
    let owned = ownership.services.keys().filter(|key| stays(key)).count();
    let earlier = beside.gone;
    let of = owned + beside.stay + earlier;
    let limit = desired.policy.max_removed_services;
    if limit.is_exceeded_by(removed.len() + earlier, of) {
        plan.objections.push(Objection::TooManyServicesRemoved {
            removed,
            earlier,
            of,
            limit,
        });
    }
}

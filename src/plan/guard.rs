//! What a plan should not do without being forced.

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
    /// More of a service's servers would go at once than the policy allows.
    TooManyRemoved {
        /// The service.
        service: ServiceKey,
        /// Its name in the file.
        name: Arc<str>,
        /// How many that take new clients would go.
        removed: usize,
        /// Of how many.
        of: usize,
        /// The policy's limit.
        limit: Share,
    },
    /// The last server that takes new clients would go.
    LastServer {
        /// The service.
        service: ServiceKey,
        /// Its name in the file.
        name: Arc<str>,
    },
    /// A service that carries connections would go.
    ServiceInUse {
        /// The service.
        service: ServiceKey,
        /// Its name when it was declared.
        name: Arc<str>,
        /// Its connections, active and inactive.
        connections: u64,
    },
    /// More of the services would go at once than the policy allows.
    TooManyServicesRemoved {
        /// Those that would go, by address and name.
        removed: Vec<(ServiceKey, Arc<str>)>,
        /// How many more went a moment ago.
        earlier: usize,
        /// Of how many.
        of: usize,
        /// The policy's limit.
        limit: Share,
    },
    /// No service would be left.
    LastService {
        /// Those that would go, by address and name.
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
                "{name} ({service}) would lose {removed} of {} at once; \
                 `policy.max_removed` allows {limit}",
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
                    "{name} ({service}) would go while it carries {}",
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
                    "{total} of {} would go: ",
                    count(*of, "service", "services")
                )?;
                list(f, removed)?;
                if *earlier > 0 {
                    write!(f, ", and {earlier} that went a moment ago")?;
                }
                write!(f, "; `policy.max_removed_services` allows {limit}")
            }
            Self::LastService { removed } => {
                f.write_str("no service would be left: ")?;
                list(f, removed)?;
                f.write_str(" would go")
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

/// Looks at what a service that stays loses. What joins in the same plan counts against it: a
/// farm that is exchanged server by server keeps its strength.
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

/// Looks at the services that would go, whether they carry connections or not. One that already
/// drains was counted when that began, and one that a new service stands in for does not go.
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
    // Also those that somebody deleted from the kernel: they come back.
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

//! What a plan should not do without being forced.

use std::fmt;
use std::sync::Arc;

use ipvs::ServiceKey;

use super::diff::usable;
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
        }
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

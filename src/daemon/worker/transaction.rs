//! A transaction: brings some services to their wanted state, all or nothing, while the core may
//! change others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, PoisonError};

use ipvs::transport::Transport;
use ipvs::{Operation, Report, ServiceKey};

use super::Worker;
use crate::apply::{ApplyError, Kernel, Platform, PlatformError, Prepared, Remains, converge};
use crate::config::Services;
use crate::control::snapshot::Rejection;
use crate::daemon::messages::{Hot, NotDone, Transacted, Transaction};
use crate::daemon::tables::Tables;
use crate::plan::{Beside, Objection, Situation, diff, sysctls_for};
use crate::state::{
    BootTime, Desired, DesiredService, Observed, ObservedServer, ObservedService, Sysctl,
};
use crate::words::chain;

/// With more services than this, all tables are read at once rather than one by one.
const FEW: usize = 64;
/// The operations that the kernel gets in one piece, times the servers of the largest service. `wrr` goes
/// through all servers of a service for each operation, and a kernel without preemption does nothing
/// else on that processor until the piece is done: checks wait.
const PIECE: usize = 100_000;
/// The smallest piece.
const SMALLEST: usize = 8;

impl<T: Transport> Worker<T> {
    pub(super) fn transact(&mut self, transaction: Transaction) -> Result<Transacted, NotDone> {
        let Transaction {
            wanted,
            declared,
            removed,
            rest,
            ownership,
            hot,
            order,
            first,
            policy,
        } = transaction;
        let (is_reload, order) = (order.is_some(), order.unwrap_or_default());
        let of = |services| Desired {
            services,
            ..rest.clone()
        };
        let services = wanted.into_iter();
        let desired = of(services
            .map(|service| (service.service.key, Arc::new(service)))
            .collect());
        let keys: BTreeSet<ServiceKey> = desired.services.keys().copied().chain(removed).collect();
        let (before, beside) = ownership.partition(|key| keys.contains(key));
        let mut platform = Scoped {
            kernel: &mut self.kernel,
            keys: &keys,
            sysctls: &sysctls_for(&rest.kernel),
            hot: &hot,
            piece: PIECE,
        };
        let observed = platform.observe();
        let observed =
            observed.map_err(|error| NotDone::Refused(Rejection::failure(chain(&error))))?;
        let now = platform.now();
        let owned = beside.services.keys();
        let stay = owned.filter(|key| !beside.leaving.contains_key(key));
        let stay = Beside {
            stay: stay.count(),
            gone: self.dwindling.earlier(order, self.in_force.len(), now),
        };
        let to = |desired: &Desired| {
            diff(&Situation {
                desired,
                observed: &observed,
                ownership: &before,
                now,
                beside: stay,
            })
        };
        let plan = to(&desired);
        for sysctl in &plan.lacking {
            if self.lacking.insert(*sysctl) {
                tracing::warn!("{}", sysctl.lacking());
            }
        }
        self.lacking.retain(|sysctl| plan.lacking.contains(sysctl));
        // The guards concern what the file removes, not which servers happen to be down.
        let services = declared.iter().map(|one| (one.service.key, one.clone()));
        let mut file = of(services.collect());
        if let Some(policy) = policy {
            file.policy = file.policy.within(policy);
        }
        let mut objections = to(&file).objections;
        let emptied = emptied(&self.in_force, &declared);
        let emptied = emptied.filter(|one| !objections.contains(one));
        let emptied: Vec<_> = emptied.collect();
        objections.extend(emptied);
        let reasons: Vec<String> = objections.iter().map(ToString::to_string).collect();
        if !reasons.is_empty() && !order.force {
            return Err(NotDone::Refused(Rejection::guard(format!(
                "refused: {}; use --force to override",
                reasons.join(", and ")
            ))));
        }
        let prepared = Prepared {
            plan,
            before,
            beside,
            now,
            lenient: first,
        };
        let applied = converge(
            &mut platform,
            &self.store,
            &self.incarnation,
            &desired,
            prepared,
            &mut |_| {},
        )
        .map_err(|error| match &error {
            ApplyError::Store(_) => NotDone::Unkept(chain(&error)),
            _ => NotDone::Refused(Rejection::failure(explain(&error))),
        })?;
        if is_reload && let Some(candidate) = self.candidate.take() {
            let services = self.in_force.len();
            self.dwindling.note(order, services, now);
            (self.in_force, self.shape) = candidate;
        }
        self.settle_remains();
        Ok(Transacted {
            keys: keys.into_iter().collect(),
            ownership: applied.plan.ownership,
            steps: applied.steps,
            forced: reasons,
            unkept: applied.unkept.map(|error| chain(&error)),
        })
    }

    /// The first file in force settles what a rolled-back `apply` left.
    fn settle_remains(&mut self) {
        if std::mem::take(&mut self.remains)
            && let Err(error) = Remains::forget(&self.store)
        {
            tracing::error!(
                "cannot remove the record of a rolled-back apply: {}",
                chain(&error)
            );
        }
    }
}

/// Services that the file leaves without a server. Whether the kernel has one in at this moment
/// does not matter: servers that are all down come back, those of an empty file do not.
fn emptied<'d>(
    in_force: &'d Services,
    declared: &'d [Arc<DesiredService>],
) -> impl Iterator<Item = Objection> {
    let is_usable = |service: &DesiredService| {
        let mut servers = service.servers.values();
        servers.any(|server| server.server.weight.get() > 0)
    };
    let emptied = declared.iter().filter(move |now| {
        let before = in_force.get(&now.service.key);
        before.is_some_and(|(before, _)| is_usable(before)) && !is_usable(now)
    });
    emptied.map(|now| Objection::LastServer {
        service: now.service.key,
        name: now.name.clone(),
    })
}

/// Those of these services that exist in the kernel.
pub(super) fn standing<T: Transport>(
    kernel: &mut Kernel<T>,
    keys: &BTreeSet<ServiceKey>,
) -> Result<BTreeMap<ServiceKey, ObservedService>, PlatformError> {
    let client = kernel.client();
    if keys.len() > FEW {
        let mut services = Observed::services(client.table_of(ObservedServer::from)?);
        services.retain(|key, _| keys.contains(key));
        return Ok(services);
    }
    let mut services = BTreeMap::new();
    for key in keys {
        if let Some(service) = Tables::service(client, key)? {
            services.insert(*key, service);
        }
    }
    Ok(services)
}

/// A view of the kernel with only some services and sysctls, which leaves alone the servers that
/// the core has just changed.
struct Scoped<'a, T: Transport> {
    kernel: &'a mut Kernel<T>,
    keys: &'a BTreeSet<ServiceKey>,
    sysctls: &'a BTreeSet<Sysctl>,
    hot: &'a Hot,
    /// The most operations at a time.
    piece: usize,
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
        let mut seen = self.kernel.settings_with(self.sysctls)?;
        seen.services = standing(self.kernel, self.keys)?;
        let sizes = seen.services.values().map(|service| service.servers.len());
        self.piece = piece(sizes.max().unwrap_or(0));
        Ok(seen)
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        let hot: Vec<bool> = operations
            .iter()
            .map(|operation| self.is_hot(operation))
            .collect();
        let mut done = 0;
        while done < operations.len() {
            if hot[done] {
                done += 1;
                continue;
            }
            let cold = hot[done..].iter().take(self.piece);
            let cold = cold.take_while(|hot| !**hot).count();
            let report = self.kernel.execute(&operations[done..done + cold]);
            if !report.failures().is_empty() {
                return report.preceded_by(done);
            }
            done += cold;
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

/// How many operations the kernel gets at a time if its largest service has this many servers.
fn piece(servers: usize) -> usize {
    (PIECE / servers.max(1)).max(SMALLEST)
}

/// All failures, line by line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_a_service_the_smaller_the_pieces() {
        assert_eq!([0, 1].map(piece), [PIECE; 2], "the library's own chunks");
        assert_eq!([1000, 10_000].map(piece), [100, 10]);
        assert_eq!(piece(10_000_000), SMALLEST);
    }
}

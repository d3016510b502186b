//! One service: created, changed, removed.

use std::collections::BTreeMap;

use ipvs::{ForwardMethod, Operation, Server, ServerKey, Service, ServiceFlags, Weight};

use super::change::restore_service;
use super::diff::usable;
use super::guard::{Objection, check_removed};
use super::leave::{all_connections, can_drain, connections, fallback};
use super::{Draining, Effect, Phase, Plan, Situation, Step};
use crate::state::{DesiredService, ObservedServer, ObservedService, Owned, Sysctl};

fn add_server(wanted: &DesiredService, server: &Server) -> Step {
    Step::create(
        Phase::Make,
        Operation::AddServer(wanted.service.key, *server),
    )
}

/// An existing service that stays.
pub(super) fn change(
    situation: &Situation<'_>,
    wanted: &DesiredService,
    there: &ObservedService,
    plan: &mut Plan,
) {
    if is_as_declared(wanted, there) {
        return;
    }
    let exits = exits(situation, wanted, there);
    let mut service = wanted.service;
    if exits.values().any(|exit| matches!(exit, Exit::Wait { .. })) {
        service.flags |= fallback(&service).unwrap_or_default();
    }
    let update = (there.service != service).then(|| update_service(&there.service, &service));
    // Clearing the fallback flag while a server has weight 0 would refuse its share of the clients;
    // within the last phase it comes after the deletions.
    let (early, late): (Vec<_>, Vec<_>) = update
        .into_iter()
        .partition(|step| step.phase != Phase::Break);
    plan.steps.extend(early);
    let weight = total_weight(there);
    for (key, server) in &wanted.servers {
        match there.servers.get(key) {
            None => plan.steps.push(add_server(wanted, &server.server)),
            Some(entry) if entry.server != server.server => {
                plan.steps
                    .push(update_server(wanted, entry, weight, &server.server));
            }
            Some(_) => {}
        }
    }
    for (key, exit) in &exits {
        leave(situation, wanted, &there.servers[key], weight, *exit, plan);
    }
    plan.steps.extend(late);
    check_removed(situation, wanted, there, plan);
}

/// Whether nothing has to change, as for most services most of the time.
fn is_as_declared(wanted: &DesiredService, there: &ObservedService) -> bool {
    let mut servers = wanted.servers.values().zip(there.servers.values());
    wanted.service == there.service
        && wanted.servers.len() == there.servers.len()
        && servers.all(|(wanted, there)| wanted.server == there.server)
}

/// How a server leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Deleted immediately.
    Now,
    /// At weight 0 until its connections are gone, or until this time.
    Wait { until: crate::state::BootTime },
}

/// How each undeclared server of the kernel leaves.
fn exits(
    situation: &Situation<'_>,
    wanted: &DesiredService,
    there: &ObservedService,
) -> BTreeMap<ServerKey, Exit> {
    let key = wanted.service.key;
    let drains = can_drain(&wanted.service) && !wanted.drain.is_zero();
    // Servers of the other family and sync daemons exclude each other, so these servers cannot
    // wait.
    let has_daemons = situation
        .desired
        .daemons
        .as_ref()
        .is_some_and(|daemons| !daemons.is_empty());
    let exit = |entry: &ObservedServer| {
        let mixed = ipvs::Family::of(entry.server.key.address) != key.family();
        let dead = wanted.dead.contains(&entry.server.key);
        if !drains || dead || (mixed && has_daemons) {
            return Exit::Now;
        }
        let until = situation
            .ownership
            .drains
            .get(&(key, entry.server.key))
            .copied();
        let until = until.unwrap_or(situation.now.after(wanted.drain));
        let begun = entry.server.weight == Weight::ZERO;
        // Only at weight 0 can a count of zero not rise again.
        if until <= situation.now || (begun && connections(entry) == 0) {
            Exit::Now
        } else {
            Exit::Wait { until }
        }
    };
    let leaving = there
        .servers
        .iter()
        .filter(|(server, _)| !wanted.servers.contains_key(server));
    leaving
        .map(|(server, entry)| (*server, exit(entry)))
        .collect()
}

fn leave(
    situation: &Situation<'_>,
    wanted: &DesiredService,
    entry: &ObservedServer,
    weight: u64,
    exit: Exit,
    plan: &mut Plan,
) {
    let key = wanted.service.key;
    let server = entry.server;
    match exit {
        Exit::Now => {
            let undo = vec![Operation::AddServer(key, server).into()];
            let step = Step::new(Phase::Break, Operation::DeleteServer(key, server.key), undo);
            plan.steps
                .push(step.with(effects_of_deletion(entry, weight)));
        }
        Exit::Wait { until } => {
            plan.ownership.drains.insert((key, server.key), until);
            plan.draining.push(Draining {
                service: key,
                server: Some(server.key),
                servers: 1,
                connections: connections(entry),
                until,
            });
            if server.weight == Weight::ZERO {
                return;
            }
            let undo = vec![Operation::UpdateServer(key, server).into()];
            let drained = Operation::UpdateServer(key, server.weight(Weight::ZERO));
            let mut effects = vec![Effect::Drained {
                connections: connections(entry),
                at_most: situation.now.until(until),
            }];
            effects.extend(weight_taken(entry, weight));
            let persistent = wanted.service.flags.contains(ServiceFlags::PERSISTENT);
            if persistent && !situation.is_on(Sysctl::ExpireQuiescentTemplate) {
                effects.push(Effect::TemplatesKeepComing);
            }
            plan.steps
                .push(Step::new(Phase::Break, drained, undo).with(effects));
        }
    }
}

fn effects_of_deletion(entry: &ObservedServer, weight: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    if connections(entry) > 0 {
        effects.push(Effect::Cut {
            connections: connections(entry),
        });
    }
    if entry.persistent > 0 {
        effects.push(Effect::PersistenceLost {
            templates: entry.persistent.into(),
        });
    }
    effects.extend(weight_taken(entry, weight));
    effects
}

/// The total weight of all servers.
fn total_weight(there: &ObservedService) -> u64 {
    there
        .servers
        .values()
        .map(|entry| u64::from(entry.server.weight.get()))
        .sum()
}

/// A server's share of the service's weight, which is `total`, if it has any.
fn weight_taken(entry: &ObservedServer, total: u64) -> Option<Effect> {
    let own = u64::from(entry.server.weight.get());
    if own == 0 {
        return None;
    }
    let percent = (own * 100).div_ceil(total.max(own));
    Some(Effect::WeightTaken {
        percent: u8::try_from(percent).unwrap_or(100),
    })
}

fn update_service(before: &Service, after: &Service) -> Step {
    let undo = vec![Operation::UpdateService(*before).into()];
    let mut effects = Vec::new();
    if before.scheduler != after.scheduler {
        effects.push(Effect::NewRefusedBriefly);
    }
    let phase = if before.scheduler == Service::NO_SCHEDULER {
        Phase::Make
    } else if after.scheduler == Service::NO_SCHEDULER || clears_fallback(before, after) {
        Phase::Break
    } else {
        Phase::Change
    };
    Step::new(phase, Operation::UpdateService(*after), undo).with(effects)
}

fn clears_fallback(before: &Service, after: &Service) -> bool {
    before.scheduler == after.scheduler
        && fallback(before)
            .is_some_and(|flag| before.flags.contains(flag) && !after.flags.contains(flag))
}

fn update_server(
    wanted: &DesiredService,
    entry: &ObservedServer,
    weight: u64,
    after: &Server,
) -> Step {
    let key = wanted.service.key;
    let before = entry.server;
    let phase = match (before.weight == Weight::ZERO, after.weight == Weight::ZERO) {
        (true, false) => Phase::Make,
        (false, true) => Phase::Break,
        _ => Phase::Change,
    };
    let mut effects = Vec::new();
    if before.forward != after.forward && connections(entry) > 0 {
        effects.push(Effect::OldMethodKept);
    }
    let tunnelled = before.forward == ForwardMethod::Tunnel && after.forward == before.forward;
    if tunnelled && before.tunnel != after.tunnel && connections(entry) > 0 {
        effects.push(Effect::TunnelSwitched);
    }
    if phase == Phase::Break {
        effects.extend(weight_taken(entry, weight));
    }
    let undo = vec![Operation::UpdateServer(key, before).into()];
    Step::new(phase, Operation::UpdateServer(key, *after), undo).with(effects)
}

/// An existing service to remove.
pub(super) fn remove(
    situation: &Situation<'_>,
    owned: &Owned,
    there: &ObservedService,
    plan: &mut Plan,
) {
    let service = there.service;
    let key = service.key;
    let open = all_connections(there.servers.values());
    let until = situation.ownership.leaving.get(&key).copied();
    let until = until.unwrap_or(situation.now.after(owned.drain));
    let drains = can_drain(&service) && !owned.drain.is_zero() && !there.servers.is_empty();
    let begun = usable(there) == 0;
    if !drains || until <= situation.now || (begun && open == 0) {
        let mut effects = vec![Effect::ServiceGone];
        if open > 0 {
            effects.push(Effect::Cut { connections: open });
        }
        let step = Step::new(
            Phase::Break,
            Operation::DeleteService(key),
            restore_service(there),
        );
        plan.steps.push(step.with(effects));
        plan.deleted.insert(key, owned.name.clone());
    } else {
        plan.ownership.services.insert(key, owned.clone());
        plan.ownership.leaving.insert(key, until);
        plan.draining.push(Draining {
            service: key,
            server: None,
            servers: there.servers.len(),
            connections: open,
            until,
        });
        for entry in there
            .servers
            .values()
            .filter(|entry| entry.server.weight != Weight::ZERO)
        {
            let undo = vec![Operation::UpdateServer(key, entry.server).into()];
            let drained = Operation::UpdateServer(key, entry.server.weight(Weight::ZERO));
            let effect = Effect::Drained {
                connections: connections(entry),
                at_most: situation.now.until(until),
            };
            plan.steps
                .push(Step::new(Phase::Break, drained, undo).with([effect]));
        }
    }
    let in_use = usable(there) > 0 && open > 0;
    if in_use {
        plan.objections.push(Objection::ServiceInUse {
            service: key,
            name: owned.name.clone(),
            connections: open,
        });
    }
}

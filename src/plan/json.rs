//! A plan for programs: the contract of `docs/json.md`. Everything is in the words of the service
//! file; nothing is the spelling of a Rust type. Fields are added, never changed, unless `version`
//! changes.

use std::sync::Arc;

use ipvs::{Operation, ServiceKey};
use serde_json::{Value, json};

use super::render::{is_drain, service_of};
use super::{Change, Effect, Objection, Plan, Step};
use crate::config::object;
use crate::state::BootTime;

/// The version of the contract.
pub(crate) const VERSION: u32 = 1;

impl Plan {
    /// The plan as JSON. Remaining times are in milliseconds, counted from `now`.
    #[must_use]
    pub fn to_json(&self, now: BootTime) -> Value {
        let summary = self.summary();
        json!({
            "version": VERSION,
            "changes": !self.is_empty(),
            "summary": {
                "add": summary.add,
                "change": summary.change,
                "remove": summary.remove,
            },
            "steps": self.steps.iter().map(|step| self.step(&step)).collect::<Vec<_>>(),
            "draining": self.draining_json(now),
            "foreign": self.foreign.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "lacking": self.lacking.iter().map(|sysctl| json!({
                "name": sysctl.name(),
                "since": sysctl.since(),
                "text": sysctl.lacking(),
            })).collect::<Vec<_>>(),
            "guards": self.guards_json(),
        })
    }

    /// What waits for its connections to end.
    pub(crate) fn draining_json(&self, now: BootTime) -> Value {
        let draining = self.draining.iter().map(|draining| {
            json!({
                "service": draining.service.to_string(),
                "name": self.name(&draining.service),
                "server": draining.server.map(|server| server.to_string()),
                "connections": draining.connections,
                "left_ms": milliseconds(now.until(draining.until)),
            })
        });
        draining.collect()
    }

    /// Why the plan needs `--force`.
    pub(crate) fn guards_json(&self) -> Value {
        self.objections.iter().map(guard).collect()
    }

    fn step(&self, step: &Step) -> Value {
        let service = service_of(step);
        let (kind, action) = what(step);
        let server = match &step.change {
            Change::Operation(operation) => operation.server_key(),
            Change::Sysctl { .. } => None,
        };
        let after = match action {
            "delete" => Value::Null,
            _ => values(&step.change).unwrap_or_default(),
        };
        json!({
            "phase": step.phase.to_string(),
            "kind": kind,
            "action": action,
            "service": service.map(|key| key.to_string()),
            "name": service.and_then(|key| self.name(&key)),
            "server": server.map(|server| server.to_string()),
            "before": before(&step.undo()),
            "after": after,
            "effects": step.effects().iter().map(effect).collect::<Vec<_>>(),
            "text": step.change.to_string(),
        })
    }
}

/// The kind of object that a step concerns, and what happens to it.
fn what(step: &Step) -> (&'static str, &'static str) {
    let operation = match &step.change {
        Change::Operation(operation) => operation,
        Change::Sysctl { .. } => return ("sysctl", "change"),
    };
    match operation {
        Operation::AddService(_) => ("service", "create"),
        Operation::UpdateService(_) | Operation::ZeroService(_) => ("service", "change"),
        Operation::DeleteService(_) => ("service", "delete"),
        Operation::AddServer(..) => ("server", "create"),
        Operation::UpdateServer(..) if is_drain(step) => ("server", "drain"),
        Operation::UpdateServer(..) => ("server", "change"),
        Operation::DeleteServer(..) => ("server", "delete"),
        Operation::StartDaemon(_) => ("sync", "create"),
        Operation::StopDaemon(_) => ("sync", "delete"),
        Operation::SetTimeouts(_) => ("timeouts", "change"),
        // No plan has these.
        Operation::ZeroAll => ("table", "change"),
        Operation::Flush => ("table", "delete"),
    }
}

/// The object as a change leaves it; `None` for one that deletes.
fn values(change: &Change) -> Option<Value> {
    Some(match change {
        Change::Operation(operation) => match operation {
            Operation::AddService(service) | Operation::UpdateService(service) => {
                object::service(service)
            }
            Operation::AddServer(_, server) | Operation::UpdateServer(_, server) => {
                object::server(server)
            }
            Operation::StartDaemon(daemon) => object::daemon(daemon),
            Operation::SetTimeouts(timeouts) => object::timeouts(timeouts),
            Operation::DeleteService(_)
            | Operation::DeleteServer(..)
            | Operation::StopDaemon(_)
            | Operation::ZeroService(_)
            | Operation::ZeroAll
            | Operation::Flush => return None,
        },
        Change::Sysctl { sysctl, value } => json!({ "name": sysctl.name(), "value": value }),
    })
}

/// The object as it was, from the changes that restore it. A service that is deleted loses its servers
/// too.
fn before(undo: &[Change]) -> Value {
    let Some((first, rest)) = undo.split_first() else {
        return Value::Null;
    };
    let mut object = values(first).unwrap_or_default();
    if let Change::Operation(Operation::AddService(_)) = first {
        object["servers"] = rest.iter().filter_map(values).collect();
    }
    object
}

fn effect(effect: &Effect) -> Value {
    let mut object = match effect {
        Effect::Cut { connections } => json!({ "kind": "cut", "connections": connections }),
        Effect::Drained {
            connections,
            at_most,
        } => json!({
            "kind": "drained",
            "connections": connections,
            "at_most_ms": milliseconds(*at_most),
        }),
        Effect::PersistenceLost { templates } => {
            json!({ "kind": "persistence_lost", "templates": templates })
        }
        Effect::WeightTaken { percent } => json!({ "kind": "weight_taken", "percent": percent }),
        Effect::NewRefusedBriefly => json!({ "kind": "new_refused_briefly" }),
        Effect::TemplatesKeepComing => json!({ "kind": "templates_keep_coming" }),
        Effect::OldMethodKept => json!({ "kind": "old_method_kept" }),
        Effect::TunnelSwitched => json!({ "kind": "tunnel_switched" }),
        Effect::ServiceGone => json!({ "kind": "service_gone" }),
    };
    object["text"] = Value::from(effect.to_string());
    object
}

fn guard(objection: &Objection) -> Value {
    let of = |kind: &str, service: &ServiceKey, name: &Arc<str>| json!({ "kind": kind, "service": service.to_string(), "name": &**name });
    let of_all = |kind: &str, removed: &[(ServiceKey, Arc<str>)]| {
        let services = removed.iter();
        let services = services
            .map(|(service, name)| json!({ "service": service.to_string(), "name": &**name }));
        json!({ "kind": kind, "services": services.collect::<Vec<_>>() })
    };
    let mut object = match objection {
        Objection::TooManyRemoved {
            service,
            name,
            removed,
            of: all,
            limit,
        } => {
            let mut object = of("too_many_removed", service, name);
            object["removed"] = (*removed).into();
            object["of"] = (*all).into();
            object["limit"] = limit.to_string().into();
            object
        }
        Objection::LastServer { service, name } => of("last_server", service, name),
        Objection::ServiceInUse {
            service,
            name,
            connections,
        } => {
            let mut object = of("service_in_use", service, name);
            object["connections"] = (*connections).into();
            object
        }
        Objection::TooManyServicesRemoved {
            removed,
            earlier,
            of: all,
            limit,
        } => {
            let mut object = of_all("too_many_services_removed", removed);
            object["removed"] = (removed.len() + earlier).into();
            object["of"] = (*all).into();
            object["limit"] = limit.to_string().into();
            object
        }
        Objection::LastService { removed } => of_all("last_service", removed),
    };
    object["text"] = objection.to_string().into();
    object
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

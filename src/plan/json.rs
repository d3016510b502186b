//! A plan for programs. The format is versioned: fields are added, never changed.

use serde::Serialize;
use serde_json::{Value, json};

use super::render::service_of;
use super::{Change, Effect, Objection, Plan, Step};
use crate::state::BootTime;

impl Plan {
    /// The plan as JSON. Remaining times are in milliseconds, counted from `now`.
    #[must_use]
    pub fn to_json(&self, now: BootTime) -> Value {
        let summary = self.summary();
        json!({
            "format": 1,
            "summary": {
                "add": summary.add,
                "change": summary.change,
                "remove": summary.remove,
            },
            "steps": self.steps.iter().map(|made| step(&made)).collect::<Vec<_>>(),
            "draining": self.draining.iter().map(|draining| json!({
                "service": draining.service.to_string(),
                "server": draining.server.map(|server| server.to_string()),
                "connections": draining.connections,
                "left_ms": milliseconds(now.until(draining.until)),
            })).collect::<Vec<_>>(),
            "foreign": self.foreign.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "lacking": self.lacking.iter().map(|sysctl| json!({
                "name": sysctl.name(),
                "since": sysctl.since(),
                "text": sysctl.lacking(),
            })).collect::<Vec<_>>(),
            "objections": self.objections.iter().map(objection).collect::<Vec<_>>(),
        })
    }
}

fn step(step: &Step) -> Value {
    json!({
        "phase": step.phase.to_string(),
        "service": service_of(step).map(|key| key.to_string()),
        "description": step.change.to_string(),
        "change": change(&step.change),
        "undo": step.undo().iter().map(change).collect::<Vec<_>>(),
        "effects": step.effects().iter().map(effect).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    match change {
        Change::Operation(operation) => value(operation),
        Change::Sysctl { sysctl, value } => {
            json!({ "Sysctl": { "name": sysctl.name(), "value": value } })
        }
    }
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

fn objection(objection: &Objection) -> Value {
    let (kind, service) = match objection {
        Objection::TooManyRemoved { service, .. } => ("too_many_removed", Some(service)),
        Objection::LastServer { service, .. } => ("last_server", Some(service)),
        Objection::ServiceInUse { service, .. } => ("service_in_use", Some(service)),
        Objection::TooManyServicesRemoved { .. } => ("too_many_services_removed", None),
        Objection::LastService { .. } => ("last_service", None),
    };
    let service = service.map(ToString::to_string);
    json!({ "kind": kind, "service": service, "text": objection.to_string() })
}

/// All kernel names seen so far are UTF-8; others give no value.
fn value(thing: &impl Serialize) -> Value {
    serde_json::to_value(thing).unwrap_or(Value::Null)
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

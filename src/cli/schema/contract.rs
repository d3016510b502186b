//! The schemas of what `check`, `plan` and `apply` print for programs: `docs/json.md` in the words of
//! JSON Schema. Tests validate real output with them.

use serde_json::{Map, Value, json};

use crate::config::state::MachineCode;
use crate::plan::json::VERSION;
use crate::state::failover::Effect;

/// `director check --format json`.
pub(super) fn check() -> Value {
    let root = json!({ "type": "array", "items": { "$ref": "#/$defs/diagnostic" } });
    document("director check", root, &["diagnostic", "position"])
}

/// `director plan --format json`.
pub(super) fn plan() -> Value {
    let mut root = plan_object();
    let properties = &mut root["properties"];
    properties["joining"] = json!({ "type": "array", "items": { "$ref": "#/$defs/joining" } });
    properties["addresses"] = list("address");
    properties["without_checks"] = strings();
    properties["warnings"] = list("warning");
    properties["diagnostics"] = list("diagnostic");
    properties["error"] = json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/error" }] });
    // After an error there is no plan.
    root["if"] = json!({ "properties": { "error": { "type": "null" } } });
    root["then"] = json!({ "required": take(&mut root, "required") });
    root["required"] = json!(["version", "warnings", "diagnostics", "error"]);
    document("director plan", root, ALL)
}

/// `director apply --format json`.
pub(super) fn apply() -> Value {
    let root = object(&[
        ("version", json!({ "const": VERSION })),
        ("changed", json!({ "type": "boolean" })),
        ("applied", count()),
        ("saved", json!({ "type": "boolean" })),
        ("rollback_in_ms", nullable("integer")),
        ("draining", list("draining")),
        (
            "plan",
            json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/plan" }] }),
        ),
        ("guards", list("guard")),
        ("warnings", list("warning")),
        ("diagnostics", list("diagnostic")),
        (
            "error",
            json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/error" }] }),
        ),
    ]);
    let mut document = document("director apply", root, ALL);
    document["$defs"]["plan"] = plan_object();
    document
}

/// The definitions of a plan.
const ALL: &[&str] = &[
    "step",
    "service",
    "server",
    "sync",
    "timeouts",
    "sysctl",
    "tunnel",
    "effect",
    "draining",
    "lacking",
    "guard",
    "joining",
    "address",
    "warning",
    "diagnostic",
    "position",
    "error",
];

fn plan_object() -> Value {
    object(&[
        ("version", json!({ "const": VERSION })),
        ("changes", json!({ "type": "boolean" })),
        (
            "summary",
            object(&[("add", count()), ("change", count()), ("remove", count())]),
        ),
        ("steps", list("step")),
        ("draining", list("draining")),
        ("foreign", strings()),
        ("lacking", list("lacking")),
        ("guards", list("guard")),
    ])
}

fn document(title: &str, root: Value, definitions: &[&str]) -> Value {
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("{title} --format json"),
    });
    if let (Value::Object(document), Value::Object(root)) = (&mut document, root) {
        document.extend(root);
    }
    let definitions = definitions.iter();
    let definitions: Map<String, Value> = definitions
        .map(|name| ((*name).to_owned(), definition(name)))
        .collect();
    document["$defs"] = definitions.into();
    document
}

fn definition(name: &str) -> Value {
    match name {
        "step" => step(),
        "service" => service(),
        "server" => object(&[
            ("address", string()),
            ("port", count()),
            ("weight", count()),
            ("forward", string()),
            (
                "tunnel",
                json!({ "anyOf": [{ "type": "null" }, { "$ref": "#/$defs/tunnel" }] }),
            ),
            (
                "max_connections",
                object(&[("upper", count()), ("lower", count())]),
            ),
        ]),
        "tunnel" => with(
            object(&[("type", string())]),
            &[
                ("port", count()),
                ("checksum", json!({ "enum": [true, "remote"] })),
                ("flags", count()),
            ],
        ),
        "sync" => object(&[
            ("role", json!({ "enum": ["master", "backup"] })),
            ("interface", string()),
            ("id", count()),
            ("max_length", count()),
            ("group", nullable("string")),
            ("port", nullable("integer")),
            ("ttl", nullable("integer")),
        ]),
        "timeouts" => object(&[
            ("tcp", nullable("string")),
            ("tcp_fin", nullable("string")),
            ("udp", nullable("string")),
        ]),
        "sysctl" => object(&[("name", string()), ("value", string())]),
        "effect" => effect(),
        "draining" => object(&[
            ("service", string()),
            ("name", nullable("string")),
            ("server", nullable("string")),
            ("connections", count()),
            ("left_ms", count()),
        ]),
        "lacking" => object(&[
            ("name", string()),
            ("since", nullable("string")),
            ("text", string()),
        ]),
        "guard" => guard(),
        "joining" => object(&[
            ("service", string()),
            ("servers", strings()),
            ("rise", count()),
            ("stay", strings()),
        ]),
        "address" => object(&[
            ("section", string()),
            ("effect", json!({ "enum": Effect::ALL.map(Effect::word) })),
            ("text", string()),
        ]),
        "warning" => warning(),
        "diagnostic" => diagnostic(),
        "position" => object(&[("line", count()), ("column", count())]),
        _ => with(
            object(&[("kind", string()), ("message", string())]),
            &[("failures", strings()), ("not_rolled_back", strings())],
        ),
    }
}

fn step() -> Value {
    let kinds = ["service", "server", "sync", "timeouts", "sysctl"];
    let objects: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let object = json!({ "$ref": format!("#/$defs/{kind}") });
            let object = json!({ "anyOf": [{ "type": "null" }, object] });
            json!({
                "if": { "properties": { "kind": { "const": kind } } },
                "then": { "properties": { "before": object, "after": object } },
            })
        })
        .collect();
    let mut step = object(&[
        ("phase", json!({ "enum": ["make", "change", "break"] })),
        ("kind", json!({ "enum": kinds })),
        (
            "action",
            json!({ "enum": ["create", "change", "drain", "delete"] }),
        ),
        ("service", nullable("string")),
        ("name", nullable("string")),
        ("server", nullable("string")),
        ("before", json!({ "type": ["object", "null"] })),
        ("after", json!({ "type": ["object", "null"] })),
        ("effects", list("effect")),
        ("text", string()),
    ]);
    step["allOf"] = objects.into();
    step
}

fn service() -> Value {
    let persistence = with(
        object(&[("timeout", string())]),
        &[("mask", string()), ("mask6", count()), ("engine", string())],
    );
    let service = object(&[
        ("listen", string()),
        ("scheduler", string()),
        ("flags", strings()),
        (
            "persistence",
            json!({ "anyOf": [{ "type": "null" }, persistence] }),
        ),
        ("one_packet", json!({ "type": "boolean" })),
    ]);
    // Of a service that is deleted.
    with(service, &[("servers", list("server"))])
}

fn effect() -> Value {
    let kinds = [
        "cut",
        "drained",
        "persistence_lost",
        "weight_taken",
        "new_refused_briefly",
        "templates_keep_coming",
        "old_method_kept",
        "tunnel_switched",
        "service_gone",
    ];
    with(
        object(&[("kind", json!({ "enum": kinds })), ("text", string())]),
        &[
            ("connections", count()),
            ("at_most_ms", count()),
            ("templates", count()),
            ("percent", count()),
        ],
    )
}

fn guard() -> Value {
    let kinds = [
        "too_many_removed",
        "last_server",
        "service_in_use",
        "too_many_services_removed",
        "last_service",
    ];
    let service = object(&[("service", string()), ("name", string())]);
    with(
        object(&[("kind", json!({ "enum": kinds })), ("text", string())]),
        &[
            ("service", string()),
            ("name", string()),
            ("services", json!({ "type": "array", "items": service })),
            ("removed", count()),
            ("of", count()),
            ("limit", string()),
            ("connections", count()),
        ],
    )
}

fn warning() -> Value {
    let codes: Vec<_> = MachineCode::ALL.iter().map(|code| code.name()).collect();
    let example = object(&[("address", string()), ("service", string())]);
    object(&[
        ("code", json!({ "enum": codes })),
        ("kind", string()),
        ("count", count()),
        ("more", json!({ "type": "boolean" })),
        ("examples", json!({ "type": "array", "items": example })),
        ("text", string()),
        ("reason", string()),
        ("help", string()),
    ])
}

fn diagnostic() -> Value {
    let place = [
        ("file", string()),
        ("start", json!({ "$ref": "#/$defs/position" })),
        ("end", json!({ "$ref": "#/$defs/position" })),
        ("label", string()),
    ];
    let related = json!({ "type": "array", "items": object(&place) });
    let diagnostic = object(&[
        ("code", string()),
        ("severity", json!({ "enum": ["error", "warning"] })),
        ("message", string()),
        ("related", related),
        ("help", strings()),
        ("notes", strings()),
    ]);
    // `input`: of `check` only. Without a text to show there is no place.
    with(with(diagnostic, &place), &[("input", string())])
}

/// An object that has all of these keys, and no others.
fn object(keys: &[(&str, Value)]) -> Value {
    let names: Vec<_> = keys.iter().map(|(name, _)| *name).collect();
    let properties = keys.iter().cloned();
    let properties: Map<String, Value> = properties
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

/// An object that may have these keys, too.
fn with(mut object: Value, keys: &[(&str, Value)]) -> Value {
    for (name, schema) in keys {
        object["properties"][*name] = schema.clone();
    }
    object
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/$defs/{of}") } })
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn strings() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn take(object: &mut Value, key: &str) -> Value {
    object[key].take()
}

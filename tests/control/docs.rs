//! docs/api.md explains every path and every field. That its examples are true is a matter of
//! `tests/kernel/documents`.

use serde_json::Value;

use super::fake::run;
use super::raw::ask;

const API: &str = include_str!("../../docs/api.md");

#[test]
fn every_field_and_every_path_is_explained() {
    let running = run();
    let socket = running.socket();
    for path in [
        "/v1/version",
        "/v1/status",
        "/v1/stats",
        "/v1/connections",
        "/v1/connections?top=servers",
        "/v1/why?service=web&client=198.51.100.7",
        "/v1/overlay",
        "/v1/files",
    ] {
        assert!(API.contains(path), "{path}");
        named(&ask(&socket, "GET", path, "").json());
    }
}

/// Each key of the objects, except for those of the kernel's own structures in an overlay.
fn named(value: &Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let word = [format!("`{key}`"), format!("\"{key}\"")];
                assert!(word.iter().any(|word| API.contains(word)), "{key}");
                if !["declared", "now"].contains(&key.as_str()) {
                    named(value);
                }
            }
        }
        Value::Array(array) => array.iter().for_each(named),
        _ => {}
    }
}

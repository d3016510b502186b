//! What the page shows of a service, a server, an event, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::control::snapshot::{ServerState, ServiceState};
use crate::http::Flow;
use crate::http::api::{Head, Server, Service};
use crate::words::printable;

/// A service in the overview.
#[derive(Serialize)]
struct Row<'a> {
    key: String,
    name: &'a str,
    state: ServiceState,
    up: usize,
    declared: usize,
    scheduler: &'a str,
    states: &'a BTreeMap<ServerState, usize>,
    /// What is wrong with the worst of its servers.
    why: Option<String>,
}

/// A service in the overview. `service` is the `brief` one, which has the servers that have something
/// to report.
pub(super) fn overview(service: &Service) -> String {
    let worst = service.servers.iter().min_by_key(|one| one.state.rank());
    let why = worst.map(|server| {
        let name = server.name.clone();
        let name = name.unwrap_or_else(|| server.address.to_string());
        format!("{name} {}: {}", server.state.word(), server.reason)
    });
    safe(&Row {
        key: service.listen.to_string(),
        name: &service.name,
        state: service.state,
        up: service.up,
        declared: service.declared,
        scheduler: &service.scheduler,
        states: &service.states,
        why,
    })
}

/// A server with its counters.
#[derive(Serialize)]
struct ServerRow<'a> {
    /// Its place in the file.
    place: usize,
    #[serde(flatten)]
    server: &'a Server,
    /// Connections, new ones a second, bytes a second; null if they were not read.
    flow: Option<[u64; 3]>,
}

pub(super) fn server(place: usize, server: &Server, flow: Option<Flow>) -> String {
    safe(&ServerRow {
        place,
        server,
        flow: flow.as_ref().map(numbers),
    })
}

/// A service without its servers.
pub(super) fn service(service: &Service) -> String {
    let alone = Service {
        servers: Vec::new(),
        ..service.clone()
    };
    safe(&alone)
}

/// The director as a whole. Its clock and the number of the snapshot are not news.
pub(super) fn head(head: &Head) -> String {
    let mut value = serde_json::to_value(head).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        for name in ["now", "revision", "reconciled"] {
            fields.remove(name);
        }
        let foreign = head.foreign.len();
        fields.insert("foreign".to_owned(), foreign.into());
    }
    safe(&value)
}

/// Connections, new ones a second, bytes a second in both directions.
pub(super) const fn numbers(flow: &Flow) -> [u64; 3] {
    let bytes = flow.rate.bytes_in.saturating_add(flow.rate.bytes_out);
    [flow.connections, flow.rate.connections, bytes]
}

/// JSON whose texts reorder, hide and move nothing where they are shown.
pub(super) fn safe(what: &impl Serialize) -> String {
    visible(what).to_string()
}

/// The same before it is text.
pub(super) fn visible(what: &impl Serialize) -> Value {
    // The director's own data: strings, numbers and string keys.
    let mut value = serde_json::to_value(what).unwrap_or_default();
    make_visible(&mut value);
    value
}

fn make_visible(value: &mut Value) {
    match value {
        Value::String(text) if !is_plain(text) => {
            // Mistakes of a file span several lines.
            let lines: Vec<_> = text.split('\n').map(printable).collect();
            *text = lines.join("\n");
        }
        Value::Array(items) => items.iter_mut().for_each(make_visible),
        Value::Object(fields) => fields.values_mut().for_each(make_visible),
        _ => {}
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hidden_characters_become_visible_and_line_breaks_stay() {
        let hostile =
            json!({ "a": ["x\u{202e}evil\u{2066}\u{1b}[31m"], "b": "one\ntwo\u{0}", "c": 7 });
        let shown = json!({
            "a": ["x\u{fffd}evil\u{fffd}\u{fffd}[31m"], "b": "one\ntwo\u{fffd}", "c": 7,
        });
        assert_eq!(safe(&hostile), shown.to_string());
    }
}

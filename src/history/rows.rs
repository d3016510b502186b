//! What changed, as people and programs see it: a row for each change, with its event, and one for
//! each other event.

use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::by::By;
use super::entry::{Change, Entry, Event};
use super::picture::{ServerPicture, json};
use super::reader::State;
use crate::control::select::Word;
use crate::control::snapshot::ServerState;
use crate::words::count;

/// Something that changed or happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The time, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it was made by.
    pub by: By,
    /// The event's kind, `started`, `stopped`, `lost`; `changed` if there was no event.
    pub kind: String,
    /// The service's name in the file.
    pub service: Option<Arc<str>>,
    /// The service's listen address.
    pub listen: Option<ServiceKey>,
    /// The server.
    pub server: Option<ServerKey>,
    /// The server's name in the file.
    pub name: Option<Arc<str>>,
    /// The reason, for people.
    pub text: String,
    /// The operator who did it, and the reason given.
    pub operator: Option<String>,
    /// The operator's reason.
    pub reason: Option<String>,
    /// The fields that changed.
    pub changed: Vec<Changed>,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The field.
    pub what: String,
    /// Its value before; null if there was none.
    pub from: Value,
    /// Its value after; null if there is none.
    pub to: Value,
}

/// Which rows are asked for. Without any words: all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Not earlier than this, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Not later than this.
    pub until_ms: Option<u64>,
    /// About these services.
    pub services: Vec<Word>,
    /// About these servers.
    pub servers: Vec<Word>,
}

impl Filter {
    pub(super) fn takes(&self, row: &Row) -> bool {
        let is_service = |word: &Word| {
            let name = row.service.as_deref();
            row.listen
                .is_some_and(|listen| word.is_service(&listen, name))
        };
        let is_server = |word: &Word| {
            let name = row.name.as_deref();
            row.server
                .is_some_and(|server| word.is_server(&server, name))
        };
        self.since_ms.is_none_or(|since| row.at_ms >= since)
            && self.until_ms.is_none_or(|until| row.at_ms <= until)
            && (self.services.is_empty() || self.services.iter().any(is_service))
            && (self.servers.is_empty() || self.servers.iter().any(is_server))
    }
}

/// The rows of a record, in the order of their times; afterwards the state is that after the record.
pub(super) fn of_record(
    state: &mut State,
    entries: Vec<Entry>,
    emit: &mut impl FnMut(Row),
    lost: &mut Vec<String>,
) {
    let mut rows = Vec::new();
    let mut events: Vec<(u64, Box<Event>)> = Vec::new();
    for mut entry in entries {
        rows.extend(of_run(&entry));
        if let Some(event) = entry.event.take() {
            events.push((entry.at, event));
            continue;
        }
        let change = entry.change.clone();
        let before = change.as_ref().map(|change| Before::of(state, change));
        let at = entry.at;
        if let Err(why) = state.apply(entry) {
            lost.push(why);
        } else if let (Some(change), Some(before)) = (change, before) {
            rows.extend(of_change(at, state, &change, before));
        }
    }
    for (at, event) in events {
        let explains = |row: &&mut Row| {
            let is_own = row.listen == event.listen && row.server == event.server;
            // A server that a file adds may be found dead in the same millisecond.
            let is_cause = row.by == By::of_word(&event.kind);
            let is_free = row.server.is_some() && row.kind == CHANGED && row.at_ms == at;
            is_own && is_cause && is_free
        };
        match rows.iter_mut().find(explains) {
            Some(row) => row.explain(&event),
            None => rows.push(of_event(at, &event, state)),
        }
    }
    rows.sort_by_key(|row| row.at_ms);
    rows.into_iter().for_each(emit);
}

/// The kind of a change without an event.
const CHANGED: &str = "changed";

impl Row {
    fn new(at_ms: u64, by: By, kind: &str, text: impl Into<String>) -> Self {
        Self {
            at_ms,
            by,
            kind: kind.to_owned(),
            service: None,
            listen: None,
            server: None,
            name: None,
            text: text.into(),
            operator: None,
            reason: None,
            changed: Vec::new(),
        }
    }

    fn explain(&mut self, event: &Event) {
        self.kind.clone_from(&event.kind);
        self.by = By::of_word(&event.kind);
        self.text = event.text.to_string();
        if self.operator.is_none() {
            self.operator = operator(self.by, &event.text);
        }
    }
}

/// A row about the director itself.
fn of_run(entry: &Entry) -> Option<Row> {
    let row = |kind, text: String| Some(Row::new(entry.at, By::Director, kind, text));
    if let Some(started) = &entry.started {
        let (version, pid) = (&started.version, started.pid);
        return row(
            "started",
            format!("director {version} started (process {pid})"),
        );
    }
    if let Some(stopped) = &entry.stopped {
        let text = match stopped.deletes {
            true => "director stopped, and deletes its services",
            false => "director stopped; the tables stay",
        };
        return row("stopped", text.to_owned());
    }
    let events = count(entry.lost?, "event is", "events are");
    row(
        "lost",
        format!("{events} not recorded: the disk was too slow, or full"),
    )
}

fn of_event(at: u64, event: &Event, state: &State) -> Row {
    let by = By::of_word(&event.kind);
    let service = event
        .listen
        .and_then(|key| state.picture.services.get(&key));
    let server = event.server.and_then(|key| service?.servers.get(&key));
    Row {
        service: event.service.clone(),
        listen: event.listen,
        server: event.server,
        name: server.and_then(|server| server.name.clone()),
        operator: operator(by, &event.text),
        ..Row::new(at, by, &event.kind, &*event.text)
    }
}

/// Who did it, as the text of an operator's event has it: `drained by anna: new disk`.
fn operator(by: By, text: &str) -> Option<String> {
    let (_, after) = text.split_once("by ").filter(|_| by == By::Operator)?;
    let end = after.find([':', ',', ' ']).unwrap_or(after.len());
    Some(after[..end].to_owned()).filter(|name| !name.is_empty())
}

/// What a change changes, as it was.
struct Before {
    service: Option<Arc<str>>,
    bare: Option<Value>,
    servers: usize,
    server: Option<ServerPicture>,
}

impl Before {
    fn of(state: &State, change: &Change) -> Self {
        let service = state.picture.services.get(&change.listen);
        Self {
            service: service.map(|service| service.name.clone()),
            bare: state.bare(change).filter(|_| change.server.is_none()),
            servers: service.map_or(0, |service| service.servers.len()),
            server: state.server(change).cloned(),
        }
    }
}

fn of_change(at: u64, state: &State, change: &Change, before: Before) -> Option<Row> {
    let after = state.picture.services.get(&change.listen);
    let name = after.map(|service| service.name.clone());
    let mut row = Row {
        service: name.or(before.service),
        listen: Some(change.listen),
        server: change.server,
        ..Row::new(at, change.by, CHANGED, "")
    };
    if change.server.is_some() {
        let server = state.server(change);
        of_server(&mut row, before.server.as_ref(), server);
        // A change of the reason or of the time alone is nothing that people look for.
        return (!row.changed.is_empty()).then_some(row);
    }
    let servers = |number| count(number, "server", "servers");
    match (before.bare, after) {
        (None, Some(service)) => {
            row.text = format!("added, with {}", servers(service.servers.len()));
        }
        (Some(_), None) => row.text = format!("removed, with {}", servers(before.servers)),
        (Some(old), Some(service)) => {
            row.changed = fields(&old, &service.bare());
            row.text = "service".to_owned();
        }
        (None, None) => return None,
    }
    Some(row)
}

fn of_server(row: &mut Row, before: Option<&ServerPicture>, after: Option<&ServerPicture>) {
    let Some(server) = after else {
        row.name = before.and_then(|before| before.name.clone());
        "removed".clone_into(&mut row.text);
        let state = before.map_or(Value::Null, |before| json(&before.state));
        row.changed.push(Changed {
            what: "state".to_owned(),
            from: state,
            to: Value::Null,
        });
        return;
    };
    row.name.clone_from(&server.name);
    row.text = match before {
        None => format!("added: {}", server.reason),
        Some(_) => server.reason.to_string(),
    };
    let set = match server.state {
        ServerState::Drained => server.drain.as_ref(),
        _ => server.set.as_ref(),
    };
    if let Some(set) = set.filter(|_| row.by == By::Operator) {
        row.operator = Some(set.by.clone());
        row.reason.clone_from(&set.reason);
    }
    row.changed = fields(&before.map_or(Value::Null, json), &json(server));
}

/// The fields that differ, one level deep; not reasons and times, which the row has.
fn fields(before: &Value, after: &Value) -> Vec<Changed> {
    let empty = serde_json::Map::new();
    let before = before.as_object().unwrap_or(&empty);
    let after = after.as_object().unwrap_or(&empty);
    let shown = ["reason", "since", "drain", "set"];
    let old = before.keys().filter(|key| !after.contains_key(*key));
    let keys = after.keys().chain(old);
    let keys = keys.filter(|key| !shown.contains(&key.as_str()));
    let get = |of: &serde_json::Map<String, Value>, key: &str| of.get(key).cloned();
    let mut changed = Vec::new();
    for key in keys {
        let [from, to] = [before, after].map(|of| get(of, key).unwrap_or_default());
        if from == to {
            continue;
        }
        match (from, to) {
            (Value::Object(from), Value::Object(to)) => {
                let parts = to
                    .iter()
                    .filter(|(part, value)| from.get(*part) != Some(value));
                changed.extend(parts.map(|(part, value)| Changed {
                    what: format!("{key}.{part}"),
                    from: from.get(part).cloned().unwrap_or_default(),
                    to: value.clone(),
                }));
            }
            // A new object is described by its other fields.
            (Value::Null, Value::Object(_)) | (Value::Object(_), Value::Null) => {}
            (from, to) => changed.push(Changed {
                what: key.clone(),
                from,
                to,
            }),
        }
    }
    changed
}

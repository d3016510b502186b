//! The lines around the table.

use std::fmt::Write;
use std::time::Duration;

use ipvs::ServerKey;

use super::{Look, STALE};
use crate::cli::clock::localised;
use crate::cli::status::wrap;
use crate::cli::top::state::{Level, State, View};
use crate::control::snapshot::{ServerState, ServiceState};
use crate::http::api::{Check, Event, Head, Server, Service, Setting};
use crate::words::{count, length, printable};

/// What must not be overlooked: what is shown is not of now.
pub(super) fn alarm(state: &State, now: Duration) -> Option<String> {
    let age = now.saturating_sub(state.answered);
    let ago = length(age.as_secs());
    if let Some(why) = &state.trouble {
        return Some(format!("DATA {ago} OLD: {}", printable(why)));
    }
    if let Some(at) = state.frozen {
        return Some(format!("FROZEN at {}; f goes on", (state.clock)(at)));
    }
    (age >= STALE).then(|| format!("DATA {ago} OLD: the director has not answered since"))
}

pub(super) fn title(state: &State) -> String {
    let file = state.data.head.as_ref().map(|head| printable(&head.file));
    let file = file.unwrap_or_default();
    let listen = |key: ipvs::ServiceKey| {
        let services = state.data.services.iter();
        let mut services = services.chain(&state.data.service);
        let name = services.find(|service| service.listen == key);
        name.map_or(key.to_string(), |service| {
            format!("{} {key}", printable(&service.name))
        })
    };
    match state.level().view {
        View::Services => format!("director top: {file}"),
        View::Service(key) => format!("service {}", listen(key)),
        View::Server(key, server) => format!("server {server} of {}", listen(key)),
        View::Events(None) => format!("events: {file}"),
        View::Events(Some(key)) => format!("events of {}", listen(key)),
    }
}

/// `39 services: 1 failed, 2 degraded; 117 servers: 3 down`.
pub(super) fn summary(head: &Head) -> String {
    let of = &head.summary;
    let services: usize = of.services.values().sum();
    let servers: usize = of.servers.values().sum();
    let ill = of.services.iter();
    let ill = ill.filter(|(state, _)| **state != ServiceState::Ok);
    let ill: Vec<_> = ill
        .map(|(state, number)| format!("{number} {}", state.word()))
        .collect();
    let down = ServerState::WORST_FIRST.iter();
    let down = down.filter(|state| !state.is_well());
    let down =
        down.filter_map(|state| Some(format!("{} {}", of.servers.get(state)?, state.word())));
    let down: Vec<_> = down.collect();
    let well = |parts: Vec<String>| match parts.is_empty() {
        true => "all ok".to_owned(),
        false => parts.join(", "),
    };
    let mut text = format!(
        "{}: {}; {}: {}",
        count(services, "service", "services"),
        well(ill),
        count(servers, "server", "servers"),
        well(down)
    );
    if !head.foreign.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, "; {} foreign", head.foreign.len());
    }
    text
}

/// What is wrong with the director itself, a line each.
pub(super) fn troubles(head: &Head) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trouble) = &head.trouble {
        lines.push(format!("TROUBLE: {}", printable(trouble)));
    }
    if let Some(rejected) = &head.rejected {
        let first = rejected.lines().next().unwrap_or_default();
        lines.push(format!("FILE REJECTED: {}", printable(first)));
    }
    if !head.drift.is_empty() {
        let differ = count(head.drift.len(), "difference", "differences");
        lines.push(format!(
            "DRIFT: {differ} from the kernel; see director status"
        ));
    }
    lines
}

/// What the cursor is on, in full.
pub(super) fn selected(state: &State) -> String {
    let rows = state.rows();
    let Some(row) = rows.get(state.cursor(&rows)) else {
        return String::new();
    };
    match state.level().view {
        View::Services => state.data.services.get(*row).map_or_else(String::new, why),
        View::Service(_) => {
            let server = state.data.service.as_ref();
            let server = server.and_then(|service| service.servers.get(*row));
            server.map_or_else(String::new, reason)
        }
        View::Server(..) | View::Events(_) => {
            let event = state.data.events.get(*row);
            event.map_or_else(String::new, |event| {
                let text = localised(&printable(&event.text));
                format!("{} {text}", whose(event)).trim_start().to_owned()
            })
        }
    }
}

/// Why a service is not well: its worst server.
pub(super) fn why(service: &Service) -> String {
    let mut worst: Option<&Server> = None;
    for server in service.servers.iter().filter(|one| !one.state.is_well()) {
        if worst.is_none_or(|worst| server.state.rank() < worst.state.rank()) {
            worst = Some(server);
        }
    }
    match (worst, service.quorum) {
        (_, Some(quorum)) if quorum.lost => format!(
            "quorum lost: weight {} of {} up",
            quorum.weight, quorum.needed
        ),
        (Some(server), _) => format!("{} {}", named(server), reason(server)),
        (None, _) => String::new(),
    }
}

fn reason(server: &Server) -> String {
    let reason = localised(&printable(&server.reason));
    format!("{}: {reason}", server.state.word())
}

/// A server's name and address.
pub(super) fn named(server: &Server) -> String {
    match &server.name {
        Some(name) => format!("{} {}", printable(name), server.address),
        None => server.address.to_string(),
    }
}

/// Whom an event is about.
pub(super) fn whose(event: &Event) -> String {
    let name = event.service.as_deref().map(printable);
    let server = event.server.map(|server| server.to_string());
    let parts: Vec<String> = name.into_iter().chain(server).collect();
    parts.join(" ")
}

/// Everything about one server.
pub(super) fn server(state: &State, key: ServerKey, width: usize) -> Vec<(Look, String)> {
    let service = state.data.service.as_ref().filter(|_| state.is_loaded());
    let server = service.and_then(|one| one.servers.iter().find(|server| server.address == key));
    let Some(server) = server else {
        let text = match state.is_loaded() {
            true => "This server is gone.",
            false => "Loading.",
        };
        return vec![(Look::Title, text.to_owned())];
    };
    let now = state.data.head.as_ref().map_or(0, |head| head.now);
    let mut lines = Vec::new();
    let mut field = |name: &str, text: &str| {
        const INDENT: usize = 9;
        for (index, part) in wrap(text, 0, width.saturating_sub(INDENT).max(10))
            .iter()
            .enumerate()
        {
            let name = if index == 0 { name } else { "" };
            lines.push((Look::Plain, format!("{name:<INDENT$}{part}")));
        }
    };
    field("server", &named(server));
    let since = (state.clock)(server.state_since);
    field("state", &format!("{} since {since}", server.state.word()));
    field("why", &localised(&printable(&server.reason)));
    if let Some(until) = server.until {
        field("until", &(state.clock)(until));
    }
    field("weight", &weight(server));
    let settings = [("drained", &server.drain), ("set", &server.weight_set)];
    for (name, setting) in settings {
        if let Some(setting) = setting {
            field(name, &by(setting, state.clock));
        }
    }
    for check in &server.checks {
        field("check", &result(check, now));
    }
    lines.push((Look::Plain, String::new()));
    lines
}

fn weight(server: &Server) -> String {
    match server.weight {
        Some(weight) if weight == server.declared_weight => weight.to_string(),
        Some(weight) => format!("{weight}; in the file {}", server.declared_weight),
        None => format!("not in the kernel; in the file {}", server.declared_weight),
    }
}

fn by(setting: &Setting, clock: fn(u64) -> String) -> String {
    let mut text = format!("by {} at {}", printable(&setting.by), clock(setting.at));
    // Writing to a String cannot fail.
    if let Some(reason) = &setting.reason {
        let _ = write!(text, ": {}", printable(reason));
    }
    if let Some(until) = setting.until {
        let _ = write!(text, ", until {}", clock(until));
    }
    text
}

fn result(check: &Check, now: u64) -> String {
    let kind = printable(&check.kind);
    if let Some(not) = &check.not_checked {
        let since = length(now.saturating_sub(not.since));
        return format!(
            "{kind}: not checked for {since}: {}",
            printable(&not.reason)
        );
    }
    let passed = match check.passed {
        None => return format!("{kind}: no result yet"),
        Some(true) => "passed",
        Some(false) => "failed",
    };
    let text = check.text.as_deref().map(printable).unwrap_or_default();
    format!(
        "{kind}: {passed} {} in a row, {} ms: {text}",
        check.streak, check.took_ms
    )
}

/// The keys that matter most, as far as they fit.
pub(super) fn keys(level: &Level, width: usize) -> String {
    let mut text = match level.filter.is_empty() {
        true => String::new(),
        false => format!("filter: {}  Esc drops it  ", printable(&level.filter)),
    };
    let keys: &[&str] = match level.view {
        View::Services => &[
            "? help",
            "q quit",
            "/ filter",
            "Enter opens",
            "s sort",
            "e events",
        ],
        View::Service(_) => &[
            "? help",
            "Esc back",
            "/ filter",
            "Enter opens",
            "s sort",
            "e events",
        ],
        View::Server(..) => &["? help", "Esc back", "/ filter", "r reverse", "e events"],
        View::Events(_) => &["? help", "Esc back", "/ filter", "r reverse"],
    };
    for key in keys {
        if text.len() + key.len() <= width {
            text.push_str(key);
            text.push_str("  ");
        }
    }
    text
}

//! The reason for a server's state, in words.

use std::fmt::Write;

use super::page::Page;
use crate::control::snapshot::{Role, ServerState};
use crate::http::api::{Server, Setting};
use crate::words::{count, printable};

impl Page<'_> {
    /// The reason for the state, its remaining time, and who set what.
    pub(super) fn why(&self, server: &Server, connections: Option<u64>) -> String {
        let mut words = Vec::new();
        // For a drained server, the reason is who drained it and why.
        let drained = server
            .drain
            .as_ref()
            .filter(|_| server.state == ServerState::Drained);
        if let Some(set) = drained {
            words.push(self.setting("drained", set));
        } else {
            words.push(printable(&server.reason));
            words.extend(server.until.map(|until| self.left(until)));
        }
        // What is no longer declared says it itself.
        let is_out = matches!(server.state, ServerState::Drained | ServerState::Disabled);
        let connections = connections.filter(|_| is_out && server.weight.is_some());
        words.extend(connections.map(|left| {
            let left = count(left, "connection", "connections");
            format!("{left} left")
        }));
        let failing = server
            .checks
            .iter()
            .filter(|check| check.passed == Some(false) && check.not_checked.is_none());
        for check in failing {
            let text = check.text.as_deref().unwrap_or("failed");
            // Usually this is the reason, or its end.
            if !server.reason.ends_with(text) {
                words.push(format!("{}: {}", check.kind, printable(text)));
            }
        }
        for check in &server.checks {
            if let Some(not) = &check.not_checked {
                let (since, why) = (self.since(not.since), printable(&not.reason));
                words.push(format!("{} not checked for {since}: {why}", check.kind));
            }
        }
        if drained.is_none() {
            words.extend(server.drain.as_ref().map(|set| self.setting("drain", set)));
        }
        if let Some(set) = &server.weight_set {
            let weight = set
                .weight
                .map_or("weight".to_owned(), |weight| format!("weight {weight}"));
            words.push(self.setting(&weight, set));
        }
        words.join("; ")
    }

    /// `drain by root (alice) 10m ago: kernel update (1h 50m left)`.
    pub(super) fn setting(&self, what: &str, set: &Setting) -> String {
        let mut text = format!(
            "{what} by {} {} ago",
            printable(&set.by),
            self.since(set.at)
        );
        // Writing to a String cannot fail.
        if let Some(reason) = &set.reason {
            let _ = write!(text, ": {}", printable(reason));
        }
        if let Some(until) = set.until {
            let _ = write!(text, " ({})", self.left(until));
        }
        text
    }
}

/// `app1 10.0.0.11:80`, and its role unless it serves clients.
pub(super) fn name(server: &Server) -> String {
    let mut text = match &server.name {
        Some(name) => format!("{} {}", printable(name), server.address),
        None => server.address.to_string(),
    };
    text.push_str(match server.role {
        Role::Regular => "",
        Role::Backup => " (backup)",
        Role::Sorry => " (sorry)",
    });
    text
}

/// `3 of 10`, `10`; `- of 10` if it is not in the kernel.
pub(super) fn weight(server: &Server) -> String {
    let declared = server.declared_weight;
    match server.weight {
        Some(weight) if weight == declared => weight.to_string(),
        Some(weight) => format!("{weight} of {declared}"),
        None => format!("- of {declared}"),
    }
}

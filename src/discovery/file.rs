//! `type = "file"`: a list that another program writes, as JSON or TOML.
//!
//! | form | example |
//! |---|---|
//! | a list | `["10.0.0.1:80", { "address": "10.0.0.2", "weight": 5 }]` |
//! | a table with that list | `servers = ["10.0.0.1:80"]` |
//! | Prometheus' `file_sd` | `[{ "targets": ["10.0.0.1:80"], "labels": {} }]` |
//!
//! A file with one mistake is no list at all.

use std::time::Duration;

use serde_json::{Map, Value};

use super::entry::{MOST, place, server};
use super::listed::{Answer, Answered, Listed, Place};
use crate::config;
use crate::regular;
use crate::state::discovery::FileSource;

/// The time between two looks.
const PACE: Duration = Duration::from_millis(500);
/// The longest file, in bytes: a hundred thousand servers have less than half of it.
const LONGEST: u64 = 16 << 20;

/// Reads the file.
pub(super) fn ask(source: &FileSource) -> Answered {
    let path = &source.path;
    let bytes = regular::read(path, LONGEST).map_err(|error| error.to_string());
    let value = bytes.and_then(|bytes| config::value(path, bytes));
    let answer = match value.and_then(|value| servers(&value)) {
        Ok(servers) => Answer::Servers(servers),
        Err(why) => Answer::Failed(format!("{}: {}", path.display(), why.trim_end())),
    };
    Answered {
        answer,
        again: PACE,
    }
}

fn servers(value: &Value) -> Result<Vec<(Place, Listed)>, String> {
    let list = match value {
        Value::Object(table) => table.get("servers").ok_or("it has no `servers`")?,
        other => other,
    };
    let Value::Array(items) = list else {
        return Err("the servers are not a list".to_owned());
    };
    let mut servers = Vec::new();
    for item in items {
        match item {
            Value::String(text) => servers.push((place(text)?, Listed::default())),
            Value::Object(table) if table.contains_key("targets") => group(table, &mut servers)?,
            Value::Object(table) => servers.push(server(table, None)?),
            other => return Err(format!("not a server: {other}")),
        }
        if servers.len() >= MOST {
            return Err(format!("more than {} servers", MOST - 1));
        }
    }
    Ok(servers)
}

/// A group of `file_sd`. Its labels are for Prometheus.
fn group(table: &Map<String, Value>, servers: &mut Vec<(Place, Listed)>) -> Result<(), String> {
    let Some(Value::Array(targets)) = table.get("targets") else {
        return Err("`targets` is not a list".to_owned());
    };
    for target in targets {
        let text = target.as_str();
        let text = text.ok_or_else(|| format!("not a target: {target}"))?;
        servers.push((place(text)?, Listed::default()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

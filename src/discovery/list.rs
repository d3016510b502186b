//! The lists in force, on disk: what a pool's servers are also after a restart with its source away.
//!
//! A list has the form of a service file with one pool (`director-config`, `lists.rs`). A line for
//! each server, so that they can be compared with `diff`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::listed::{List, Listed, Place};
use crate::config;
use crate::regular;

/// The longest list, in bytes.
const LONGEST: u64 = 64 << 20;
const HEAD: &str = "# The servers that this pool discovered. director writes this file.\n";

/// The directory of lists in a state directory.
#[must_use]
pub fn directory(state: &Path) -> PathBuf {
    state.join("discovered")
}

/// The file of a pool.
pub(super) fn path(directory: &Path, pool: &str) -> PathBuf {
    directory.join(format!("{pool}.toml"))
}

/// Writes a list, so that readers find the old one or the new one.
pub(super) fn write(directory: &Path, pool: &str, list: &List) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let text = text(pool, list);
    regular::replace(&path(directory, pool), 0o600, |file| {
        file.write_all(text.as_bytes())
    })
}

/// The list of an earlier process; `None` if there is none that can be read.
pub(super) fn read(directory: &Path, pool: &str) -> Option<List> {
    let path = path(directory, pool);
    let bytes = regular::read_no_link(&path, LONGEST).ok()?;
    let value = config::value(&path, bytes).ok()?;
    let table = value.get("pool")?.get(pool)?;
    let mut list = List::new();
    for (key, is_backup) in [("servers", false), ("backup", true)] {
        for server in table.get(key)?.as_array()? {
            let (place, listed) = server_of(server)?;
            list.insert(
                place,
                Listed {
                    is_backup,
                    ..listed
                },
            );
        }
    }
    Some(list)
}

fn server_of(server: &Value) -> Option<(Place, Listed)> {
    let address = server.get("address")?.as_str()?.parse().ok()?;
    let whole = |key: &str| server.get(key).and_then(Value::as_u64);
    let port = whole("port").map(u16::try_from).transpose().ok()?;
    let weight = whole("weight").map(u32::try_from).transpose().ok()?;
    let name = server.get("name").and_then(Value::as_str);
    Some((
        (address, port),
        Listed {
            name: name.map(|name| name.replace("$$", "$")),
            weight,
            is_backup: false,
        },
    ))
}

fn text(pool: &str, list: &List) -> String {
    let mut text = format!("{HEAD}[pool.{}]\n", key(pool));
    for (key, is_backup) in [("servers", false), ("backup", true)] {
        let _ = writeln!(text, "{key} = [");
        for (place, listed) in list.iter().filter(|(_, one)| one.is_backup == is_backup) {
            let _ = writeln!(text, "  {},", server(*place, listed));
        }
        text.push_str("]\n");
    }
    text
}

fn server((address, port): Place, listed: &Listed) -> String {
    let mut text = format!("{{ address = \"{address}\"");
    if let Some(port) = port {
        let _ = write!(text, ", port = {port}");
    }
    if let Some(weight) = listed.weight {
        let _ = write!(text, ", weight = {weight}");
    }
    if let Some(name) = &listed.name {
        // A dollar sign begins a variable in a service file, except in a key.
        let _ = write!(text, ", name = {}", quoted(&name.replace('$', "$$")));
    }
    text.push_str(" }");
    text
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match name.bytes().all(is_bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;

//! `[defaults]` of several files in one: a file's defaults hold for its own services and pools
//! only, so what is not the same in all of them moves into these.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::super::decode::spelled_out;
use crate::words::path as shown;

type Table = Map<String, Value>;

/// A file.
pub(super) struct Part {
    path: PathBuf,
    /// Everything but the following.
    rest: Table,
    defaults: Table,
    pools: Table,
    services: Table,
}

impl Part {
    pub(super) fn new(path: PathBuf, mut rest: Table) -> Self {
        let mut take = |key: &str| match rest.shift_remove(key) {
            Some(Value::Object(table)) => table,
            _ => Table::new(),
        };
        Self {
            defaults: take("defaults"),
            pools: take("pool"),
            services: take("service"),
            path,
            rest,
        }
    }

    fn has_objects(&self) -> bool {
        !self.pools.is_empty() || !self.services.is_empty()
    }

    /// The check from which the servers' own checks inherit, if no service has one for them.
    fn base(&self) -> Option<&Value> {
        let check = self.defaults.get("check")?;
        (check.is_object() || check.is_string()).then_some(check)
    }
}

fn refused(path: &Path, name: &str) -> String {
    format!(
        "`{name}` in `{}` inherits from a check whose type is a variable, and other files have other \
         defaults: no single file declares the same; copy the files instead",
        shown(path)
    )
}

/// One tree for all files; the first is the root file.
pub(super) fn joined(mut parts: Vec<Part>) -> Result<Table, String> {
    let common = common(&parts);
    for part in &mut parts {
        let mut moves = part.defaults.clone();
        moves.retain(|key, _| !common.contains_key(key));
        for (_, service) in &mut part.services {
            if let Value::Object(service) = service {
                moves
                    .iter()
                    .for_each(|(key, value)| inherit(service, key, value));
            }
        }
    }
    if !common.contains_key("check") && parts.iter().any(|part| part.defaults.contains_key("check"))
    {
        spread_checks(&mut parts)?;
    }
    assembled(parts, common)
}

/// The defaults that all files with services or pools share.
fn common(parts: &[Part]) -> Table {
    let mut with = parts.iter().filter(|part| part.has_objects());
    let Some(first) = with.next() else {
        return Table::new();
    };
    let others: Vec<_> = with.collect();
    let shared = |key: &str, value: &Value| {
        others
            .iter()
            .all(|part| part.defaults.get(key) == Some(value))
    };
    let mut common = first.defaults.clone();
    common.retain(|key, value| shared(key, value));
    // The checks of their servers inherit from the check of the same defaults.
    if !common.contains_key("check") {
        common.retain(|key, _| key != "backup" && key != "sorry");
    }
    common
}

/// Puts a default into a service, as the decoder does.
fn inherit(service: &mut Table, key: &str, value: &Value) {
    match (key, service.get_mut(key)) {
        ("check", _) => {}
        ("persistence", None) => inherit_persistence(service, value),
        ("persistence", Some(said)) => persistence_over(said, value),
        (_, None) => {
            service.insert(key.to_owned(), value.clone());
            // In `[defaults]` it may be more than some services have servers.
            let is_count = value.as_i64().is_some_and(|count| count > 1);
            if is_count && matches!(key, "min_healthy" | "backup_below") {
                service.insert("as_is".to_owned(), true.into());
            }
        }
        ("tunnel", Some(Value::Object(said))) => {
            // Unless it is about another encapsulation.
            if !said.contains_key("type") {
                let has_flags = said.contains_key("checksum") || said.contains_key("flags");
                let is_fit = |key: &str| !has_flags || !matches!(key, "checksum" | "flags");
                fill(said, value, is_fit);
            }
        }
        ("damping" | "weight_steps", Some(Value::Object(said))) => fill(said, value, |_| true),
        (_, Some(_)) => {}
    }
}

/// Adds what a table lacks.
fn fill(table: &mut Table, from: &Value, is_fit: impl Fn(&str) -> bool) {
    let Value::Object(from) = from else {
        return;
    };
    for (key, value) in from.iter().filter(|(key, _)| is_fit(key)) {
        table.entry(key).or_insert_with(|| value.clone());
    }
}

fn inherit_persistence(service: &mut Table, value: &Value) {
    // A default without a time, such as a mask, is for persistent services only.
    if value.get("timeout").is_some() || !(value.is_object() || value.is_boolean()) {
        service.insert("persistence".to_owned(), value.clone());
    }
}

fn persistence_over(said: &mut Value, value: &Value) {
    match (&mut *said, value) {
        (Value::Object(said), Value::Object(_)) => fill(said, value, |_| true),
        (Value::Object(said), Value::String(_) | Value::Number(_)) => {
            said.entry("timeout").or_insert_with(|| value.clone());
        }
        (Value::String(_) | Value::Number(_), Value::Object(_)) => {
            let mut table = Table::new();
            table.insert("timeout".to_owned(), said.take());
            fill(&mut table, value, |_| true);
            *said = table.into();
        }
        _ => {}
    }
}

/// A service that uses a pool.
struct User {
    part: usize,
    name: String,
    pool: String,
    /// Whether it has exactly one check, from which its servers' own checks inherit.
    has_one: bool,
}

fn spread_checks(parts: &mut [Part]) -> Result<(), String> {
    let mut users: Vec<User> = Vec::new();
    for (index, part) in parts.iter_mut().enumerate() {
        let default = part.defaults.get("check").cloned();
        let base = part.base().cloned();
        let mut odd = None;
        for (name, service) in &mut part.services {
            let Value::Object(service) = service else {
                continue;
            };
            if check_of(service, default.as_ref(), base.as_ref()).is_none() {
                odd.get_or_insert_with(|| name.clone());
            }
            let has_one = has_one_check(service);
            if let (Some(base), false) = (&base, has_one) {
                for key in ["servers", "backup", "sorry"] {
                    let list = service.get_mut(key);
                    if list.is_some_and(|list| spell_servers(list, base).is_none()) {
                        odd.get_or_insert_with(|| name.clone());
                    }
                }
            }
            if let Some(Value::String(pool)) = service.get("pool") {
                users.push(User {
                    part: index,
                    name: name.clone(),
                    pool: pool.clone(),
                    has_one,
                });
            }
        }
        if let Some(name) = odd {
            return Err(refused(&part.path, &name));
        }
    }
    spread_over_pools(parts, &users)
}

/// Gives a service the check that it inherits; `None` if that cannot be told.
fn check_of(service: &mut Table, default: Option<&Value>, base: Option<&Value>) -> Option<()> {
    match (service.get("check"), default) {
        (Some(own), _) => {
            if let Some(base) = base {
                let spelled = spelled_out(own, base)?;
                service.insert("check".to_owned(), spelled);
            }
        }
        // Settings without a type are for checks that have one.
        (None, Some(Value::Object(table))) if !table.contains_key("type") => {}
        (None, Some(default)) => {
            service.insert("check".to_owned(), default.clone());
        }
        (None, None) => {}
    }
    Some(())
}

fn has_one_check(service: &Table) -> bool {
    match service.get("check") {
        Some(Value::Array(items)) => items.len() == 1,
        Some(check) => !check.is_boolean(),
        None => false,
    }
}

/// Gives the servers' own checks what they inherit; `None` if that cannot be told.
fn spell_servers(list: &mut Value, base: &Value) -> Option<()> {
    let own = list.as_array_mut().into_iter().flatten();
    for check in own.filter_map(|server| server.get_mut("check")) {
        *check = spelled_out(check, base)?;
    }
    Some(())
}

fn has_own_checks(pool: &Value) -> bool {
    let servers = pool.get("servers").and_then(Value::as_array);
    let mut servers = servers.into_iter().flatten();
    servers.any(|server| server.get("check").is_some())
}

/// Gives the own checks of pools' servers what they inherit: from the defaults of the service's
/// file, otherwise from those of the pool's. Services that differ in that get a pool each.
fn spread_over_pools(parts: &mut [Part], users: &[User]) -> Result<(), String> {
    let names = parts.iter().flat_map(|part| part.pools.keys());
    let mut taken: BTreeSet<String> = names.cloned().collect();
    let bases: Vec<Option<Value>> = parts.iter().map(|part| part.base().cloned()).collect();
    let mut renamed: Vec<(&User, String)> = Vec::new();
    for (index, part) in parts.iter_mut().enumerate() {
        let mut copies = Table::new();
        for (name, pool) in part
            .pools
            .iter_mut()
            .filter(|(_, pool)| has_own_checks(pool))
        {
            let mut by_base: Vec<(Option<&Value>, Vec<&User>)> = Vec::new();
            for user in users.iter().filter(|user| user.pool == *name) {
                let base = bases[user.part].as_ref().or(bases[index].as_ref());
                let base = base.filter(|_| !user.has_one);
                match by_base.iter_mut().find(|(other, _)| *other == base) {
                    Some((_, users)) => users.push(user),
                    None => by_base.push((base, vec![user])),
                }
            }
            // Those that need no change keep the pool.
            by_base.sort_by_key(|(base, _)| base.is_some());
            let declared = pool.clone();
            for (place, (base, users)) in by_base.into_iter().enumerate() {
                let Some(base) = base else { continue };
                let mut spelled = declared.clone();
                let list = spelled.get_mut("servers");
                if list.is_some_and(|list| spell_servers(list, base).is_none()) {
                    return Err(refused(&part.path, name));
                }
                if place == 0 {
                    *pool = spelled;
                    continue;
                }
                let mut copy = format!("{name}-own");
                // Each round tries a longer name, and only finitely many are taken.
                while !taken.insert(copy.clone()) {
                    copy.push('+');
                }
                renamed.extend(users.into_iter().map(|user| (user, copy.clone())));
                copies.insert(copy, spelled);
            }
        }
        part.pools.extend(copies);
    }
    for (user, pool) in renamed {
        if let Some(service) = parts[user.part].services.get_mut(&user.name) {
            service["pool"] = pool.into();
        }
    }
    Ok(())
}

fn assembled(parts: Vec<Part>, common: Table) -> Result<Table, String> {
    let (mut root, mut pools, mut services) = (Table::new(), Table::new(), Table::new());
    for (index, mut part) in parts.into_iter().enumerate() {
        part.rest.shift_remove("include");
        if index == 0 {
            root = part.rest;
        } else {
            for key in ["version", "$schema"] {
                part.rest.shift_remove(key);
            }
            for (key, value) in part.rest {
                match (root.get_mut(&key), value) {
                    (None, value) => {
                        root.insert(key, value);
                    }
                    (Some(there), value) if *there == value => {}
                    (Some(Value::Array(there)), Value::Array(more)) => there.extend(more),
                    (Some(_), _) => {
                        return Err(format!(
                            "`{key}` differs between the root file and `{}`",
                            shown(&part.path)
                        ));
                    }
                }
            }
        }
        pools.extend(part.pools);
        services.extend(part.services);
    }
    for (key, table) in [("defaults", common), ("pool", pools), ("service", services)] {
        if !table.is_empty() {
            root.insert(key.to_owned(), table.into());
        }
    }
    Ok(root)
}

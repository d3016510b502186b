//! Decodes the tree into a declaration, by hand, so that it finds every mistake and none hides
//! another.

mod address;
mod allow;
#[cfg(test)]
pub(super) mod asked;
mod check;
pub(crate) mod command;
mod daemon;
pub(crate) mod domain;
mod failover;
pub(crate) mod fields;
mod health;
mod kernel;
pub(crate) mod name;
mod persistence;
mod pool;
pub(super) mod scheduler;
mod server;
mod service;
mod share;
mod sync;
pub(crate) mod time;
pub(super) mod tunnel;
pub(crate) mod word;

use std::collections::HashMap;

use super::code::Code;
use super::diagnostic::{Diagnostic, Findings};
use super::environment::Machine;
use super::keys;
use super::model::{Declaration, ServiceDecl};
use super::source::{Span, Spanned};
use super::tree::{Entry, Node, Value};
use crate::state::MachineCodes;
use failover::AddressSections;
use fields::{Field, Fields};
use service::Defaults;

pub(super) use pool::Lists;

pub(super) use check::spelled_out;
pub(super) use fields::shown;
pub(super) use sync::canonical;
pub(super) use word::{explained, meant, one_of};

/// Decodes files one after the other into one declaration.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    declaration: Declaration,
    addresses: AddressSections,
    /// Where each service is named, if there are several files.
    services: HashMap<String, Span>,
    /// The warnings about the machine that the root file allows.
    allow_machine: MachineCodes,
}

impl Decoder {
    /// Decodes one file, and hands over each service with the declarations before it; returns the
    /// patterns of the files that it includes.
    ///
    /// Drops each service's part of the tree once the service is handed over, so that the next one
    /// can use its memory: the tree of a long file is larger than the result.
    pub(super) fn file(
        &mut self,
        mut root: Node<'_>,
        is_root: bool,
        lists: &Lists<'_>,
        take_service: &mut dyn FnMut(ServiceDecl, &Declaration, &mut Findings),
        findings: &mut Findings,
    ) -> Vec<Spanned<String>> {
        let services = take_entries(&mut root, "service");
        let Some(fields) = Fields::of(&root, root.span, &keys::ROOT, findings) else {
            findings.incomplete = true;
            return Vec::new();
        };
        let codes = allow::allow(&fields, findings);
        findings.allow_in_file(root.span.file, is_root, codes.of_file);
        let allow_machine = match is_root {
            true => codes.of_machine,
            false => codes.of_machine.union(self.allow_machine),
        };
        if is_root {
            self.allow_machine = codes.of_machine;
        }
        version(&fields, is_root, findings);
        self.root_only(&fields, is_root, findings);
        if let Some(field) = fields.get("$schema") {
            field.text(findings);
        }
        self.addresses.take_in(&fields, findings);
        let defaults = fields.get("defaults");
        let defaults = defaults.map(|field| Defaults::of(&field, findings));
        let defaults = defaults.unwrap_or_default();
        for entry in named(fields.get("pool"), findings) {
            let Some(pool) = pool::pool(entry, &defaults, lists, findings) else {
                continue;
            };
            let first = self.declaration.pools.get(&pool.name.value);
            match first.map(|(_, first)| first.name.span) {
                Some(first) => findings.push(twice("pools", &pool.name, first)),
                None => self.declaration.pools.push(pool),
            }
        }
        // A table is empty by now; anything else is reported.
        named(fields.get("service"), findings);
        // No table has duplicate keys, so a single file cannot have two services of one name.
        let is_alone = is_root && fields.get("include").is_none();
        for entry in services {
            let Some(mut service) = service::service(&entry, &defaults, findings) else {
                continue;
            };
            service.allow_machine = service.allow_machine.union(allow_machine);
            drop(entry);
            let name = &service.name;
            match self.services.get(&name.value) {
                Some(first) => findings.push(twice("services", name, *first)),
                None => {
                    if !is_alone {
                        self.services.insert(name.value.clone(), name.span);
                    }
                    take_service(service, &self.declaration, findings);
                }
            }
        }
        let mut includes = Vec::new();
        if let Some(field) = fields.get("include") {
            for item in field.items(findings) {
                let text = item.text(findings);
                includes.extend(text.map(|text| Spanned::new(text.value.to_owned(), item.span())));
            }
        }
        includes
    }

    fn root_only(&mut self, fields: &Fields<'_>, is_root: bool, findings: &mut Findings) {
        let kernel = fields.get("kernel");
        let policy = fields.get("policy");
        let sync = fields.get("sync");
        let daemon = fields.get("daemon");
        if !is_root {
            let found = [
                ("kernel", kernel),
                ("policy", policy),
                ("sync", sync),
                ("daemon", daemon),
            ];
            for (name, field) in found {
                let Some(field) = field else { continue };
                let message = format!("`{name}` is not allowed in an included file");
                findings.push(
                    Diagnostic::new(Code::NotHere, field.at, message)
                        .help("put it into the root file")
                        .reason("it applies to the whole network namespace"),
                );
            }
            return;
        }
        if let Some(field) = kernel {
            kernel::kernel(&field, &mut self.declaration, findings);
        }
        if let Some(field) = policy {
            self.declaration.policy = kernel::policy(&field, findings);
        }
        if let Some(field) = daemon {
            daemon::daemon(&field, &mut self.declaration, findings);
        }
        if let Some(field) = sync {
            sync::sync(&field, &mut self.declaration, findings);
        }
    }

    /// The declarations, as `machine` reads them.
    pub(super) fn finish(
        mut self,
        machine: Option<&Machine>,
        findings: &mut Findings,
    ) -> Declaration {
        self.declaration.addresses = self.addresses.decode(machine, findings);
        let pools = self.declaration.pools.iter();
        let discoveries = pools.filter_map(|pool| pool.discovery.clone());
        self.declaration.run.discoveries = discoveries.collect();
        self.declaration
    }
}

/// The only version so far.
const VERSION: i64 = 1;

fn version(fields: &Fields<'_>, is_root: bool, findings: &mut Findings) {
    let Some(field) = fields.get("version") else {
        if is_root {
            findings.push_missing(
                Diagnostic::new(Code::NoVersion, fields.at, "the file has no version").help(
                    "start it with `version = 1`, so that a later director knows how to read it",
                ),
            );
        }
        return;
    };
    match field.as_whole() {
        Some(VERSION) => {}
        Some(other) => findings.push(
            Diagnostic::new(
                Code::Version,
                field.span(),
                format!("unknown version {other} of the service file"),
            )
            .label("this program reads version 1"),
        ),
        None => {
            let _: Option<()> = field.wrong_type(findings);
        }
    }
}

/// The entries of a table whose keys are names.
fn named<'n>(field: Option<Field<'n>>, findings: &mut Findings) -> &'n [Entry<'n>] {
    let Some(field) = field else {
        return &[];
    };
    match field.node.table() {
        Some(table) => &table.entries,
        None => {
            let _: Option<()> = field.wrong_type(findings);
            &[]
        }
    }
}

/// Takes the entries out of the table behind a key, if there is one. The last of several tables
/// with that key counts, as in [`Fields`].
fn take_entries<'t>(root: &mut Node<'t>, key: &str) -> Vec<Entry<'t>> {
    let Value::Table(table) = &mut root.value else {
        return Vec::new();
    };
    let last = table.entries.iter_mut().rfind(|entry| entry.key == key);
    match last.map(|entry| &mut entry.node.value) {
        Some(Value::Table(found)) => std::mem::take(&mut found.entries),
        _ => Vec::new(),
    }
}

fn twice(what: &str, name: &Spanned<String>, first: Span) -> Diagnostic {
    let message = format!("two {what} are named `{}`", name.value);
    Diagnostic::new(Code::DuplicateName, name.span, message)
        .label("the second one")
        .also(first, "the first one")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::{Environment, keys, load};
    use super::asked;

    #[test]
    fn the_decoder_asks_for_every_key_that_the_sections_have() {
        let text = std::fs::read("tests/config/everything.toml").unwrap();
        let _earlier = asked::take();
        let files = super::super::Memory::from_iter([("a.toml", text)]);
        let outcome = load::load_from(Path::new("a.toml"), &files, &Environment::default());
        let said = outcome.render(super::super::Style::Plain);
        assert_eq!(outcome.errors(), 0, "{said}");
        let sections = [
            &keys::ROOT,
            &keys::KERNEL,
            &keys::TIMEOUTS,
            &keys::POLICY,
            &keys::SYNC,
            &keys::DEFAULTS,
            &keys::POOL,
            &keys::SETTLE,
            &keys::SERVICE,
            &keys::SERVER,
            &keys::MAX_CONNECTIONS,
            &keys::SCHEDULER,
            &keys::PERSISTENCE,
            &keys::TUNNEL,
            &keys::DAEMON,
            &keys::DAMPING,
            &keys::WEIGHT_STEPS,
            &keys::NOTIFY,
            &keys::FAILOVER,
            &keys::MEMBER,
            &keys::VIRTUAL_ADDRESS,
            &keys::ROUTE,
            &keys::PREEMPT,
            &keys::PEER,
            &keys::PEER_TLS,
            &keys::FOLLOW,
            &keys::TRACK,
            &keys::ANNOUNCE,
            &keys::FAILOVER_NOTIFY,
            &keys::ADDRESS,
            &keys::MACHINE,
            &keys::MACHINE_FAILOVER,
            &keys::MACHINE_ADDRESS,
            &keys::ANNOUNCEMENT,
            &keys::ANNOUNCE_FOLLOW,
            &keys::MACHINE_ANNOUNCEMENT,
            &keys::CHECK,
            &crate::kinds::tls::TLS,
        ];
        let known: BTreeSet<_> = sections
            .iter()
            .chain(&crate::kinds::SECTIONS)
            .chain(&crate::discovery::SECTIONS)
            .flat_map(|section| {
                section
                    .keys
                    .iter()
                    .map(|key| (section.name, key.name.to_owned()))
            })
            .collect();
        assert_eq!(asked::take(), known);
    }
}

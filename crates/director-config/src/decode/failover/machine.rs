//! One file for all directors: `[machine.NAME]` replaces values of the sections on one machine.
//!
//! The values are put into the tree before it is decoded, so that a value of a machine is checked
//! like any other, at its own place. The machines that this one is not are checked as well: the
//! mistake of another director's part should not wait for that director.

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::super::code::{Code, Severity};
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::environment::Machine;
use super::super::super::keys::{self, Section};
use super::super::super::model::AddressDecls;
use super::super::super::source::Span;
use super::super::super::suggest::nearest;
use super::super::super::tree::{Entry, Node, Table, Value};
use super::super::fields::{Field, Fields, shown};
use super::super::name::named;
use super::announcement::announced;
use super::{failover, held, peer, section};

/// The sections as read, of all files.
#[derive(Debug, Default)]
pub(in super::super) struct AddressSections {
    failovers: Vec<Entry<'static>>,
    held: Vec<Entry<'static>>,
    peers: Vec<Entry<'static>>,
    announced: Vec<Entry<'static>>,
    machines: Vec<Entry<'static>>,
}

impl AddressSections {
    /// Takes in the sections of one file.
    pub(in super::super) fn take_in(&mut self, fields: &Fields<'_>, findings: &mut Findings) {
        let lists = [
            (&mut self.failovers, "failover", "failover sections"),
            (&mut self.held, "address", "address sections"),
            (&mut self.peers, "peer", "peers"),
            (&mut self.announced, "announce", "announce sections"),
            (&mut self.machines, "machine", "machine sections"),
        ];
        for (list, key, what) in lists {
            let Some(field) = fields.get(key) else {
                continue;
            };
            if let Some(single) = single(&field, key) {
                list.push(single);
                continue;
            }
            for entry in super::super::named(Some(field), findings) {
                match list.iter().find(|first| first.key == entry.key) {
                    Some(first) => findings.push(
                        Diagnostic::new(
                            Code::DuplicateName,
                            entry.key_span,
                            format!("two {what} are named `{}`", shown(&entry.key)),
                        )
                        .label("the second one")
                        .also(first.key_span, "the first one"),
                    ),
                    None => list.push(to_static(entry)),
                }
            }
        }
    }

    /// The sections of this machine.
    pub(in super::super) fn decode(
        self,
        this: Option<&Machine>,
        findings: &mut Findings,
    ) -> AddressDecls {
        let mut machines: Vec<Overrides> = Vec::new();
        for entry in &self.machines {
            machines.extend(self.machine(entry, findings));
        }
        let selected = this.and_then(|this| {
            let exact = machines.iter().position(|one| one.name == this.name);
            exact.or_else(|| machines.iter().position(|one| this.is(&one.name)))
        });
        if let (Some(this), None, false) = (this, selected, machines.is_empty()) {
            findings.push(unknown(this, &machines));
        }
        let selected = selected.map(|index| machines.swap_remove(index));
        let name = match (&selected, this) {
            (Some(selected), _) => Some(selected.name.clone()),
            (None, this) => this.map(|this| this.name.clone()),
        };
        let mut decls = self.view(selected.as_ref(), findings);
        let is_sure = selected.is_some() || this.is_some();
        if let (Some(name), true) = (&name, is_sure) {
            self.check_priorities(name, selected.as_ref(), &machines, findings);
        }
        let peers = self.peers.iter();
        decls.peers = peers
            .filter_map(|entry| peer::peer(entry, findings))
            .collect();
        decls
            .peers
            .sort_by(|one, next| one.peer.name.cmp(&next.peer.name));
        decls.machine = selected.map(|selected| selected.name.as_str().into());
        for machine in &machines {
            let mut theirs = Findings::default();
            let _: AddressDecls = self.view(Some(machine), &mut theirs);
            for found in theirs.into_found() {
                findings.push(found.reason(format!("on machine `{}`", machine.name)));
            }
        }
        decls
    }

    /// What one machine says, by section.
    fn machine(&self, entry: &Entry<'static>, findings: &mut Findings) -> Option<Overrides> {
        let at = entry.key_span;
        let fields = Fields::of(&entry.node, at, &keys::MACHINE, findings);
        let name = named(&entry.key, at, findings);
        let fields = fields?;
        let failovers = overrides(
            (&fields, "failover"),
            &self.failovers,
            &keys::MACHINE_FAILOVER,
            findings,
        );
        let held = overrides(
            (&fields, "address"),
            &self.held,
            &keys::MACHINE_ADDRESS,
            findings,
        );
        let announced = overrides(
            (&fields, "announce"),
            &self.announced,
            &keys::MACHINE_ANNOUNCEMENT,
            findings,
        );
        let name = name?.value;
        Some(Overrides {
            name,
            at,
            failovers,
            held,
            announced,
        })
    }

    /// The sections with a machine's values in them.
    fn view(&self, machine: Option<&Overrides>, findings: &mut Findings) -> AddressDecls {
        let merged = |entry: &Entry<'static>, of: fn(&Overrides) -> &BySection| {
            let values = machine.and_then(|machine| of(machine).get(&*entry.key));
            match values {
                Some(values) => merged(entry, values),
                None => entry.clone(),
            }
        };
        let mut decls = AddressDecls::default();
        for entry in &self.failovers {
            let entry = merged(entry, |machine| &machine.failovers);
            decls.failovers.extend(failover(&entry, findings));
        }
        for entry in &self.held {
            let entry = merged(entry, |machine| &machine.held);
            decls.held.extend(held(&entry, findings));
        }
        for entry in &self.announced {
            let entry = merged(entry, |machine| &machine.announced);
            decls.announced.extend(announced(&entry, findings));
        }
        decls
            .failovers
            .sort_by(|one, next| one.failover.name.cmp(&next.failover.name));
        decls
            .held
            .sort_by(|one, next| one.held.name.cmp(&next.held.name));
        decls
            .announced
            .sort_by(|one, next| one.announced.name.cmp(&next.announced.name));
        decls
    }

    /// A priority that others have by their `[machine.NAME]` and this one has nowhere was
    /// forgotten: with the default, two directors could be equal.
    fn check_priorities(
        &self,
        name: &str,
        this: Option<&Overrides>,
        others: &[Overrides],
        findings: &mut Findings,
    ) {
        let has = |machine: &Overrides, section: &str| {
            let values = machine.failovers.get(section);
            values.is_some_and(|values| values.iter().any(|entry| entry.key == "priority"))
        };
        for entry in &self.failovers {
            let by_base = entry.node.has_key("priority");
            let by_this = this.is_some_and(|this| has(this, &entry.key));
            let Some(other) = others.iter().find(|other| has(other, &entry.key)) else {
                continue;
            };
            if by_base || by_this {
                continue;
            }
            let at = this.map_or(entry.key_span, |this| this.at);
            let message = format!(
                "{} has no `priority` on machine `{}`",
                section("failover", &entry.key),
                shown(name),
            );
            findings.push_missing(
                Diagnostic::new(Code::MissingKey, at, message)
                    .label("`priority` is missing")
                    .also(other.at, "another machine has one")
                    .help(format!(
                        "[machine.{}] failover.{}.priority = 100",
                        shown(name),
                        shown(&entry.key)
                    )),
            );
        }
    }
}

/// By the names of sections.
type BySection = HashMap<String, Vec<Entry<'static>>>;

/// The values of one machine.
#[derive(Debug)]
struct Overrides {
    name: String,
    at: Span,
    failovers: BySection,
    held: BySection,
    announced: BySection,
}

/// The values below one key of a machine section.
fn overrides(
    (fields, key): (&Fields<'_>, &'static str),
    sections: &[Entry<'static>],
    of: &'static Section,
    findings: &mut Findings,
) -> BySection {
    let mut found = BySection::new();
    for entry in super::super::named(fields.get(key), findings) {
        let Some(fields) = Fields::of(&entry.node, entry.key_span, of, findings) else {
            continue;
        };
        if !sections.iter().any(|section| section.key == entry.key) {
            let message = format!("there is no {}", section(key, &entry.key));
            let mistake = Diagnostic::new(Code::UnknownSection, entry.key_span, message);
            let names = sections.iter().map(|section| &*section.key);
            findings.push_missing(match nearest(&entry.key, names) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake.reason("a machine section has values for sections of the file"),
            });
        }
        // In the tree they are read under the section's own keys.
        for known in of.keys.iter() {
            let _ = fields.get(known.name);
        }
        if let Value::Table(table) = &entry.node.value {
            let known = table.entries.iter();
            let known = known.filter(|entry| of.key(&entry.key).is_some());
            let values = known.map(to_static).collect();
            found.insert(entry.key.clone().into_owned(), values);
        }
    }
    found
}

/// A section with a machine's values in place of its own.
fn merged(entry: &Entry<'static>, values: &[Entry<'static>]) -> Entry<'static> {
    let Value::Table(table) = &entry.node.value else {
        return entry.clone();
    };
    let is_replaced = |own: &&Entry<'static>| values.iter().any(|value| value.key == own.key);
    let own = table.entries.iter().filter(|own| !is_replaced(own));
    let entries = own.chain(values).cloned().collect();
    Entry {
        key: entry.key.clone(),
        key_span: entry.key_span,
        node: Node {
            span: entry.node.span,
            value: Value::Table(Table { entries }),
        },
    }
}

/// `[address]` without a name: one section, named like its kind.
fn single(field: &Field<'_>, key: &'static str) -> Option<Entry<'static>> {
    let table = field.node.table().filter(|_| key == "address")?;
    let is_own = |entry: &&Entry<'_>| {
        let is_table = matches!(entry.node.value, Value::Table(_));
        !is_table && keys::ADDRESS.key(&entry.key).is_some()
    };
    table.entries.iter().find(is_own)?;
    Some(Entry {
        key: Cow::Borrowed(key),
        key_span: field.at,
        node: field.node.to_static(),
    })
}

fn to_static(entry: &Entry<'_>) -> Entry<'static> {
    Entry {
        key: Cow::Owned(entry.key.clone().into_owned()),
        key_span: entry.key_span,
        node: entry.node.to_static(),
    }
}

fn unknown(this: &Machine, machines: &[Overrides]) -> Diagnostic {
    let name = shown(&this.name);
    let message = format!("no machine section is named `{name}`");
    let at = machines.first().map(|machine| machine.at);
    let mut found = match at {
        Some(at) => Diagnostic::new(Code::UnknownMachine, at, message),
        None => Diagnostic::nowhere(Code::UnknownMachine, message),
    };
    if !this.is_asked {
        found.severity = Severity::Warning;
        found = found.reason(format!("`{name}` is this machine's host name"));
    }
    let mut names: Vec<_> = machines
        .iter()
        .map(|one| format!("`{}`", shown(&one.name)))
        .collect();
    names.truncate(12);
    found.help(format!(
        "the machines are {}; the environment variable `DIRECTOR_MACHINE` selects one",
        names.join(", ")
    ))
}

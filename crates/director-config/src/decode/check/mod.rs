//! Health checks: a word, a table, a list of these, or `false`.
//!
//! ```text
//!   [defaults.check]   interval = "5s"            ─┐
//!   service            check = { type = "http" }  ─┼─► one table ─► CheckSpec
//!   server             check = { port = 8081 }    ─┘   key by key
//! ```
//!
//! Inheritance is resolved in the tree before anything is decoded: the nearest value of a key
//! counts, and a mistake in it is shown at its place. From a check of another type, only the keys
//! about timing and source are inherited ([`ACROSS`]).

mod at;
mod pace;
mod spelled;

use std::sync::Arc;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys::{self, Section};
use super::super::model::{CheckDecl, CheckTable, ChecksDecl, OwnChecks};
use super::super::tree::{Entry, Node, NodeRef, Table, Value};
use super::fields::{Field, Fields};
use super::word;
use crate::kinds::{self, WORDS};
use crate::state::health::CheckSpec;

pub(in super::super) use spelled::spelled_out;

/// The keys inherited from a check of another type.
const ACROSS: &[&str] = &[
    "interval",
    "fast_interval",
    "timeout",
    "rise",
    "fall",
    "jitter",
    "source",
    "mark",
];

impl CheckTable {
    fn section(&self) -> &'static Section {
        self.kind.map_or(&keys::CHECK, |kind| kind.section)
    }

    /// The check in a node, with what it inherits.
    fn of(field: &Field<'_>, base: Option<&Self>, findings: &mut Findings) -> Option<Self> {
        let table = match field.node.table() {
            Some(table) => table.to_static(),
            None if field.as_text().is_some() => Table {
                entries: vec![Entry {
                    key: "type".into(),
                    key_span: field.span(),
                    node: field.node.to_static(),
                }],
            },
            None => return field.wrong_type(findings),
        };
        let mut own = Self {
            kind: None,
            at: field.at,
            node: Node {
                span: field.span(),
                value: Value::Table(table),
            },
        };
        let said = own.entry("type").map(|entry| Field {
            node: NodeRef::Node(&entry.node),
            shape: &keys::CHECK.keys[0].shape,
            at: entry.key_span,
        });
        if let Some(said) = said {
            let name = word::word(&said, &WORDS, findings)?;
            own.kind = kinds::named(name);
        }
        Some(match base {
            Some(base) => own.over(base),
            None => own,
        })
    }

    /// Keys missing here come from `base`.
    fn over(mut self, base: &Self) -> Self {
        let same = match (self.kind, base.kind) {
            (Some(own), Some(below)) => own.like == below.like,
            _ => true,
        };
        self.kind = self.kind.or(base.kind);
        let section = self.section();
        let replaced = |key: &str| {
            let groups = self.kind.map_or(&[][..], |kind| kind.instead);
            let group = groups.iter().find(|group| group.contains(&key));
            group.is_some_and(|group| group.iter().any(|other| self.entry(other).is_some()))
        };
        // A check through the forwarding path has neither of them.
        let through = self.entry("through");
        let through = through.is_some_and(|entry| entry.node.value == Value::Bool(true));
        let elsewhere = |key: &str| through && matches!(key, "mark" | "address");
        let inherited: Vec<_> = base
            .entries()
            .iter()
            .filter(|entry| same || ACROSS.contains(&&*entry.key))
            .filter(|entry| section.key(&entry.key).is_some())
            .filter(|entry| self.entry(&entry.key).is_none() && !replaced(&entry.key))
            .filter(|entry| !elsewhere(&entry.key))
            .cloned()
            .collect();
        if let Value::Table(table) = &mut self.node.value {
            table.entries.extend(inherited);
        }
        self
    }

    /// Decodes it.
    fn decl(self, findings: &mut Findings) -> Option<CheckDecl> {
        let Some(kind) = self.kind else {
            findings.push_missing(
                Diagnostic::new(Code::MissingKey, self.at, "a check needs `type`")
                    .label("`type` is missing")
                    .help(word::one_of(&WORDS)),
            );
            return None;
        };
        let before = findings.mistakes;
        let fields = Fields::of(&self.node, self.at, self.section(), findings)?;
        fields.get("type");
        let pace = pace::pace(&fields, findings);
        let at = at::at(&fields, Some(kind), findings);
        let kind = (kind.decode)(&fields, findings)?;
        // A misread check would be judged wrongly.
        if findings.mistakes > before {
            return None;
        }
        let spec = CheckSpec { kind, pace, at };
        Some(CheckDecl { table: self, spec })
    }

    /// Reports its mistakes, as far as they do not depend on its type.
    fn review(&self, findings: &mut Findings) {
        if self.kind.is_some() {
            self.clone().decl(findings);
        } else if let Some(fields) = Fields::of(&self.node, self.at, &keys::CHECK, findings) {
            fields.get("type");
            pace::pace(&fields, findings);
            at::at(&fields, None, findings);
        }
    }
}

impl OwnChecks {
    /// Stores it, and reports the mistakes that do not depend on the service.
    pub(super) fn new(
        field: &Field<'_>,
        base: Option<&Arc<CheckTable>>,
        findings: &mut Findings,
    ) -> Self {
        let tables = tables(field, base.map(|base| &**base), findings);
        // Without a type of its own, its rules are unknown.
        for table in tables.unwrap_or_default() {
            if table.kind.is_some() {
                table.review(findings);
            }
        }
        Self {
            node: field.node.to_static(),
            at: field.at,
            shape: field.shape,
            base: base.cloned(),
        }
    }

    /// The checks of the server under a service.
    pub(in super::super) fn under(
        &self,
        service: Option<&CheckTable>,
        findings: &mut Findings,
    ) -> Option<ChecksDecl> {
        let field = Field {
            node: NodeRef::Node(&self.node),
            shape: self.shape,
            at: self.at,
        };
        decoded(&field, service.or(self.base.as_deref()), findings)
    }
}

/// What services inherit about checks.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    /// The checks of a service without any.
    pub(super) checks: Option<Arc<ChecksDecl>>,
    /// What incomplete checks of a service inherit.
    pub(super) base: Option<Arc<CheckTable>>,
}

pub(super) fn defaults(field: &Field<'_>, findings: &mut Findings) -> Inherited {
    let Some(tables) = tables(field, None, findings) else {
        return Inherited::default();
    };
    let base = match tables.as_slice() {
        [one] if !field.is_list() => Some(Arc::new(one.clone())),
        _ => None,
    };
    if let Some(table) = base.as_ref().filter(|table| table.kind.is_none()) {
        table.review(findings);
        return Inherited { checks: None, base };
    }
    let checks = tables.into_iter().filter_map(|table| table.decl(findings));
    let checks = Some(Arc::new(ChecksDecl {
        checks: checks.collect(),
    }));
    Inherited { checks, base }
}

/// `check` of a service; `None` after a mistake.
pub(super) fn decoded(
    field: &Field<'_>,
    base: Option<&CheckTable>,
    findings: &mut Findings,
) -> Option<ChecksDecl> {
    let tables = tables(field, base, findings)?;
    let checks = tables.into_iter().filter_map(|table| table.decl(findings));
    Some(ChecksDecl {
        checks: checks.collect(),
    })
}

/// The tables behind `check`, with what they inherit.
fn tables(
    field: &Field<'_>,
    base: Option<&CheckTable>,
    findings: &mut Findings,
) -> Option<Vec<CheckTable>> {
    if field.as_bool() == Some(false) {
        return Some(Vec::new());
    }
    let Some(items) = field.node.list() else {
        return match field.is_table() || field.as_text().is_some() {
            true => Some(Vec::from_iter(CheckTable::of(field, base, findings))),
            false => field.wrong_type(findings),
        };
    };
    let of = |node: NodeRef<'_>| {
        let item = Field {
            node,
            shape: field.shape,
            at: node.span(),
        };
        CheckTable::of(&item, base, findings)
    };
    Some(items.filter_map(of).collect())
}

//! Pools, and how they find their servers.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::discovery::{self, WORDS};
use super::super::keys::{self, Shape};
use super::super::model::{CheckTable, PoolDecl, ServerList};
use super::super::source::{Span, Spanned};
use super::super::tree::{Entry, Node, NodeRef, Table, Text, Value};
use super::super::vocabulary::ABSENT;
use super::fields::{Field, Fields};
use super::health::weight_steps;
use super::name::named;
use super::server::servers;
use super::service::Defaults;
use super::share::threshold;
use super::time::{DAY, HOUR, SECOND, within};
use super::word::{unknown, word};
use crate::state::Share;
use crate::state::discovery::{Absent, Discovery, Settle, Source};
use crate::state::health::{Threshold, WeightSteps};

/// The lists of servers that were found, by the names of pools: each a table with `servers`, and
/// perhaps `backup`.
pub(in super::super) type Lists<'t> = HashMap<String, Node<'t>>;

static SERVERS: LazyLock<Shape> = LazyLock::new(keys::servers);

/// What a pool says of each server that it finds.
const OF_EACH: [&str; 7] = [
    "port",
    "weight",
    "max_connections",
    "forward",
    "tunnel",
    "check",
    "initial",
];

/// What a pool says of its lists.
const OF_LISTS: [&str; 7] = [
    "absent",
    "allow_empty",
    "settle",
    "max_servers",
    "max_removed",
    "removed_within",
    "weight_steps",
];

/// A pool.
pub(super) fn pool(
    entry: &Entry<'_>,
    defaults: &Defaults,
    lists: &Lists<'_>,
    findings: &mut Findings,
) -> Option<PoolDecl> {
    let fields = Fields::of(&entry.node, entry.key_span, &keys::POOL, findings);
    let name = named(&entry.key, entry.key_span, findings);
    let fields = fields?;
    let base = defaults.health.base.as_ref();
    let mut list = ServerList {
        servers: Vec::new(),
        complete: false,
    };
    let own = fields.get("servers");
    let Some(source) = fields.get("discover") else {
        match own {
            Some(field) => {
                list = servers(&field, base, findings);
                report_without_source(&fields, findings);
            }
            None => report_no_servers(&fields, findings),
        }
        return Some(PoolDecl {
            name: name?,
            servers: list,
            backup: None,
            discovery: None,
        });
    };
    if let Some(own) = own {
        findings.push(
            Diagnostic::new(
                Code::EitherOr,
                own.at,
                "a pool has either `servers` or `discover`",
            )
            .label("servers of the file")
            .also(source.at, "where others are listed"),
        );
    }
    let found = source_of(&source, findings);
    let rules = Rules::of(&fields, findings);
    let template = Template::of(entry);
    template.check(source.at, base, findings);
    let name = name?;
    let mut backup = None;
    if let Some(found) = lists.get(&name.value).filter(|_| !findings.has_errors()) {
        let mut decode = |key: &str| template.servers(found, key, base, findings);
        list.servers = decode("servers").servers;
        let spare = decode("backup");
        backup = (!spare.servers.is_empty()).then(|| Arc::new(Spanned::new(spare, found.span)));
    }
    let discovery = found.map(|source| rules.discovery(&name.value, source));
    Some(PoolDecl {
        name,
        servers: list,
        backup,
        discovery,
    })
}

fn report_no_servers(fields: &Fields<'_>, findings: &mut Findings) {
    findings.push_missing(
        Diagnostic::new(Code::MissingKey, fields.at, "a pool needs real servers")
            .label("neither `servers` nor `discover` is set")
            .help(
                "`servers = [\"10.0.0.11\"]`, or `discover = { type = \"dns\", name = \
                 \"app.example.org\" }`",
            ),
    );
}

/// Keys that say nothing without a source.
fn report_without_source(fields: &Fields<'_>, findings: &mut Findings) {
    for name in OF_LISTS.into_iter().chain(OF_EACH) {
        let Some(field) = fields.get(name) else {
            continue;
        };
        let message = format!("`{name}` is about servers that are discovered");
        let mistake = Diagnostic::new(Code::EitherOr, field.at, message);
        findings.push(match OF_EACH.contains(&name) {
            true => mistake.help(format!("each of `servers` has its own `{name}`")),
            false => mistake.help("`discover` says where the servers are listed"),
        });
    }
}

/// `discover`.
fn source_of(field: &Field<'_>, findings: &mut Findings) -> Option<Source> {
    let Some(table) = field.node.table() else {
        return field.wrong_type(findings);
    };
    let Some(entry) = table.entries.iter().rfind(|entry| entry.key == "type") else {
        let names: Vec<_> = WORDS.iter().map(|word| word.name).collect();
        findings.push_missing(
            Diagnostic::new(Code::MissingKey, field.span(), "`discover` needs `type`")
                .label("`type` is missing")
                .help(format!("one of: {}", names.join(", "))),
        );
        return None;
    };
    let Some(text) = NodeRef::Node(&entry.node).text() else {
        let message = "the `type` of a source is a word";
        findings.push(
            Diagnostic::new(Code::WrongType, entry.node.span, message)
                .help(super::word::one_of(&WORDS)),
        );
        return None;
    };
    let Some(kind) = discovery::named(text.value) else {
        findings.push(unknown(text.value, entry.node.span, &WORDS));
        return None;
    };
    let fields = field.table(kind.section, findings)?;
    // The test that each key is asked for.
    fields.get("type");
    (kind.decode)(&fields, findings)
}

/// What no list may do.
struct Rules {
    absent: Absent,
    allow_empty: bool,
    settle: Settle,
    max_servers: u32,
    max_removed: Threshold,
    removed_within: Duration,
    weight_steps: WeightSteps,
}

impl Rules {
    fn of(fields: &Fields<'_>, findings: &mut Findings) -> Self {
        let absent = fields.get("absent");
        let absent = absent.and_then(|field| word(&field, ABSENT, findings));
        let allow_empty = fields.get("allow_empty");
        let allow_empty = allow_empty.and_then(|field| field.bool(findings));
        let settle = fields.get("settle");
        let settle = settle.map(|field| settle_of(&field, findings));
        let most: Option<Spanned<u32>> = fields
            .get("max_servers")
            .and_then(|field| field.whole(findings));
        let removed = fields.get("max_removed");
        let removed = removed.and_then(|field| threshold(&field, findings));
        let time = fields.get("removed_within");
        let time = time.and_then(|field| within(&field, SECOND, DAY, findings));
        let steps = fields.get("weight_steps");
        let steps = steps.and_then(|field| weight_steps(&field, None, findings));
        Self {
            absent: match absent {
                Some("while-healthy") => Absent::WhileHealthy,
                Some("remove") => Absent::Remove,
                _ => Absent::Drain,
            },
            allow_empty: allow_empty.is_some_and(|allow| allow.value),
            settle: settle.unwrap_or_default(),
            max_servers: most.map_or(500, |most| most.value),
            max_removed: removed.map_or(Threshold::Part(Share::percent(50)), |most| most.value),
            removed_within: time.map_or(Duration::from_secs(600), |time| time.value),
            weight_steps: steps.unwrap_or_default(),
        }
    }

    fn discovery(self, pool: &str, source: Source) -> Discovery {
        Discovery {
            pool: pool.into(),
            source,
            absent: self.absent,
            allow_empty: self.allow_empty,
            settle: self.settle,
            max_servers: self.max_servers,
            max_removed: self.max_removed,
            removed_within: self.removed_within,
            weight_steps: self.weight_steps,
        }
    }
}

fn settle_of(field: &Field<'_>, findings: &mut Findings) -> Settle {
    let usual = Settle::default();
    let Some(fields) = field.table(&keys::SETTLE, findings) else {
        return usual;
    };
    let mut time = |key| {
        let field = fields.get(key)?;
        within(&field, 0, HOUR, findings)
    };
    let (min, max) = (time("min"), time("max"));
    let least = min.map_or(usual.min, |min| min.value);
    if let Some(max) = max.filter(|max| max.value < least) {
        let message = "the longest time is shorter than the shortest";
        let mistake = Diagnostic::new(Code::OutOfRange, max.span, message);
        findings.push(match min {
            Some(min) => mistake.also(min.span, "the shortest time"),
            None => mistake.help("`min` is 2s by default"),
        });
    }
    Settle {
        min: least,
        max: max.map_or(usual.max.max(least), |max| max.value),
    }
}

/// What each server gets that the list does not say.
struct Template(Vec<Entry<'static>>);

impl Template {
    fn of(pool: &Entry<'_>) -> Self {
        let Value::Table(table) = &pool.node.value else {
            return Self(Vec::new());
        };
        let of_each = table.entries.iter();
        let of_each = of_each.filter(|entry| OF_EACH.contains(&&*entry.key));
        Self(of_each.map(Entry::to_static).collect())
    }

    /// Reports mistakes in it, whether or not there are servers.
    fn check(&self, at: Span, base: Option<&Arc<CheckTable>>, findings: &mut Findings) {
        let address = Entry {
            key: "address".into(),
            key_span: at,
            node: Node {
                span: at,
                value: Value::Text(Text::new("192.0.2.1".into(), "")),
            },
        };
        let item = Node {
            span: at,
            value: Value::Table(Table {
                entries: vec![address],
            }),
        };
        self.decode(vec![self.under(&item)], at, base, findings);
    }

    /// The servers behind a key of a list.
    fn servers(
        &self,
        list: &Node<'_>,
        key: &str,
        base: Option<&Arc<CheckTable>>,
        findings: &mut Findings,
    ) -> ServerList {
        let none = ServerList {
            servers: Vec::new(),
            complete: false,
        };
        let Value::Table(table) = &list.value else {
            return none;
        };
        let Some(entry) = table.entries.iter().find(|entry| entry.key == key) else {
            return none;
        };
        let items = match &entry.node.value {
            Value::Array(items) => items.iter().map(|item| self.under(item)).collect(),
            _ => Vec::new(),
        };
        self.decode(items, entry.node.span, base, findings)
    }

    /// A server of a list, with what it lacks.
    fn under(&self, item: &Node<'_>) -> Node<'static> {
        let mut item = item.to_static();
        if let Value::Table(table) = &mut item.value {
            for entry in &self.0 {
                if !table.entries.iter().any(|own| own.key == entry.key) {
                    table.entries.push(entry.clone());
                }
            }
        }
        item
    }

    fn decode(
        &self,
        items: Vec<Node<'static>>,
        at: Span,
        base: Option<&Arc<CheckTable>>,
        findings: &mut Findings,
    ) -> ServerList {
        let node = Node {
            span: at,
            value: Value::Array(items),
        };
        let field = Field {
            node: NodeRef::Node(&node),
            shape: &SERVERS,
            at,
        };
        ServerList {
            // What the source lists may change at any time.
            complete: false,
            ..servers(&field, base, findings)
        }
    }
}

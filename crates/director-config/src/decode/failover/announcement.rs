//! Addresses that a routing daemon announces.

use std::net::IpAddr;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::super::model::AnnouncedDecl;
use super::super::super::source::Spanned;
use super::super::super::tree::Entry;
use super::super::super::vocabulary::{ANNOUNCE_FOLLOW_BY, ANNOUNCE_NEED, ANNOUNCE_VIA};
use super::super::fields::{Field, Fields};
use super::super::health::damping;
use super::super::name::named;
use super::super::share::share;
use super::super::time::{SECOND, within};
use super::super::word::word;
use super::address::{addresses_alone, interface_name};
use super::reactions::{Named, name};
use crate::state::Share;
use crate::state::failover::{Announced, AnnouncedFollow, AnnouncedVia};
use crate::state::health::{Damping, Threshold};

/// `RT_TABLE_MAIN`, `RT_TABLE_LOCAL`.
const MAIN: u32 = 254;
const LOCAL: u32 = 255;

/// `[announce.NAME]`.
pub(super) fn announced(entry: &Entry<'_>, findings: &mut Findings) -> Option<AnnouncedDecl> {
    let fields = Fields::of(&entry.node, entry.key_span, &keys::ANNOUNCEMENT, findings);
    let name = named(&entry.key, entry.key_span, findings);
    let fields = fields?;
    let interface = fields.get("interface");
    let interface = interface.map(|field| interface_name(&field, findings));
    let addresses: Vec<Spanned<IpAddr>> = addresses_alone(&fields, findings).unwrap_or_default();
    let via = via(&fields, findings);
    let mut services = Named::new();
    let follow = fields.get("follow");
    let follow = follow.map(|field| follow_of(&field, &mut services, findings));
    let damping = match fields.get("damping") {
        Some(field) => damping(&field, None, findings).flatten(),
        None => Some(Damping::default()),
    };
    let linger = fields.get("linger");
    let linger = linger.and_then(|field| within(&field, 0, 60 * SECOND, findings));
    let name = name?;
    let interface = match interface {
        Some(given) => given?,
        None => Announced::DEFAULT_INTERFACE.into(),
    };
    Some(AnnouncedDecl {
        at: name.span,
        services,
        announced: Announced {
            name: name.value.as_str().into(),
            interface,
            addresses: addresses.iter().map(|address| address.value).collect(),
            via,
            follow: follow.flatten().unwrap_or_default(),
            damping,
            linger: linger.map_or(Announced::DEFAULT_LINGER, |linger| linger.value),
        },
        addresses,
    })
}

/// `via`, and what belongs to routes.
fn via(fields: &Fields<'_>, findings: &mut Findings) -> AnnouncedVia {
    let via = fields.get("via");
    let via = via.and_then(|field| word(&field, ANNOUNCE_VIA, findings));
    let mut number = |name: &str| -> Option<Spanned<u32>> { fields.get(name)?.whole(findings) };
    let (table, metric, fallback) = (number("table"), number("metric"), number("fallback_metric"));
    if via != Some("route") {
        for name in ["table", "metric", "fallback_metric"] {
            let Some(field) = fields.get(name) else {
                continue;
            };
            let message = format!("`{name}` is a property of routes");
            findings.push(
                Diagnostic::new(Code::EitherOr, field.at, message)
                    .help("via = \"route\"")
                    .reason("by default the addresses themselves are announced"),
            );
        }
        return AnnouncedVia::Address;
    }
    if let Some(table) = table.filter(|table| table.value == LOCAL) {
        let message = "table 255 is the kernel's own, of the machine's addresses";
        findings.push(
            Diagnostic::new(Code::OutOfRange, table.span, message)
                .help("254, the main table, or one of your own, such as 100"),
        );
    }
    let value = metric.map_or(100, |metric| metric.value);
    if let Some(worse) = fallback.filter(|worse| worse.value <= value) {
        let message = format!(
            "the metric {} is not above {value}, that of a healthy section",
            worse.value
        );
        let mistake = Diagnostic::new(Code::OutOfRange, worse.span, message)
            .reason("routers prefer the route with the lower metric");
        findings.push(match metric {
            Some(metric) => mistake.also(metric.span, "the metric while it is healthy"),
            None => mistake,
        });
    }
    AnnouncedVia::Route {
        table: table.map_or(MAIN, |table| table.value),
        metric: value,
        fallback: fallback.map(|worse| worse.value),
    }
}

/// `follow`.
fn follow_of(
    field: &Field<'_>,
    services: &mut Named,
    findings: &mut Findings,
) -> Option<AnnouncedFollow> {
    let fields = field.table(&keys::ANNOUNCE_FOLLOW, findings)?;
    let by = fields.get("by");
    let by = by.and_then(|field| word(&field, ANNOUNCE_FOLLOW_BY, findings));
    let need = fields.get("need");
    let need = need.and_then(|field| need_of(&field, findings));
    let mut named = Vec::new();
    if let Some(list) = fields.get("services") {
        let items: Vec<_> = list.items(findings).collect();
        if items.is_empty() {
            let message = "`follow` needs a service";
            findings.push(
                Diagnostic::new(Code::MissingKey, list.span(), message)
                    .label("an empty list")
                    .help("without `services`: those that listen on the addresses"),
            );
        }
        named.extend(
            items
                .iter()
                .filter_map(|item| name(item, services, findings)),
        );
    }
    Some(AnnouncedFollow {
        services: named,
        servers: by == Some("servers"),
        need: need.unwrap_or(Threshold::Count(1)),
    })
}

/// A word, a number or a share.
fn need_of(field: &Field<'_>, findings: &mut Findings) -> Option<Threshold> {
    let is_number = field.as_whole().is_some();
    match field.as_text() {
        Some(text) if text.value.ends_with('%') => {
            Some(Threshold::Part(share(field, 1, 100, findings)?))
        }
        Some(_) if !is_number => Some(match word(field, ANNOUNCE_NEED, findings)? {
            "all" => Threshold::Part(Share::percent(100)),
            _ => Threshold::Count(1),
        }),
        _ => Some(Threshold::Count(field.whole(findings)?.value)),
    }
}

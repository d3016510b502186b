//! Real servers: a string, or a table.

use std::collections::HashMap;
use std::sync::Arc;

use ipvs::Weight;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::{
    Addresses, CheckTable, ListedAddresses, OwnChecks, OwnHealth, ServerDecl, ServerList,
    ServerRest,
};
use super::super::source::{Span, Spanned};
use super::address;
use super::fields::{Field, Fields};
use super::health;
use super::name;
use super::tunnel::{forward, tunnel};

/// The servers of a pool or a service; their own checks inherit from `base`.
pub(super) fn servers(
    field: &Field<'_>,
    base: Option<&Arc<CheckTable>>,
    findings: &mut Findings,
) -> ServerList {
    let items = field.items(findings);
    let mut complete = field.is_list();
    let mut servers = Vec::with_capacity(items.len());
    let mut names: HashMap<String, Span> = HashMap::new();
    for item in items {
        let Some(server) = server(&item, base, findings) else {
            complete = false;
            continue;
        };
        if let Some(name) = &server.rest().name {
            if let Some(first) = names.get(&name.value) {
                let message = format!("duplicate server name `{}`", name.value);
                findings.push(
                    Diagnostic::new(Code::DuplicateName, name.span, message)
                        .label("the second one")
                        .also(*first, "the first one")
                        .help(
                            "a machine with several addresses is one server with a list of \
                             addresses",
                        ),
                );
            } else {
                names.insert(name.value.clone(), name.span);
            }
        }
        servers.push(server);
    }
    ServerList { servers, complete }
}

fn server(
    field: &Field<'_>,
    base: Option<&Arc<CheckTable>>,
    findings: &mut Findings,
) -> Option<ServerDecl> {
    if let Some(text) = field.as_text() {
        let (address, port) = address::server(text, field.span(), findings)?;
        return Some(ServerDecl::new(Addresses::Entry(address), port));
    }
    let fields = field.table(&keys::SERVER, findings)?;
    let mut addresses = Vec::new();
    let mut complete = true;
    if let Some(list) = fields.require("address", findings) {
        for item in list.items(findings) {
            let text = item.text(findings);
            let address = text.and_then(|text| address::address(text, item.span(), findings));
            complete &= address.is_some();
            addresses.extend(address);
        }
        if addresses.is_empty() && complete {
            let message = "a server needs an address";
            findings.push(
                Diagnostic::new(Code::MissingKey, list.span(), message).label("an empty list"),
            );
        }
    }
    let name = fields.get("name");
    let name = name.and_then(|field| name::server(&field, &addresses, findings));
    let port = fields.get("port").and_then(|field| field.whole(findings));
    let weight = fields.get("weight");
    let weight = weight.and_then(|field| field.whole::<u32>(findings));
    let (upper, lower) = match fields.get("max_connections") {
        Some(field) => thresholds(&field, findings),
        None => (0, 0),
    };
    let forward = fields
        .get("forward")
        .and_then(|field| forward(&field, findings));
    let tunnel = fields
        .get("tunnel")
        .and_then(|field| tunnel(&field, findings));
    let own = own_health(&fields, base, findings);
    if addresses.is_empty() {
        return None;
    }
    let rest = ServerRest {
        name,
        upper,
        lower,
        forward,
        tunnel,
        own,
    };
    let entry = field.span();
    let addresses = Addresses::Listed(Box::new(ListedAddresses { entry, addresses }));
    let mut server = ServerDecl::new(addresses, port);
    if let Some(weight) = weight.and_then(|weight| Weight::new(weight.value)) {
        server.weight = weight;
    }
    server.rest = rest.says_anything().then(|| Box::new(rest));
    Some(server)
}

fn own_health(
    fields: &Fields<'_>,
    base: Option<&Arc<CheckTable>>,
    findings: &mut Findings,
) -> Option<OwnHealth> {
    let checks = fields.get("check");
    let checks = checks.map(|field| OwnChecks::new(&field, base, findings));
    let initial = fields.get("initial");
    let initial = initial.and_then(|field| health::initial(&field, findings));
    (checks.is_some() || initial.is_some()).then_some(OwnHealth { checks, initial })
}

/// Upper and lower. The kernel rejects a lower threshold above the upper one (`ERANGE`), even if
/// the upper one is 0, which means none.
fn thresholds(field: &Field<'_>, findings: &mut Findings) -> (u32, u32) {
    if !field.is_table() {
        return (
            field
                .whole(findings)
                .map_or(0, |upper: Spanned<u32>| upper.value),
            0,
        );
    }
    let Some(fields) = field.table(&keys::MAX_CONNECTIONS, findings) else {
        return (0, 0);
    };
    let upper = fields.require("upper", findings);
    let upper: Option<Spanned<u32>> = upper.and_then(|field| field.whole(findings));
    let lower: Option<Spanned<u32>> = fields.get("lower").and_then(|field| field.whole(findings));
    let (Some(upper), Some(lower)) = (upper, lower) else {
        return (upper.map_or(0, |upper| upper.value), 0);
    };
    if lower.value > upper.value {
        findings.push(
            Diagnostic::new(
                Code::Thresholds,
                lower.span,
                "the lower threshold is above the upper one",
            )
            .label(format!("more than {}", upper.value))
            .also(upper.span, "the upper threshold")
            .reason(
                "at the upper threshold a server stops getting new connections, below the \
                     lower one it gets them again",
            ),
        );
        return (upper.value, 0);
    }
    (upper.value, lower.value)
}

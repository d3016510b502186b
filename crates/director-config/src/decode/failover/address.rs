//! Virtual addresses and routes.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::super::source::Spanned;
use super::super::super::tree::TextRef;
use super::super::address;
use super::super::fields::{Field, Fields, shown};
use super::super::scheduler::kernel_name;
use crate::state::failover::{Route, VirtualAddress};

/// The virtual addresses of a section, with their places.
pub(super) fn addresses(
    fields: &Fields<'_>,
    findings: &mut Findings,
) -> Option<Vec<Spanned<VirtualAddress>>> {
    let list = fields.require("addresses", findings)?;
    let items = list.items(findings);
    if items.is_empty() {
        let message = format!("{} needs an address", fields.section.name);
        findings.push_missing(
            Diagnostic::new(Code::MissingKey, list.span(), message).label("an empty list"),
        );
    }
    let found: Vec<_> = items
        .filter_map(|item| virtual_address(&item, findings))
        .collect();
    Some(found)
}

/// The same without lengths of prefixes, labels and interfaces.
pub(super) fn addresses_alone(
    fields: &Fields<'_>,
    findings: &mut Findings,
) -> Option<Vec<Spanned<IpAddr>>> {
    let list = fields.require("addresses", findings)?;
    let items = list.items(findings);
    if items.is_empty() {
        let message = format!("{} needs an address", fields.section.name);
        findings.push_missing(
            Diagnostic::new(Code::MissingKey, list.span(), message).label("an empty list"),
        );
    }
    let found = items.filter_map(|item| alone(&item, findings));
    Some(found.collect())
}

/// An address that is announced for itself: with another length it would be a network.
fn alone(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<IpAddr>> {
    let found = unicast(field, findings)?;
    let address = found.value.address;
    let whole = VirtualAddress::whole(address);
    if found.value.prefix != whole {
        let message = format!("`{address}/{}` is a network", found.value.prefix);
        findings.push(
            Diagnostic::new(Code::BadAddress, found.span, message)
                .help(format!(
                    "\"{address}\", which is announced as {address}/{whole}"
                ))
                .reason("a director forwards for single addresses"),
        );
        return None;
    }
    Some(Spanned::new(address, found.span))
}

fn virtual_address(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<VirtualAddress>> {
    if field.as_text().is_some() {
        return unicast(field, findings);
    }
    if !field.is_table() {
        return field.wrong_type(findings);
    }
    let fields = field.table(&keys::VIRTUAL_ADDRESS, findings)?;
    let interface = fields.get("interface");
    let interface = interface.and_then(|field| interface_name(&field, findings));
    let label = fields.get("label");
    let label = label.and_then(|field| Some((field, short_name(&field, findings)?)));
    let advertised = fields.get("advertised");
    let advertised = advertised.and_then(|field| field.bool(findings));
    let address = fields.require("address", findings)?;
    let mut found = unicast(&address, findings)?;
    if let Some((field, label)) = label {
        // `ifa_label` exists in `struct in_ifaddr` only.
        if found.value.address.is_ipv6() {
            let message = "an IPv6 address has no label";
            findings.push(Diagnostic::new(Code::BadAddress, field.at, message));
        }
        found.value.label = Some(label);
    }
    found.value.interface = interface;
    found.value.advertised = advertised.is_none_or(|advertised| advertised.value);
    Some(found)
}

/// An address of a machine, with or without the length of its prefix.
fn unicast(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<VirtualAddress>> {
    let (address, prefix) = prefixed(field, findings)?;
    let problem = match address {
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ => None,
    };
    if let Some(problem) = problem {
        let message = format!("`{address}` is {problem}");
        findings.push(
            Diagnostic::new(Code::BadAddress, field.span(), message)
                .label("cannot move between machines"),
        );
        return None;
    }
    let mut found = VirtualAddress::new(address);
    found.prefix = prefix.unwrap_or(found.prefix);
    Some(Spanned::new(found, field.span()))
}

/// An address, and the length behind its slash.
fn prefixed(field: &Field<'_>, findings: &mut Findings) -> Option<(IpAddr, Option<u8>)> {
    let text = field.text(findings)?;
    let Some((head, length)) = text.value.split_once('/') else {
        let address = address::address(text, field.span(), findings)?;
        return Some((address.value, None));
    };
    let head = TextRef {
        value: head,
        ..text
    };
    let address = address::address(head, field.span(), findings)?.value;
    let most = VirtualAddress::whole(address);
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = length
        .parse()
        .ok()
        .filter(|length| digits && *length <= most);
    if parsed.is_none() {
        let message = format!("`{}` is not the length of a prefix", shown(length));
        findings.push(
            Diagnostic::new(Code::BadAddress, field.span(), message)
                .help(format!("a number from 0 to {most}, as in {address}/{most}")),
        );
    }
    Some((address, Some(parsed?)))
}

/// A list of addresses without prefixes.
pub(super) fn plain(field: &Field<'_>, findings: &mut Findings) -> Vec<Spanned<IpAddr>> {
    let items: Vec<_> = field.items(findings).collect();
    let addresses = items.iter().filter_map(|item| {
        let text = item.text(findings)?;
        address::address(text, item.span(), findings)
    });
    addresses.collect()
}

/// The name of an interface.
pub(super) fn interface_name(field: &Field<'_>, findings: &mut Findings) -> Option<Arc<str>> {
    let name = short_name(field, findings)?;
    // `dev_valid_name`.
    if name.contains('/') || name.contains(':') || matches!(&*name, "." | "..") {
        let message = format!("`{}` cannot be the name of an interface", shown(&name));
        let mistake = Diagnostic::new(Code::BadName, field.span(), message);
        findings.push(match name.split_once(':') {
            Some((device, _)) if !device.is_empty() => mistake.help(format!(
                "`{device}` is the interface, `{name}` a label: \
                 {{ address = \"192.0.2.10\", label = \"{name}\" }}"
            )),
            _ => mistake,
        });
        return None;
    }
    Some(name)
}

/// A name that fits the kernel's sixteen bytes with its NUL.
fn short_name(field: &Field<'_>, findings: &mut Findings) -> Option<Arc<str>> {
    kernel_name(field, findings)?;
    Some(field.text(findings)?.value.into())
}

/// The routes of a section.
pub(super) fn routes(fields: &Fields<'_>, findings: &mut Findings) -> Vec<Route> {
    let Some(list) = fields.get("routes") else {
        return Vec::new();
    };
    let items: Vec<_> = list.items(findings).collect();
    let routes = items.iter().filter_map(|item| route(item, findings));
    routes.collect()
}

fn route(field: &Field<'_>, findings: &mut Findings) -> Option<Route> {
    let fields = field.table(&keys::ROUTE, findings)?;
    let mut address = |name: &str| {
        let field = fields.get(name)?;
        let text = field.text(findings)?;
        address::address(text, field.span(), findings)
    };
    let via = address("via");
    let source = address("source");
    let interface = fields.get("interface");
    let interface = interface.and_then(|field| interface_name(&field, findings));
    let table = fields.get("table");
    let table = table.and_then(|field| field.whole::<u32>(findings));
    let metric = fields.get("metric");
    let metric = metric.and_then(|field| field.whole::<u32>(findings));
    let to = fields.require("to", findings)?;
    let is_default = to.as_text().is_some_and(|text| text.value == "default");
    let other = via.or(source);
    let (address, length) = if is_default {
        // The family follows from the next hop.
        match other.map(|address| address.value) {
            Some(IpAddr::V6(_)) => (IpAddr::from([0; 16]), 0),
            _ => (IpAddr::from([0; 4]), 0),
        }
    } else {
        let (address, length) = prefixed(&to, findings)?;
        (address, length.unwrap_or(VirtualAddress::whole(address)))
    };
    for used in [via, source].into_iter().flatten() {
        if used.value.is_ipv6() != address.is_ipv6() {
            let message = format!("`{}` is of another address family", used.value);
            findings.push(
                Diagnostic::new(Code::BadAddress, used.span, message)
                    .also(to.span(), "than the destination"),
            );
        }
    }
    if via.is_none() && interface.is_none() && fields.get("interface").is_none() {
        let message = "a route needs `via` or `interface`";
        findings.push(Diagnostic::new(Code::MissingKey, field.at, message));
    }
    Some(Route {
        to: (network(address, length), length),
        via: via.map(|via| via.value),
        interface,
        source: source.map(|source| source.value),
        table: table.map_or(MAIN, |table| table.value),
        metric: metric.map_or(0, |metric| metric.value),
    })
}

/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// The address with the bits behind the prefix cleared: the kernel refuses others.
fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32)));
            IpAddr::V4((v4.to_bits() & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128)));
            IpAddr::V6((v6.to_bits() & mask.unwrap_or(0)).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_route_to_a_host_within_a_network_is_one_to_the_network() {
        for (address, length, expected) in [
            ("198.51.100.7", 24, "198.51.100.0"),
            ("198.51.100.7", 32, "198.51.100.7"),
            ("198.51.100.7", 0, "0.0.0.0"),
            ("2001:db8::7", 64, "2001:db8::"),
            ("2001:db8::7", 128, "2001:db8::7"),
            ("2001:db8::7", 0, "::"),
        ] {
            let found = network(address.parse().unwrap(), length);
            assert_eq!(found.to_string(), expected, "{address}/{length}");
        }
    }
}

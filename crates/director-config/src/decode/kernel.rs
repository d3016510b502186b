//! `[kernel]`, `[policy]` and `sync`: allowed in the root file only.

use std::net::IpAddr;

use ipvs::{DaemonRole, SyncDaemon, SyncId};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::super::source::Spanned;
use super::super::tree::{NodeRef, Value};
use super::super::vocabulary::{DRIFT, FOREIGN, ROLES};
use super::address;
use super::fields::{Field, out_of_range, shown};
use super::scheduler::kernel_name;
use super::share::share;
use super::time::seconds;
use super::word::word;
use crate::state::{Drift, Foreign, Policy, Sysctl, SysctlKind};

/// The kernel's timeouts are an `int` of ticks: with 1000 ticks per second, the most of any kernel,
/// this is the maximum (`ip_vs_set_timeout`).
const MOST: u32 = i32::MAX.unsigned_abs() / 1000;

/// `[kernel]`.
pub(super) fn kernel(field: &Field<'_>, into: &mut Declaration, findings: &mut Findings) {
    let Some(fields) = field.table(&keys::KERNEL, findings) else {
        return;
    };
    let timeouts = fields.get("timeouts");
    if let Some(fields) = timeouts.and_then(|field| field.table(&keys::TIMEOUTS, findings)) {
        let mut limit = |name| {
            let field = fields.get(name)?;
            // To the kernel 0 means "unchanged".
            Some(seconds(&field, 1, MOST, findings)?.value)
        };
        into.kernel.tcp_timeout = limit("tcp");
        into.kernel.tcp_fin_timeout = limit("tcp_fin");
        into.kernel.udp_timeout = limit("udp");
    }
    for sysctl in Sysctl::ALL {
        let Some(field) = fields.get(sysctl.name()) else {
            continue;
        };
        into.sysctls_named.push(*sysctl);
        if let Some(value) = spelled(*sysctl, &field, findings) {
            into.kernel.sysctls.insert(*sysctl, value);
        }
    }
}

/// A sysctl's value as the kernel prints it.
fn spelled(sysctl: Sysctl, field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    match sysctl.kind() {
        SysctlKind::Flag => flag(field, findings),
        SysctlKind::Number { .. } => Some(field.whole::<i64>(findings)?.value.to_string()),
        SysctlKind::Pair => pair(field, findings),
        SysctlKind::Text => {
            let text = field.text(findings)?.value.trim();
            if text.contains(char::is_control) {
                let message = format!("`{}` contains control characters", shown(text));
                findings.push(Diagnostic::new(Code::BadName, field.span(), message));
                return None;
            }
            Some(text.to_owned())
        }
    }
}

fn flag(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    if let Some(value) = field.as_bool() {
        return Some(u8::from(value).to_string());
    }
    let Some(number) = field.as_whole() else {
        return field.wrong_type(findings);
    };
    let Ok(number) = i32::try_from(number) else {
        findings.push(out_of_range(field.span(), 0, 1));
        return None;
    };
    if !matches!(number, 0 | 1) {
        // Most switches are plain `int`s in the kernel, which accept other numbers.
        findings.push(
            Diagnostic::new(
                Code::OddSysctl,
                field.span(),
                "a switch is either on or off",
            )
            .label("the kernel takes this as on")
            .help("`true`"),
        );
    }
    Some(number.to_string())
}

/// `proc_do_sync_threshold`: the first number below the second, or a second of 0.
fn pair(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let Some(mut items) = field.node.list() else {
        return field.wrong_type(findings);
    };
    let [first, second, third] = [items.next(), items.next(), items.next()];
    let [first, second] = [first, second].map(|item| item.and_then(NodeRef::value));
    let (Some(&Value::Integer(first)), Some(&Value::Integer(second)), None) =
        (first, second, third)
    else {
        return field.wrong_type(findings);
    };
    let fits = |number: i64| (0..=keys::INT_MAX).contains(&number);
    if !fits(first) || !fits(second) {
        findings.push(out_of_range(field.span(), 0, keys::INT_MAX));
        return None;
    }
    if first >= second && second != 0 {
        let message = "the first number must be below the second";
        findings.push(
            Diagnostic::new(Code::OutOfRange, field.span(), message)
                .help("[3, 50]: after 3 packets, and again every 50"),
        );
        return None;
    }
    Some(format!("{first} {second}"))
}

/// `[policy]`.
pub(super) fn policy(field: &Field<'_>, findings: &mut Findings) -> Policy {
    let mut policy = Policy::default();
    let Some(fields) = field.table(&keys::POLICY, findings) else {
        return policy;
    };
    let foreign = fields.get("foreign");
    if foreign.and_then(|field| word(&field, FOREIGN, findings)) == Some("remove") {
        policy.foreign = Foreign::Remove;
    }
    let drift = fields.get("drift");
    if drift.and_then(|field| word(&field, DRIFT, findings)) == Some("report") {
        policy.drift = Drift::Report;
    }
    if let Some(field) = fields.get("max_removed") {
        policy.max_removed = share(&field, 0, 100, findings).unwrap_or(policy.max_removed);
    }
    if let Some(field) = fields.get("max_removed_services") {
        policy.max_removed_services =
            share(&field, 0, 100, findings).unwrap_or(policy.max_removed_services);
    }
    policy
}

/// `sync`.
pub(super) fn daemons(field: &Field<'_>, findings: &mut Findings) -> Vec<Spanned<SyncDaemon>> {
    let mut daemons: Vec<Spanned<SyncDaemon>> = Vec::new();
    for item in field.items(findings) {
        let Some(daemon) = daemon(&item, findings) else {
            continue;
        };
        let same = |other: &&Spanned<SyncDaemon>| other.value.role == daemon.value.role;
        if let Some(first) = daemons.iter().find(same) {
            let message = format!("duplicate sync daemon: {}", daemon.value.role);
            findings.push(
                Diagnostic::new(Code::DuplicateDaemon, daemon.span, message)
                    .label("the second one")
                    .also(first.span, "the first one")
                    .reason("a namespace has at most one daemon of each role"),
            );
            continue;
        }
        daemons.push(daemon);
    }
    daemons
}

fn daemon(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<SyncDaemon>> {
    let fields = field.table(&keys::SYNC, findings)?;
    let role = fields.require("role", findings);
    let role =
        role.and_then(|field| Some(Spanned::new(word(&field, ROLES, findings)?, field.span())));
    let interface = fields.require("interface", findings);
    let interface = interface.and_then(|field| kernel_name(&field, findings));
    let id = fields.get("id").and_then(|field| field.whole(findings));
    let max_length = fields
        .get("max_length")
        .and_then(|field| field.whole(findings));
    let group = fields
        .get("group")
        .and_then(|field| group(&field, findings));
    let port = fields.get("port").and_then(|field| field.whole(findings));
    let ttl = fields.get("ttl").and_then(|field| field.whole(findings));
    let role = role?;
    let (kind, least) = match role.value {
        "master" => (DaemonRole::Master, 0),
        // `start_sync_thread` raises a backup's length to this.
        _ => (DaemonRole::Backup, 1024),
    };
    if let Some(length) = max_length
        && (1..least).contains(&length.value)
    {
        let message = format!("a backup needs messages of at least {least} bytes");
        findings.push(
            Diagnostic::new(Code::OutOfRange, length.span, message)
                .label("the kernel would use more"),
        );
    }
    let daemon = SyncDaemon {
        role: kind,
        interface: interface?.value,
        sync_id: SyncId(id.map_or(0, |id| id.value)),
        max_length: max_length.map_or(0, |length| length.value),
        group,
        port: port.map_or(0, |port| port.value),
        ttl: ttl.map_or(0, |ttl| ttl.value),
    };
    Some(Spanned::new(canonical(daemon), role.span))
}

/// A daemon with the kernel's defaults left open, so that explicit and omitted defaults are equal.
pub(in super::super) fn canonical(mut daemon: SyncDaemon) -> SyncDaemon {
    if daemon.group == Some(SyncDaemon::DEFAULT_GROUP.into()) {
        daemon.group = None;
    }
    if daemon.port == SyncDaemon::DEFAULT_PORT {
        daemon.port = 0;
    }
    if daemon.ttl == SyncDaemon::DEFAULT_TTL {
        daemon.ttl = 0;
    }
    daemon
}

fn group(field: &Field<'_>, findings: &mut Findings) -> Option<IpAddr> {
    let text = field.text(findings)?;
    let group = address::address(text, field.span(), findings)?;
    if !group.value.is_multicast() {
        let message = format!("`{}` is not a multicast address", group.value);
        findings.push(
            Diagnostic::new(Code::SyncGroup, group.span, message)
                .help("the usual group is 224.0.0.81"),
        );
        return None;
    }
    Some(group.value)
}

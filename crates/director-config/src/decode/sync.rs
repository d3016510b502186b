//! `sync`: allowed in the root file only.

use std::net::IpAddr;

use ipvs::{DaemonRole, Name, SyncDaemon, SyncId};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::super::source::{Span, Spanned};
use super::super::vocabulary::ROLES;
use super::address;
use super::fields::{Field, Fields};
use super::scheduler::kernel_name;
use super::word::word;
use crate::state::{Sysctl, relay};

/// `sync`; and for directors with both roles the sysctls that suit them, unless the file sets them.
/// Reads them after `[kernel]`.
pub(super) fn sync(field: &Field<'_>, into: &mut Declaration, findings: &mut Findings) {
    let (daemons, both) = daemons(field, findings);
    let is_relay = relay::runs(daemons.iter().map(|one| &one.value));
    into.daemons = Some(daemons);
    if let Some(span) = both {
        suit_both(span, into, findings);
        if is_relay {
            suit_relay(span, into, findings);
        }
    }
}

/// What suits directors that take over from each other (`ip_vs_sync_conn_needed`):
///
/// - `sync_refresh_period`, and `sync_threshold` without a period: a connection is sent with its
///   first packet after the handshake, and again after ten seconds at the earliest. By the kernel's
///   own `[3, 50]` a client that waits for its server's first word is never sent, and one that says
///   little is not sent again before the other director has forgotten it.
/// - `sync_retries`: it is sent twice, because multicasts get lost.
/// - `sloppy_tcp`, `sloppy_sctp`: a connection that the other director does not know is scheduled
///   instead of refused; with `mh` it reaches the same server.
/// - `sync_persist_mode`: connections are sent as well, not only templates.
const FOR_BOTH: [(Sysctl, &str); 6] = [
    (Sysctl::SloppySctp, "1"),
    (Sysctl::SloppyTcp, "1"),
    (Sysctl::SyncPersistMode, "0"),
    (Sysctl::SyncRefreshPeriod, "10"),
    (Sysctl::SyncRetries, "1"),
    (Sysctl::SyncThreshold, "3 0"),
];

fn suit_both(span: Span, into: &mut Declaration, findings: &mut Findings) {
    // `ip_vs_in_hook` does not schedule while there is a backup daemon, and there always is.
    let backup_only = into.kernel.sysctls.get(&Sysctl::BackupOnly);
    if backup_only.is_some_and(|value| value != "0") {
        let message = "with `backup_only`, a director with both sync daemons forwards nothing";
        findings.push(
            Diagnostic::new(Code::SyncBackupOnly, span, message)
                .help("[kernel] backup_only = false"),
        );
    }
    for (sysctl, value) in FOR_BOTH {
        if !into.sysctls_named.contains(&sysctl) {
            into.kernel.sysctls.insert(sysctl, value.to_owned());
        }
    }
}

/// What director can read: one master daemon on one port, and messages of version 1.
const FOR_RELAY: [(Sysctl, &str); 2] = [(Sysctl::SyncPorts, "1"), (Sysctl::SyncVersion, "1")];

fn suit_relay(span: Span, into: &mut Declaration, findings: &mut Findings) {
    into.relay = Some(span);
    for (sysctl, value) in FOR_RELAY {
        let set = into.kernel.sysctls.entry(sysctl);
        let set = set.or_insert_with(|| value.to_owned());
        if set != value {
            let message = format!("`relay` cannot work with `{} = {set}`", sysctl.name());
            findings.push(
                Diagnostic::new(Code::SyncRelay, span, message)
                    .help(format!("[kernel] {} = {value}", sysctl.name())),
            );
        }
    }
}

/// The daemons, and where both roles are asked for in one word.
fn daemons(field: &Field<'_>, findings: &mut Findings) -> (Vec<Spanned<SyncDaemon>>, Option<Span>) {
    if field.as_text().is_some() {
        let interface = kernel_name(field, findings);
        let found = interface.into_iter().flat_map(|interface| {
            let daemon = SyncDaemon::new(DaemonRole::Master, interface.value, SyncId(0));
            both(daemon).map(|daemon| Spanned::new(daemon, field.span()))
        });
        return (found.collect(), Some(field.span()));
    }
    let mut daemons: Vec<Spanned<SyncDaemon>> = Vec::new();
    let mut wants_both = None;
    for item in field.items(findings) {
        let found = daemon(&item, findings);
        if found.len() > 1 {
            wants_both = Some(item.span());
        }
        for daemon in found {
            let same = |other: &&Spanned<SyncDaemon>| other.value.role == daemon.value.role;
            if let Some(first) = daemons.iter().find(same) {
                let message = format!("duplicate sync daemon: {}", daemon.value.role);
                findings.push(
                    Diagnostic::new(Code::DuplicateDaemon, daemon.span, message)
                        .label("the second one")
                        .also(first.span, "the first one")
                        .reason("a namespace has at most one daemon of each role"),
                );
            } else {
                daemons.push(daemon);
            }
        }
    }
    (daemons, wants_both)
}

/// A daemon of each role with the same settings.
fn both(daemon: SyncDaemon) -> [SyncDaemon; 2] {
    [DaemonRole::Master, DaemonRole::Backup].map(|role| SyncDaemon { role, ..daemon })
}

fn daemon(field: &Field<'_>, findings: &mut Findings) -> Vec<Spanned<SyncDaemon>> {
    let Some(fields) = field.table(&keys::SYNC, findings) else {
        return Vec::new();
    };
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
    let (Some(role), Some(interface)) = (role, interface) else {
        return Vec::new();
    };
    if role.value == "relay" {
        suits_relay(&fields, &interface, findings);
        let id = SyncId(id.map_or(0, |id| id.value));
        return relay::daemons(id)
            .map(|daemon| Spanned::new(daemon, role.span))
            .to_vec();
    }
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
        interface: interface.value,
        sync_id: SyncId(id.map_or(0, |id| id.value)),
        max_length: max_length.map_or(0, |length| length.value),
        group,
        port: port.map_or(0, |port| port.value),
        ttl: ttl.map_or(0, |ttl| ttl.value),
    };
    let daemon = canonical(daemon);
    let found = match role.value {
        "both" => both(daemon).to_vec(),
        _ => vec![daemon],
    };
    let place = |daemon| Spanned::new(daemon, role.span);
    found.into_iter().map(place).collect()
}

/// The relay's daemons are as they are, but for their id.
fn suits_relay(fields: &Fields<'_>, interface: &Spanned<Name>, findings: &mut Findings) {
    let others = ["max_length", "group", "port", "ttl"];
    let others = others.iter().filter_map(|key| fields.get(key));
    let is_other = interface.value != relay::INTERFACE;
    let misfits = others.map(|field| field.span());
    for span in misfits.chain(is_other.then_some(interface.span)) {
        findings.push(
            Diagnostic::new(Code::SyncRelay, span, "`relay` does not multicast").help(
                "`sync = { role = \"relay\", interface = \"lo\" }`, without other keys than `id`",
            ),
        );
    }
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

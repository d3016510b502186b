//! Failover sections, addresses, and the values of single machines.

mod address;
mod announcement;
mod machine;
mod peer;
mod reactions;
mod router;

use std::time::Duration;

use vrrp::codec::ChecksumForm;
use vrrp::machine::{Preempt, SendForm};
use vrrp::{Auth, Interval, Password, Priority, Version};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::{FailoverDecl, HeldDecl};
use super::super::source::Spanned;
use super::super::tree::Entry;
use super::super::vocabulary::{CHECKSUMS, PREEMPT_WHEN};
use super::fields::{Fields, shown};
use super::name::named;
use super::time::{HOUR, SECOND, time, within, write};
use super::word::word;
use crate::state::failover::{Failover, Held, OnDeath, TrackEffect};
use router::{Common, Routers, routers};

pub(super) use machine::AddressSections;

/// `[failover.NAME]`.
fn failover(entry: &Entry<'_>, findings: &mut Findings) -> Option<FailoverDecl> {
    let fields = Fields::of(&entry.node, entry.key_span, &keys::FAILOVER, findings);
    let name = named(&entry.key, entry.key_span, findings);
    let fields = fields?;
    let common = common(&fields, findings);
    let mut found = Routers::default();
    routers(&fields, &common, &mut found, findings);
    if let Some(list) = fields.get("members") {
        let items: Vec<_> = list.items(findings).collect();
        for item in items {
            if let Some(fields) = item.table(&keys::MEMBER, findings) {
                routers(&fields, &common, &mut found, findings);
            }
        }
    }
    let priority = fields.get("priority");
    let priority = priority.and_then(|field| field.whole::<u8>(findings));
    let (preempt, synced) = preempt(&fields, findings);
    let mut services = Vec::new();
    let follow = reactions::follow(&fields, &mut services, findings);
    let track = reactions::track(&fields, &mut services, findings);
    let floor = fields.get("floor");
    let floor = floor.and_then(|field| field.whole::<u8>(findings));
    let mut bounded = |name, most| within(&fields.get(name)?, 0, most, findings);
    let startup = bounded("startup", HOUR);
    let linger = bounded("linger", 60 * SECOND);
    let on_death = reactions::on_death(&fields, OnDeath::Release, findings);
    let announce = reactions::announce(&fields, findings);
    let accept = fields.get("accept").and_then(|value| value.bool(findings));
    let notify = reactions::notify(&fields, findings);
    let accept_at = accept.as_ref().map(|accept| accept.span);
    let name = name?;
    let failover = Failover {
        name: name.value.as_str().into(),
        priority: priority.map_or(Priority::DEFAULT, |priority| Priority(priority.value)),
        preempt,
        synced,
        routers: found.routers,
        follow,
        track,
        floor: floor.map_or(1, |floor| floor.value),
        on_death,
        accept: accept.is_none_or(|accept| accept.value),
        startup: startup.map_or(Failover::DEFAULT_STARTUP, |time| time.value),
        linger: linger.map_or(Failover::DEFAULT_LINGER, |time| time.value),
        announce,
        notify,
    };
    check_priority(&fields, &failover, floor, findings);
    Some(FailoverDecl {
        failover,
        at: name.span,
        ids: found.ids,
        addresses: found.addresses,
        services,
        accept: accept_at,
    })
}

/// `[address.NAME]`.
fn held(entry: &Entry<'_>, findings: &mut Findings) -> Option<HeldDecl> {
    let fields = Fields::of(&entry.node, entry.key_span, &keys::ADDRESS, findings);
    let name = named(&entry.key, entry.key_span, findings);
    let fields = fields?;
    let interface = fields.require("interface", findings);
    let interface = interface.and_then(|field| address::interface_name(&field, findings));
    let addresses = address::addresses(&fields, findings).unwrap_or_default();
    let routes = address::routes(&fields, findings);
    let on_death = reactions::on_death(&fields, OnDeath::Keep, findings);
    let announce = reactions::announce(&fields, findings);
    let name = name?;
    Some(HeldDecl {
        at: name.span,
        addresses: addresses
            .iter()
            .map(|held| Spanned::new(held.value.address, held.span))
            .collect(),
        held: Held {
            name: name.value.as_str().into(),
            interface: interface?,
            addresses: addresses.into_iter().map(|held| held.value).collect(),
            routes,
            on_death,
            announce,
        },
    })
}

/// What all routers of the section have in common.
fn common(fields: &Fields<'_>, findings: &mut Findings) -> Common {
    let number = fields.get("version");
    let number = number.and_then(|field| field.whole::<u8>(findings));
    let version = match number.map(|number| number.value) {
        Some(2) => Version::V2,
        _ => Version::V3,
    };
    let checksum = fields.get("checksum").and_then(|field| {
        let checksum = match word(&field, CHECKSUMS, findings)? {
            "pseudo-header" => SendForm::Always(ChecksumForm::PseudoHeader),
            "rfc" => SendForm::Always(ChecksumForm::Message),
            _ => SendForm::default(),
        };
        if version == Version::V2 {
            let message = "VRRP version 2 has one checksum";
            findings.push(Diagnostic::new(Code::FailoverVersion, field.at, message));
        }
        Some(checksum)
    });
    let hop_limit = fields.get("hop_limit");
    let hop_limit = hop_limit.and_then(|field| field.whole(findings));
    if let (Some(limit), None) = (hop_limit, fields.get("peers"))
        && limit.value < 255
    {
        let message = "adverts by multicast come from the link, with 255";
        findings.push(
            Diagnostic::new(Code::FailoverPeer, limit.span, message)
                .help("`peers`, for unicast beyond routers"),
        );
    }
    let virtual_mac = fields.get("virtual_mac");
    let virtual_mac = virtual_mac.and_then(|field| field.bool(findings));
    Common {
        virtual_mac: virtual_mac.is_some_and(|virtual_mac| virtual_mac.value),
        version,
        interval: interval(fields, version, findings),
        auth: auth(fields, version, findings),
        checksum: checksum.unwrap_or_default(),
        least_hop_limit: hop_limit.map_or(255, |limit| limit.value),
    }
}

fn interval(fields: &Fields<'_>, version: Version, findings: &mut Findings) -> Interval {
    let Some(field) = fields.get("interval") else {
        return Interval::SECOND;
    };
    let Some(found) = time(&field, findings) else {
        return Interval::SECOND;
    };
    let milliseconds = found.value.as_millis();
    let whole = milliseconds.is_multiple_of(10).then_some(milliseconds / 10);
    let interval = whole
        .and_then(|centiseconds| u16::try_from(centiseconds).ok())
        .and_then(Interval::from_centiseconds)
        .filter(|interval| interval.fits(version));
    interval.unwrap_or_else(|| {
        let message = format!("{version} has no interval of {}", write(found.value));
        let range = match version {
            Version::V2 => "whole seconds from 1s to 255s",
            Version::V3 => "10ms to 40950ms, in steps of 10ms",
        };
        findings.push(Diagnostic::new(Code::FailoverVersion, found.span, message).help(range));
        Interval::SECOND
    })
}

fn auth(fields: &Fields<'_>, version: Version, findings: &mut Findings) -> Auth {
    let Some(field) = fields.get("password") else {
        return Auth::None;
    };
    let Some(text) = field.text(findings) else {
        return Auth::None;
    };
    if version == Version::V3 {
        let message = "VRRP version 3 has no password";
        findings.push(
            Diagnostic::new(Code::FailoverVersion, field.at, message)
                .help("version = 2, if the other directors use it")
                .reason("RFC 9568 has no authentication; a packet filter keeps others out"),
        );
        return Auth::None;
    }
    if text.value.len() > 8 {
        // keepalived cuts it off and says so; a reader of the file would believe in all of it.
        let message = format!(
            "a password of {} bytes; VRRP has room for 8",
            text.value.len()
        );
        findings.push(
            Diagnostic::new(Code::OutOfRange, field.span(), message)
                .reason("keepalived uses the first 8"),
        );
        return Auth::None;
    }
    match Password::new(text.value) {
        Some(password) => Auth::Password(password),
        None => {
            let message = "an empty password";
            findings.push(Diagnostic::new(Code::OutOfRange, field.span(), message));
            Auth::None
        }
    }
}

/// `preempt`; and whether it waits until this director is synchronised, at most for how long.
fn preempt(fields: &Fields<'_>, findings: &mut Findings) -> (Preempt, Option<Duration>) {
    let default = (Preempt::default(), None);
    let Some(field) = fields.get("preempt") else {
        return default;
    };
    match field.as_bool() {
        Some(true) => return default,
        Some(false) => return (Preempt::Never, None),
        None if !field.is_table() => {
            let _: Option<()> = field.wrong_type(findings);
            return default;
        }
        None => {}
    }
    let Some(fields) = field.table(&keys::PREEMPT, findings) else {
        return default;
    };
    let (after, when) = (fields.get("after"), fields.get("when"));
    let deadline = fields.get("deadline");
    if let (Some(after), Some(when)) = (after, when) {
        let message = "`after` and `when` are two ways to wait";
        findings.push(
            Diagnostic::new(Code::EitherOr, when.at, message)
                .also(after.at, "the other one")
                .help("deadline = \"1m\" limits the wait of `when`"),
        );
    }
    if let (Some(deadline), None) = (deadline, when) {
        let message = "`deadline` limits the wait of `when`";
        findings
            .push(Diagnostic::new(Code::EitherOr, deadline.at, message).help("when = \"synced\""));
    }
    let limit = deadline
        .and_then(|field| within(&field, SECOND, peer::LONGEST_DEADLINE, findings))
        .map_or(peer::DEFAULT_DEADLINE, |deadline| deadline.value);
    if let Some(when) = when {
        let known = word(&when, PREEMPT_WHEN, findings);
        return (Preempt::Never, known.map(|_| limit));
    }
    if after.is_none() && deadline.is_none() {
        let message = "`preempt` needs `after` or `when`";
        findings.push(Diagnostic::new(Code::MissingKey, field.at, message));
    }
    let after = after.and_then(|field| within(&field, 0, HOUR, findings));
    let after = after.map_or(Duration::ZERO, |after| after.value);
    (Preempt::After(after), None)
}

/// What lowers the priority, and the priority.
fn check_priority(
    fields: &Fields<'_>,
    failover: &Failover,
    floor: Option<Spanned<u8>>,
    findings: &mut Findings,
) {
    let priority = failover.priority;
    if failover.is_owner() {
        for name in ["follow", "floor"] {
            let Some(field) = fields.get(name) else {
                continue;
            };
            let message = "the owner's priority is always 255";
            findings.push(
                Diagnostic::new(Code::OwnerPriority, field.at, message).help(
                    "a priority of at most 254, on a machine that does not own the addresses",
                ),
            );
        }
        let lowers = |track: &crate::state::failover::Track| track.effect != TrackEffect::Fault;
        if let (Some(track), true) = (fields.get("track"), failover.track.iter().any(lowers)) {
            let message = "the owner's priority is always 255, so no `step` lowers it";
            findings.push(
                Diagnostic::new(Code::OwnerPriority, track.at, message)
                    .help("without `step` the failure is a fault"),
            );
        }
        return;
    }
    if let Some(floor) = floor
        && floor.value > priority.0
    {
        let message = format!("the floor {} is above the priority {priority}", floor.value);
        findings.push(Diagnostic::new(Code::OutOfRange, floor.span, message));
        return;
    }
    let most = failover.most_lowered();
    let room = u32::from(priority.0.saturating_sub(failover.floor));
    if most > room {
        let at = fields.get("follow").or_else(|| fields.get("track"));
        let at = at.map_or(fields.at, |field| field.at);
        let message = format!(
            "together the steps take off {most}, and priority {priority} has room for {room}"
        );
        findings.push(
            Diagnostic::new(Code::FailoverSteps, at, message)
                .label(format!("at worst the priority is {}", failover.floor))
                .reason(
                    "directors that are all at their floor are equal, and the better one of them \
                     is not preferred",
                )
                .help("smaller steps, or a higher priority"),
        );
    }
}

/// A name of a section for a message.
fn section(kind: &str, name: &str) -> String {
    format!("[{kind}.{}]", shown(name))
}

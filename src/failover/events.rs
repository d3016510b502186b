//! What a section says to people: its status, and events.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vrrp::Priority;
use vrrp::machine::{Change, Machine, Notice, Phase, Reason, State};

use super::message::Report;
use super::router::{Router, Way};
use crate::control::event::EventKind;
use crate::control::failover::{
    FailoverCounters, FailoverHold, FailoverPeer, FailoverRole, FailoverStatus, VirtualMac,
    VirtualRouterStatus,
};
use crate::state::BootTime;
use crate::state::failover::FailoverOn;

/// What was shown last.
#[derive(Debug)]
pub(super) struct Shown {
    since: Duration,
    why: Arc<str>,
    last: Option<Last>,
    foreign: Vec<IpAddr>,
}

/// What makes the status another one.
#[derive(Debug, Clone, PartialEq)]
struct Last {
    role: FailoverRole,
    since: Duration,
    priority: Priority,
    declared: Priority,
    hold: Option<FailoverHold>,
    peer: Option<FailoverPeer>,
    routers: Arc<[VirtualRouterStatus]>,
}

impl Shown {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            since: now,
            why: Arc::from("waits for its interface"),
            last: None,
            foreign: Vec::new(),
        }
    }

    /// Addresses that belong to others; `true` if they are not the ones of last time.
    pub(super) fn foreign(&mut self, found: &[IpAddr]) -> bool {
        let is_new = self.foreign != found;
        self.foreign = found.to_vec();
        is_new
    }
}

fn role(machine: &Machine) -> FailoverRole {
    match machine.phase() {
        Phase::Stopped => FailoverRole::Stopped,
        Phase::Starting { .. } => FailoverRole::Starting,
        Phase::Fault => FailoverRole::Fault,
        Phase::Backup => FailoverRole::Backup,
        Phase::Active => FailoverRole::Active,
        Phase::Yielding { .. } | Phase::Lingering { .. } => FailoverRole::HandingOver,
    }
}

/// Reports the status if it changed.
pub(super) fn show(router: &mut Router, way: &Way<'_>) {
    let machine = router.machine();
    let hold = if machine.is_yielded() {
        Some(FailoverHold::Yielded)
    } else {
        machine.is_claimed().then_some(FailoverHold::Claimed)
    };
    let members = 0..router.section.routers.len();
    let peer = members.clone().find_map(|member| machine.peer(member));
    let peer = peer.map(|peer| FailoverPeer {
        address: peer.source,
        priority: peer.priority.0,
        addresses: peer.addresses,
    });
    let (role, priority) = (role(machine), machine.priority());
    let declared = router.section.priority;
    let since = router.shown().since;
    // The common case, an advert like the one before, allocates nothing.
    let is_same = router.shown().last.as_ref().is_some_and(|last| {
        (last.role, last.priority, last.declared, last.hold) == (role, priority, declared, hold)
            && (last.peer, last.since) == (peer, since)
    });
    if is_same && !router.take_touched() {
        return;
    }
    let routers: Arc<[VirtualRouterStatus]> = members
        .map(|member| member_status(router, member))
        .collect();
    let last = Last {
        role,
        since,
        priority,
        declared,
        hold,
        peer,
        routers: Arc::clone(&routers),
    };
    if router.shown().last.as_ref() == Some(&last) {
        return;
    }
    let why = Arc::clone(&router.shown().why);
    router.shown().last = Some(last);
    (way.tell)(Report::Status(Box::new(FailoverStatus {
        name: Arc::clone(&router.section.name),
        role,
        since: BootTime(since),
        why,
        declared_priority: declared.0,
        priority: priority.0,
        hold,
        // The core knows.
        set: None,
        peer,
        routers,
        counters: Arc::clone(&router.counters),
    })));
}

fn member_status(router: &Router, member: usize) -> VirtualRouterStatus {
    let (source, fault) = router.place(member);
    let declared = &router.section.routers[member];
    let interval = declared.interval.duration().as_millis();
    VirtualRouterStatus {
        id: declared.id.get(),
        version: declared.version.number(),
        interface: declared.interface.to_string(),
        source,
        interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
        addresses: declared.addresses.iter().map(|held| held.address).collect(),
        virtual_mac: declared.virtual_interface().map(|interface| VirtualMac {
            address: declared.mac_text(),
            interface: interface.to_string(),
        }),
        fault: fault.map(|fault| fault.to_string()),
    }
}

/// The state has changed.
pub(super) fn changed(router: &mut Router, change: &Change, error: Option<&str>, way: &Way<'_>) {
    let why = reason(router, change, error);
    let shown = router.shown();
    (shown.since, shown.why) = (way.now, Arc::from(why.as_str()));
    let (kind, on) = match (change.to, role(router.machine())) {
        (State::Active, _) => (EventKind::FailoverActive, FailoverOn::Active),
        (State::Backup, _) => (EventKind::FailoverBackup, FailoverOn::Backup),
        (State::Initialize, FailoverRole::Fault) => (EventKind::FailoverFault, FailoverOn::Fault),
        (State::Initialize, _) => (EventKind::FailoverStopped, FailoverOn::Stopped),
    };
    let text = match (change.to, kind) {
        (State::Active | State::Backup, _) => format!("{}: {why}", change.to),
        (State::Initialize, EventKind::FailoverFault) => format!("in fault: {why}"),
        (State::Initialize, _) => why,
    };
    event(router, kind, text, Some(on), way);
}

/// A fault in the words of the interface or the kernel.
fn reason(router: &Router, change: &Change, error: Option<&str>) -> String {
    match (change.reason, error) {
        (Reason::Fault { member }, _) => match router.place(member).1 {
            Some(fault) => fault.to_string(),
            None => change.reason.to_string(),
        },
        (Reason::Started, _) if change.to == State::Initialize => {
            let members = 0..router.section.routers.len();
            let fault = members.filter_map(|member| router.place(member).1).next();
            fault.map_or_else(|| change.reason.to_string(), |fault| fault.to_string())
        }
        (Reason::CannotSend { .. }, Some(error)) => error.to_owned(),
        (reason, _) => reason.to_string(),
    }
}

/// Something worth knowing.
pub(super) fn notice(router: &Router, notice: &Notice, way: &Way<'_>) {
    let (kind, on) = match notice {
        Notice::Conflict { .. } | Notice::SecondOwner { .. } | Notice::NotHeard { .. } => {
            (EventKind::FailoverConflict, Some(FailoverOn::Conflict))
        }
        Notice::MemberSilent { .. } => (EventKind::FailoverConflict, None),
        Notice::ConflictOver { .. } | Notice::AddressesAgree { .. } => {
            (EventKind::FailoverAgrees, None)
        }
        Notice::Stalled { .. } => (EventKind::FailoverLate, None),
        Notice::TakenOver { .. }
        | Notice::HandoverFailed
        | Notice::ClaimRefused
        | Notice::HoldOver => (EventKind::FailoverHold, None),
        _ => (EventKind::FailoverPeer, None),
    };
    event(router, kind, text(router, notice), on, way);
}

/// The notice, with the names of the file for the numbers of members.
fn text(router: &Router, notice: &Notice) -> String {
    let said = notice.to_string();
    let Some((number, rest)) = said
        .strip_prefix("member ")
        .and_then(|rest| rest.split_once(": "))
    else {
        return said;
    };
    let member = number.parse().ok();
    let member = member.and_then(|member: usize| router.section.routers.get(member));
    match member {
        Some(router) => format!("id {} on {}: {rest}", router.id, router.interface),
        None => said,
    }
}

pub(super) fn event(
    router: &Router,
    kind: EventKind,
    text: String,
    on: Option<FailoverOn>,
    way: &Way<'_>,
) {
    (way.tell)(Report::Event {
        section: Arc::clone(&router.section.name),
        kind,
        text,
        on,
    });
}

/// Copies the machine's counters to where others read them.
pub(super) fn count(machine: &Machine, members: usize, to: &FailoverCounters) {
    let all = || (0..members).filter_map(|member| machine.counters(member));
    let set = |counter: &AtomicU64, value: u64| counter.store(value, Ordering::Relaxed);
    set(&to.sent, all().map(|one| one.sent).sum());
    set(&to.send_failures, all().map(|one| one.send_failures).sum());
    set(
        &to.received,
        all().map(vrrp::machine::Counters::received).sum(),
    );
    let discarded = all().map(|one| one.discarded().iter().sum::<u64>());
    set(&to.discarded, discarded.sum());
    set(&to.peer_late, all().map(|one| one.peer_late).sum());
    let totals = machine.totals();
    set(&to.late, totals.late);
    let latest = u64::try_from(totals.latest.as_micros()).unwrap_or(u64::MAX);
    set(&to.latest_us, latest);
    set(&to.became_active, totals.became_active);
    set(&to.conflicts, totals.conflicts);
    set(&to.stalls, totals.stalls);
}

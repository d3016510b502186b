//! The health settings of a service besides its checks, over the inherited ones.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::{CheckTable, HealthDecl, ServerList};
use super::super::source::Spanned;
use super::super::vocabulary::{COMBINE, INITIAL, NOTIFY_ON, ON_FAIL};
use super::check;
use super::command::command;
use super::fields::{Field, Fields};
use super::server::servers;
use super::share::{share, threshold};
use super::time::{DAY, HOUR, SECOND, within};
use super::word::word;
use crate::state::health::{Combine, Damping, Initial, Notify, NotifyOn, OnFail, WeightSteps};

/// `[defaults]`.
pub(super) fn defaults(fields: &Fields<'_>, findings: &mut Findings) -> HealthDecl {
    let before = findings.mistakes;
    let checks = fields.get("check");
    let checks = checks.map(|field| check::defaults(&field, findings));
    let checks = checks.unwrap_or_default();
    let below = HealthDecl {
        checks: checks.checks,
        base: checks.base,
        misread: findings.mistakes > before,
        ..HealthDecl::default()
    };
    overlaid(&below, fields, findings)
}

/// A service.
pub(super) fn service(
    below: &HealthDecl,
    fields: &Fields<'_>,
    findings: &mut Findings,
) -> HealthDecl {
    let mut health = overlaid(below, fields, findings);
    if let Some(field) = fields.get("check") {
        let before = findings.mistakes;
        let checks = check::decoded(&field, below.base.as_deref(), findings);
        health.checks = checks.map(Arc::new);
        health.misread = findings.mistakes > before;
    }
    health.says_min_healthy = fields.get("min_healthy").is_some();
    health.says_quorum = fields.get("quorum").is_some() || fields.get("hysteresis").is_some();
    health.says_backup_below = fields.get("backup_below").is_some();
    health
}

/// All but `check`.
fn overlaid(below: &HealthDecl, fields: &Fields<'_>, findings: &mut Findings) -> HealthDecl {
    let combine = fields.get("up_when");
    let combine = combine.and_then(|field| word(&field, COMBINE, findings));
    let on_fail = fields.get("on_fail");
    let on_fail = on_fail.and_then(|field| {
        let word = word(&field, ON_FAIL, findings)?;
        let fate = match word {
            "drain" => OnFail::Drain,
            _ => OnFail::Remove,
        };
        Some(Spanned::new(fate, field.span()))
    });
    let base = below.base.as_ref();
    let backup = list(fields.get("backup"), base, findings);
    let backup_below = fields.get("backup_below");
    let backup_below = backup_below.and_then(|field| threshold(&field, findings));
    let sorry = list(fields.get("sorry"), base, findings);
    let min_healthy = fields.get("min_healthy");
    let min_healthy = min_healthy.and_then(|field| threshold(&field, findings));
    let quorum = fields.get("quorum");
    let quorum = quorum.and_then(|field| field.whole(findings));
    let hysteresis = fields.get("hysteresis");
    let hysteresis = hysteresis.and_then(|field| field.whole(findings));
    let initial = fields.get("initial");
    let initial = initial.and_then(|field| self::initial(&field, findings));
    let slow_start = fields.get("slow_start");
    let slow_start = slow_start.and_then(|field| within(&field, 0, DAY, findings));
    let damping = fields.get("damping");
    let damping = damping.and_then(|field| self::damping(&field, below.damping, findings));
    let steps = fields.get("weight_steps");
    let steps = steps.and_then(|field| weight_steps(&field, below.weight_steps, findings));
    let notify = fields.get("notify");
    let notify = notify.map(|field| {
        let items = field.items(findings);
        let notify = items.filter_map(|item| self::notify(&item, findings));
        notify.collect::<Vec<_>>().into()
    });
    let combine = combine.map(|word| match word {
        "any" => Combine::Any,
        _ => Combine::All,
    });
    HealthDecl {
        checks: below.checks.clone(),
        misread: below.misread,
        base: below.base.clone(),
        combine: combine.or(below.combine),
        on_fail: on_fail.or(below.on_fail),
        backup: backup.or_else(|| below.backup.clone()),
        backup_below: backup_below.or(below.backup_below),
        says_backup_below: false,
        sorry: sorry.or_else(|| below.sorry.clone()),
        min_healthy: min_healthy.or(below.min_healthy),
        says_min_healthy: false,
        quorum: quorum.or(below.quorum),
        hysteresis: hysteresis.or(below.hysteresis),
        says_quorum: false,
        initial: initial.or(below.initial),
        slow_start: slow_start.or(below.slow_start),
        damping: damping.or(below.damping),
        weight_steps: steps.or(below.weight_steps),
        notify: notify.or_else(|| below.notify.clone()),
    }
}

fn list(
    field: Option<Field<'_>>,
    base: Option<&Arc<CheckTable>>,
    findings: &mut Findings,
) -> Option<Arc<Spanned<ServerList>>> {
    let field = field?;
    let servers = servers(&field, base, findings);
    Some(Arc::new(Spanned::new(servers, field.at)))
}

/// How a server starts.
pub(super) fn initial(field: &Field<'_>, findings: &mut Findings) -> Option<Initial> {
    match word(field, INITIAL, findings)? {
        "up" => Some(Initial::Up),
        _ => Some(Initial::Down),
    }
}

/// The outer `None` after a mistake, the inner one for `false`.
pub(super) fn damping(
    field: &Field<'_>,
    below: Option<Option<Damping>>,
    findings: &mut Findings,
) -> Option<Option<Damping>> {
    if field.as_bool() == Some(false) {
        return Some(None);
    }
    if !field.is_table() {
        return field.wrong_type(findings);
    }
    let fields = field.table(&keys::DAMPING, findings)?;
    let below = below.flatten().unwrap_or_default();
    let changes = fields.get("changes");
    let changes = changes.and_then(|field| field.whole(findings));
    let mut time = |name, least, most| -> Option<Spanned<Duration>> {
        within(&fields.get(name)?, least, most, findings)
    };
    let span = time("within", SECOND, DAY);
    let hold = time("hold", SECOND, DAY);
    let max_hold = time("max_hold", SECOND, 7 * DAY);
    let damping = Damping {
        changes: changes.map_or(below.changes, |changes| changes.value),
        within: span.map_or(below.within, |span| span.value),
        hold: hold.map_or(below.hold, |hold| hold.value),
        max_hold: max_hold.map_or(below.max_hold, |max_hold| max_hold.value),
    };
    if damping.hold > damping.max_hold {
        let message = "the longest hold is shorter than the first";
        let at = max_hold.or(hold).map_or(field.span(), |time| time.span);
        let mistake = Diagnostic::new(Code::DampingHold, at, message);
        let show = super::time::write;
        let mistake = match (hold, max_hold) {
            (Some(hold), Some(_)) => mistake.also(hold.span, "the first one"),
            (None, _) => mistake.reason(format!("`hold` is {}", show(damping.hold))),
            (_, None) => mistake.reason(format!("`max_hold` is {}", show(damping.max_hold))),
        };
        findings.push(mistake);
    }
    Some(Some(damping))
}

/// `weight_steps`; what it leaves out is as below.
pub(super) fn weight_steps(
    field: &Field<'_>,
    below: Option<WeightSteps>,
    findings: &mut Findings,
) -> Option<WeightSteps> {
    let fields = field.table(&keys::WEIGHT_STEPS, findings)?;
    let below = below.unwrap_or_default();
    let step = fields.get("step");
    let every = fields.get("every");
    let step = step.and_then(|field| share(&field, 1, 100, findings));
    let every = every.and_then(|field| within(&field, 100, HOUR, findings));
    Some(WeightSteps {
        step: step.unwrap_or(below.step),
        every: every.map_or(below.every, |every| every.value),
    })
}

/// The default timeout of a command.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);

fn notify(field: &Field<'_>, findings: &mut Findings) -> Option<Notify> {
    let fields = field.table(&keys::NOTIFY, findings)?;
    let timeout = fields.get("timeout");
    let timeout = timeout.and_then(|field| within(&field, 100, HOUR, findings));
    let on = fields.get("on").map(|field| events(&field, findings));
    let program = fields.require("command", findings)?;
    Some(Notify {
        command: command(&program, false, findings)?,
        on: on.unwrap_or_else(|| ALL_EVENTS.into()),
        timeout: timeout.map_or(NOTIFY_TIMEOUT, |timeout| timeout.value),
    })
}

/// In the order of [`NOTIFY_ON`].
const ALL_EVENTS: [NotifyOn; 6] = [
    NotifyOn::ServerUp,
    NotifyOn::ServerDown,
    NotifyOn::ServiceBelow,
    NotifyOn::ServiceAbove,
    NotifyOn::QuorumLost,
    NotifyOn::QuorumGained,
];

fn events(field: &Field<'_>, findings: &mut Findings) -> BTreeSet<NotifyOn> {
    let items = field.items(findings);
    if items.is_empty() {
        let message = "the command has no events";
        findings
            .push(Diagnostic::new(Code::MissingKey, field.span(), message).label("an empty list"));
    }
    let mut on = BTreeSet::new();
    for item in items {
        let Some(name) = word(&item, NOTIFY_ON, findings) else {
            continue;
        };
        let known = NOTIFY_ON.iter().zip(ALL_EVENTS);
        on.extend(
            known
                .filter(|(word, _)| word.name == name)
                .map(|(_, on)| on),
        );
    }
    on
}

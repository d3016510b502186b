//! `[kernel]` and `[policy]`: allowed in the root file only.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys;
use super::super::model::Declaration;
use super::super::tree::{NodeRef, Value};
use super::super::vocabulary::{DRIFT, FOREIGN};
use super::fields::{Field, out_of_range, shown};
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

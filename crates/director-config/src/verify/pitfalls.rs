//! Health settings that work but do not have the intended effect.

use std::time::Duration;

use ipvs::Protocol;

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{CheckDecl, Declaration, Listen, ServiceDecl};
use super::super::source::Span;
use crate::state::Sysctl;
use crate::state::health::{CheckKind, OnFail, Threshold};

/// Reports weaknesses of a service's health settings. `none_own`: no server has checks of its own.
pub(super) fn check(
    service: &ServiceDecl,
    none_own: bool,
    declaration: &Declaration,
    findings: &mut Findings,
) {
    let health = &service.health;
    let checks = health.checks.as_ref();
    let checks = checks.map_or(&[][..], |decl| decl.checks.as_slice());
    two_weights(checks, findings);
    moving_weights(service, checks, findings);
    fail_removes(service, declaration, findings);
    hair_trigger(service, checks, findings);
    let none = |least: Threshold| match least {
        Threshold::Count(count) => count == 0,
        Threshold::Part(share) => share.get() == 0,
    };
    let held = health.min_healthy.filter(|least| !none(least.value));
    if let (Some(quorum), Some(least)) = (health.quorum, held) {
        let message = "`min_healthy` keeps servers in that do not count for the quorum";
        findings.push(
            Diagnostic::new(Code::QuorumKeeps, least.span, message)
                .label("this many stay in, up or down")
                .also(quorum.span, "servers that are down weigh nothing")
                .reason(
                    "below the quorum the sorry servers replace all others, also those kept in; \
                     without sorry servers both apply",
                ),
        );
    } else if let (Some(sorry), Some(least)) = (&health.sorry, held) {
        findings.push(
            Diagnostic::new(Code::SorryIdle, sorry.span, "the sorry servers never join")
                .label("for when no other is left")
                .also(least.span, "this many always stay in, up or down"),
        );
    }
    // A service whose check has a mistake is not a service without checks.
    if !(checks.is_empty() && none_own) || health.misread {
        return;
    }
    let parts = [
        health.backup.as_ref().map(|list| list.span),
        health.sorry.as_ref().map(|list| list.span),
        held.map(|least| least.span),
        health.quorum.map(|quorum| quorum.span),
    ];
    for span in parts.into_iter().flatten() {
        let message = "without a check, no server is ever down";
        findings.push(
            Diagnostic::new(Code::NoCheck, span, message)
                .label("matters only when servers are down")
                .also(service.name.span, "has no check")
                .help("check = \"tcp\""),
        );
    }
}

/// The place of a check's dynamic weight, if it has one.
fn weight_of(check: &CheckDecl) -> Option<Span> {
    let key = match &check.spec.kind {
        CheckKind::Http(http) if http.weight.is_some() => {
            let header = check.table.place_of("weight_header");
            return Some(match header == check.table.at {
                true => check.table.place_of("weight_body"),
                false => header,
            });
        }
        CheckKind::Exec(exec) if exec.weight => "weight",
        CheckKind::Agent(_) => "type",
        _ => return None,
    };
    Some(check.table.place_of(key))
}

fn two_weights(checks: &[CheckDecl], findings: &mut Findings) {
    let mut weights = checks.iter().filter_map(weight_of);
    let Some(first) = weights.next() else { return };
    for second in weights {
        let message = "two checks of a server set its weight";
        findings.push(
            Diagnostic::new(Code::TwoWeights, second, message)
                .label("the second one")
                .also(first, "the first one"),
        );
    }
}

fn moving_weights(service: &ServiceDecl, checks: &[CheckDecl], findings: &mut Findings) {
    let scheduler = &service.scheduler;
    let name = scheduler.value.name.to_string();
    let (suffers, why) = match name.as_str() {
        "sh" | "mh" => (
            "each change of a weight sends some clients to other servers",
            "which server a client gets is computed from all weights",
        ),
        "rr" | "lc" | "dh" => (
            "a dynamic weight has no effect here",
            "the scheduler only distinguishes weight 0 from others",
        ),
        _ => return,
    };
    let slow = service.health.slow_start;
    let slow = slow.filter(|time| time.value > Duration::ZERO);
    let slow = slow.map(|time| time.span);
    for span in slow.into_iter().chain(checks.iter().filter_map(weight_of)) {
        findings.push(
            Diagnostic::new(Code::MovingWeight, span, suffers)
                .label("moves weights")
                .also(scheduler.span, format!("the scheduler `{name}`"))
                .reason(why),
        );
    }
}

/// Reports `on_fail = "drain"` on a service whose servers should rather be removed.
fn fail_removes(service: &ServiceDecl, declaration: &Declaration, findings: &mut Findings) {
    let said = service.health.on_fail;
    let Some(said) = said.filter(|said| said.value == OnFail::Drain) else {
        return;
    };
    let udp = service.listen.iter().find(|listen| {
        let protocol = match listen.value {
            Listen::Address { protocol, .. } => Some(protocol),
            Listen::Fwmark { .. } => None,
        };
        protocol == Some(Protocol::Udp)
    });
    let sysctl = Sysctl::ExpireQuiescentTemplate;
    let sysctl = declaration.kernel.sysctls.get(&sysctl);
    let persistence = service.persistence.as_ref();
    let persistence = persistence.filter(|persistence| persistence.is_enabled());
    let harm = if let Some(listen) = udp {
        (
            listen.span,
            "UDP",
            "UDP flows continue to a server of weight 0",
        )
    } else if service.scheduler.value.name == "dh" {
        let span = service.scheduler.span;
        (
            span,
            "`dh`",
            "`dh` refuses the clients of a server of weight 0",
        )
    } else if let (Some(persistence), true) = (persistence, sysctl.is_none_or(|value| value == "0"))
    {
        let why = "without `expire_quiescent_template`, persistent clients stay with a server of weight \
             0";
        (persistence.span, "persistent", why)
    } else {
        return;
    };
    let (span, label, why) = harm;
    let message = "servers of this service that are down are removed, not drained";
    findings.push(
        Diagnostic::new(Code::FailRemoves, said.span, message)
            .label("not for this service")
            .also(span, label)
            .reason(why)
            .help("set `on_fail = \"remove\"` to confirm this"),
    );
}

fn hair_trigger(service: &ServiceDecl, checks: &[CheckDecl], findings: &mut Findings) {
    if service.health.damping != Some(None) {
        return;
    }
    let hasty = |check: &&CheckDecl| check.spec.pace.rise == 1 && check.spec.pace.fall == 1;
    for check in checks.iter().filter(hasty) {
        let message = "every single result takes the server out or brings it back";
        findings.push(
            Diagnostic::new(Code::HairTrigger, check.table.place_of("fall"), message)
                .label("`rise` and `fall` are 1, and damping is off")
                .help("a `fall` of 2 tolerates one lost packet"),
        );
    }
}

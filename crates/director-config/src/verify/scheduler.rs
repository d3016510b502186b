//! Schedulers and their flags.

use std::time::Duration;

use ipvs::{Service, ServiceFlags};

use super::super::code::Code;
use super::super::decode::scheduler::AS_GIVEN;
use super::super::decode::{explained, meant, one_of, shown};
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::dialects;
use super::super::model::{FlagDecl, SchedulerDecl, ServiceDecl};
use super::super::source::Spanned;
use super::super::vocabulary::SCHEDULERS;

/// The service's scheduler flags.
pub(super) fn flags(service: &ServiceDecl, findings: &mut Findings) -> ServiceFlags {
    let scheduler = &service.scheduler;
    check_name(scheduler, service.as_is, findings);
    let hashes = is_hash(&scheduler.value);
    let mut flags = ServiceFlags::empty();
    for flag in &scheduler.value.flags {
        flags |= match flag.value {
            FlagDecl::Hash { port, of } => {
                let right = of.is_none_or(|of| scheduler.value.name == of);
                if !hashes || !right {
                    findings.push(foreign_flag(flag, of, &scheduler.value));
                }
                if port {
                    ServiceFlags::SH_PORT
                } else {
                    ServiceFlags::SH_FALLBACK
                }
            }
            FlagDecl::Numbered(bits) => {
                let known = ServiceFlags::SH_FALLBACK | ServiceFlags::SH_PORT;
                if is_known(&scheduler.value) && !(hashes && known.contains(bits)) {
                    findings.push(idle_flag(flag, &scheduler.value));
                }
                bits
            }
            FlagDecl::Bits(bits) => {
                findings.push(idle_flag(flag, &scheduler.value));
                bits
            }
        };
    }
    check_leaving(service, flags, findings);
    flags
}

fn is_hash(scheduler: &SchedulerDecl) -> bool {
    scheduler.name == "sh" || scheduler.name == "mh"
}

fn is_known(scheduler: &SchedulerDecl) -> bool {
    SCHEDULERS.iter().any(|word| scheduler.name == word.name)
}

fn check_name(scheduler: &Spanned<SchedulerDecl>, as_is: bool, findings: &mut Findings) {
    let name = scheduler.value.name;
    if name == Service::NO_SCHEDULER {
        findings.push(
            Diagnostic::new(
                Code::NoScheduler,
                scheduler.span,
                "a service without a scheduler refuses every new connection",
            )
            .label("no scheduler"),
        );
    }
    if scheduler.value.explicit || is_known(&scheduler.value) {
        return;
    }
    let typed = name.to_string();
    let message = format!("`{}` is not a scheduler", shown(&typed));
    let mistake = match meant(&typed, SCHEDULERS) {
        Some(near) => Diagnostic::new(Code::UnknownWord, scheduler.span, message)
            .label(format!("did you mean `{near}`?")),
        None => Diagnostic::new(Code::UnknownScheduler, scheduler.span, message)
            .label("unknown scheduler"),
    };
    let mistake = mistake.help(one_of(SCHEDULERS)).unless(as_is);
    findings.push(match dialects::value(&typed, SCHEDULERS) {
        Some(_) => explained(mistake, &typed, SCHEDULERS),
        None => mistake.reason(as_given(&typed)),
    });
}

/// How to name what this version does not know.
pub(super) fn as_given(typed: &str) -> String {
    format!(
        "write \"{AS_GIVEN}{}\" if your kernel has one of this name; others reject the service",
        shown(typed)
    )
}

fn foreign_flag(
    flag: &Spanned<FlagDecl>,
    of: Option<&str>,
    scheduler: &SchedulerDecl,
) -> Diagnostic {
    let owner = match of {
        Some(of) => format!("a flag of `{of}`"),
        None => "a flag of `sh` and `mh`".to_owned(),
    };
    let message = format!("the scheduler `{}` does not have this flag", scheduler.name);
    Diagnostic::new(Code::SchedulerFlag, flag.span, message)
        .label(owner)
        .reason("the kernel would store it without using it")
}

fn idle_flag(flag: &Spanned<FlagDecl>, scheduler: &SchedulerDecl) -> Diagnostic {
    let message = format!("the scheduler `{}` ignores this flag", scheduler.name);
    Diagnostic::new(Code::OddFlag, flag.span, message).label("stored without effect")
}

/// Reports what happens to clients when a server leaves or is unusable.
fn check_leaving(service: &ServiceDecl, flags: ServiceFlags, findings: &mut Findings) {
    let scheduler = &service.scheduler;
    let name = scheduler.value.name;
    if is_hash(&scheduler.value) && !flags.contains(ServiceFlags::SH_FALLBACK) {
        let message =
            format!("`{name}` without fallback refuses the clients of an unusable server");
        findings.push(
            Diagnostic::new(Code::HashFallback, scheduler.span, message)
                .label("no fallback")
                .help(format!("scheduler = {{ name = \"{name}\", flags = [\"fallback\"] }}"))
                .reason("a server of weight 0, or over its threshold, still holds its share of the hash table"),
        );
    }
    let drains = service
        .drain
        .is_none_or(|drain| drain.value > Duration::ZERO);
    if name == "dh" && drains {
        findings.push(
            Diagnostic::new(
                Code::DhDrain,
                scheduler.span,
                "a server under `dh` cannot be drained",
            )
            .label("has no fallback")
            .reason(
                "with weight 0 it would refuse its share of new clients, so it is removed \
                 immediately",
            )
            .help(
                "set `drain = \"0s\"` to confirm this, or use `mh` with fallback, which can be \
                   drained",
            ),
        );
    }
}

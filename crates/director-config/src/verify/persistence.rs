//! Persistence: timeout, masks, engine.

use ipvs::{Family, Name, Netmask, Protocol, Service};

use super::super::code::Code;
use super::super::decode::{meant, one_of, shown};
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::model::{Listen, PersistenceDecl, ServiceDecl};
use super::super::source::Spanned;
use super::super::vocabulary::ENGINES;
use super::scheduler::as_given;

/// Reports mistakes in a service's persistence.
pub(super) fn check(service: &ServiceDecl, findings: &mut Findings) {
    let Some(persistence) = &service.persistence else {
        return;
    };
    if let Some(mask) = &persistence.mask {
        let bits = u32::from(mask.value);
        if bits.leading_ones() != bits.count_ones() {
            let message = format!("the bits of the mask {} are not contiguous", mask.value);
            findings.push(
                Diagnostic::new(Code::OddMask, mask.span, message)
                    .label("the kernel accepts it")
                    .reason("distant clients count as one, but neighbours do not"),
            );
        }
    }
    if let Some(engine) = &persistence.engine {
        let (name, explicit) = engine.value;
        if !explicit {
            check_engine(service, &Spanned::new(name, engine.span), findings);
        }
    }
    let idle = match (persistence.enabled, persistence.timeout) {
        (Some(enabled), _) if !enabled.value => Some((enabled.span, "persistence is not enabled")),
        (_, Some(timeout)) if timeout.value == 0 => Some((timeout.span, "persistence for no time")),
        _ => None,
    };
    if let Some((span, message)) = idle {
        findings.push(
            Diagnostic::new(Code::IdlePersistence, span, message)
                .label("the kernel stores these settings without using them")
                .help("`persistence = false`"),
        );
    }
}

fn check_engine(service: &ServiceDecl, engine: &Spanned<Name>, findings: &mut Findings) {
    if !ENGINES.iter().any(|word| engine.value == word.name) {
        let typed = engine.value.to_string();
        let near = meant(&typed, ENGINES);
        let message = format!("unknown persistence engine `{}`", shown(&typed));
        let diagnostic = match near {
            Some(near) => Diagnostic::new(Code::UnknownWord, engine.span, message)
                .label(format!("did you mean `{near}`?")),
            None => Diagnostic::new(Code::UnknownEngine, engine.span, message)
                .label("unknown engine")
                .help(one_of(ENGINES)),
        };
        let diagnostic = diagnostic.reason(as_given(&typed));
        findings.push(diagnostic.unless(service.as_is));
        return;
    }
    let not_udp = service.listen.iter().find_map(|listen| match listen.value {
        Listen::Address { protocol, .. } if protocol != Protocol::Udp => {
            Some((listen.span, protocol))
        }
        _ => None,
    });
    if let Some((span, protocol)) = not_udp {
        let message = format!("the engine `{}` does not inspect {protocol}", engine.value);
        findings.push(
            Diagnostic::new(Code::EngineProtocol, engine.span, message)
                .label("for UDP only")
                .also(span, "persistence here is by address"),
        );
    }
}

/// Sets a service's persistence.
pub(super) fn apply(persistence: Option<&PersistenceDecl>, service: Service) -> Service {
    let Some(persistence) = persistence else {
        return service;
    };
    let seconds = persistence.seconds();
    let mask = match service.key.family() {
        Family::V4 => persistence.mask.map(|mask| Netmask::V4(mask.value)),
        Family::V6 => persistence.mask6.map(|length| Netmask::V6(length.value)),
    };
    let mut service = match persistence.is_enabled() {
        true => service.persistent(seconds),
        false => Service {
            timeout: seconds,
            ..service
        },
    };
    service.netmask = mask.unwrap_or(service.netmask);
    service.engine = persistence.engine.map(|engine| engine.value.0);
    service
}

//! `scheduler`: a word, or a table with flags.

use ipvs::{Name, ServiceFlags};

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::dialects;
use super::super::keys;
use super::super::model::{FlagDecl, SchedulerDecl};
use super::super::source::{Span, Spanned};
use super::super::vocabulary::{FLAGS, SCHEDULERS};
use super::fields::{Field, shown};
use super::word::unknown;

/// A scheduler and its flags.
pub(super) fn scheduler(
    field: &Field<'_>,
    findings: &mut Findings,
) -> Option<Spanned<SchedulerDecl>> {
    if field.as_text().is_some() {
        let name = module_name(field, findings)?;
        let flags = Vec::new();
        return Some(name.map(|(name, explicit)| SchedulerDecl {
            name,
            explicit,
            flags,
        }));
    }
    let fields = field.table(&keys::SCHEDULER, findings)?;
    let mut flags = Vec::new();
    if let Some(field) = fields.get("flags") {
        for item in field.items(findings) {
            flags.extend(flag(&item, findings));
        }
    }
    let name = fields.require("name", findings);
    let name = module_name(&name?, findings)?;
    Some(name.map(|(name, explicit)| SchedulerDecl {
        name,
        explicit,
        flags,
    }))
}

fn flag(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<FlagDecl>> {
    let hash = |port, of| FlagDecl::Hash { port, of };
    let text = field.text(findings)?;
    let flag = match text.value {
        "fallback" => hash(false, None),
        "port" => hash(true, None),
        "sh-fallback" => hash(false, Some("sh")),
        "sh-port" => hash(true, Some("sh")),
        "mh-fallback" => hash(false, Some("mh")),
        "mh-port" => hash(true, Some("mh")),
        "flag-1" => FlagDecl::Numbered(ServiceFlags::SCHED_1),
        "flag-2" => FlagDecl::Numbered(ServiceFlags::SCHED_2),
        "flag-3" => FlagDecl::Numbered(ServiceFlags::SCHED_3),
        other => match bits(other) {
            Some(bits) => FlagDecl::Bits(bits),
            None => {
                findings.push(unknown(other, field.span(), FLAGS));
                return None;
            }
        },
    };
    Some(Spanned::new(flag, field.span()))
}

/// Bits without a name here: neither the kernel's own nor those that another key sets.
fn bits(text: &str) -> Option<ServiceFlags> {
    let digits = text.strip_prefix("0x")?;
    if digits.starts_with('+') {
        return None;
    }
    let word = u32::from_str_radix(digits, 16).ok()?;
    let bits = ServiceFlags::from_kernel(word);
    let named = ServiceFlags::PERSISTENT | ServiceFlags::ONE_PACKET | FLAG_BITS;
    (bits.bits() == word && !bits.intersects(named) && !bits.is_empty()).then_some(bits)
}

/// The flags that belong to the scheduler.
pub(in super::super) const FLAG_BITS: ServiceFlags = ServiceFlags::SCHED_1
    .union(ServiceFlags::SCHED_2)
    .union(ServiceFlags::SCHED_3);

/// A short name of the kernel.
pub(super) fn kernel_name(field: &Field<'_>, findings: &mut Findings) -> Option<Spanned<Name>> {
    let text = field.text(findings)?;
    let checked = check_name(text.value, field.span());
    checked.map_err(|mistake| findings.push(mistake)).ok()
}

/// The name of one of the kernel's modules, and whether it has the prefix that exempts it from our
/// list.
pub(super) fn module_name(
    field: &Field<'_>,
    findings: &mut Findings,
) -> Option<Spanned<(Name, bool)>> {
    let text = field.text(findings)?;
    let given = text.value.strip_prefix(AS_GIVEN);
    let checked = check_name(given.unwrap_or(text.value), field.span());
    let name = checked.map_err(|mistake| findings.push(mistake)).ok()?;
    Some(name.map(|name| (name, given.is_some())))
}

/// Before the name of a scheduler or an engine that this version does not know.
pub(in super::super) const AS_GIVEN: &str = "kernel:";

/// The kernel's buffers hold sixteen bytes with their NUL (`IP_VS_SCHEDNAME_MAXLEN` and its
/// siblings): it rejects longer names or never finds them.
const NAME_MAX: usize = 15;

fn check_name(text: &str, span: Span) -> Result<Spanned<Name>, Diagnostic> {
    let problem = match Name::new(text) {
        _ if text.contains(char::is_whitespace) => "it contains white space",
        Ok(_) if text.len() > NAME_MAX => "the kernel allows at most 15 bytes",
        Ok(name) => return Ok(Spanned::new(name, span)),
        Err(ipvs::NameError::TooLong { .. }) => "the kernel allows at most 15 bytes",
        Err(ipvs::NameError::Empty) => "it is empty",
        Err(ipvs::NameError::Nul) => "it contains a NUL byte",
    };
    let message = format!("`{}` cannot be a name: {problem}", shown(text));
    let mistake = Diagnostic::new(Code::BadName, span, message);
    Err(match dialects::value(text, SCHEDULERS) {
        Some((ours, _)) => mistake.label(format!("did you mean `{ours}`?")),
        None => mistake,
    })
}

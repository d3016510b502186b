//! `allow`: warnings that a file or a service causes on purpose.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::keys::ALLOWABLE;
use super::super::source::Span;
use super::fields::{Field, Fields, shown};
use super::word::meant;
use crate::state::{MachineCode, MachineCodes};

/// The codes of an `allow`: those of the file with their places, and those of the machine.
#[derive(Debug, Default)]
pub(super) struct Codes {
    pub(super) of_file: Vec<(Code, Span)>,
    pub(super) of_machine: MachineCodes,
}

/// Reads `allow`, if it is there.
pub(super) fn allow(fields: &Fields<'_>, findings: &mut Findings) -> Codes {
    let mut codes = Codes::default();
    let Some(list) = fields.get("allow") else {
        return codes;
    };
    for item in list.items(findings) {
        read(&item, &mut codes, findings);
    }
    codes
}

fn read(item: &Field<'_>, codes: &mut Codes, findings: &mut Findings) {
    let Some(text) = item.text(findings) else {
        return;
    };
    if let Some(code) = MachineCode::named(text.value) {
        codes.of_machine.extend([code]);
        return;
    }
    let span = item.span();
    match Code::named(text.value) {
        Some(code) if code.may_be_allowed() => codes.of_file.push((code, span)),
        Some(code) => findings.push(
            Diagnostic::new(
                Code::UnknownWord,
                span,
                format!("`{code}` is a mistake, not a warning"),
            )
            .label("cannot be allowed"),
        ),
        None => {
            let message = format!("no warning has the code `{}`", shown(text.value));
            let mistake = Diagnostic::new(Code::UnknownWord, span, message);
            findings.push(match meant(text.value, &ALLOWABLE) {
                Some(near) => mistake.label(format!("did you mean `{near}`?")),
                None => mistake
                    .label("unknown code")
                    .help("a warning shows its code in brackets: `warning[udp-nodest]`"),
            });
        }
    }
}

//! Domain names.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::fields::{Field, shown};

/// RFC 1035 section 2.3.4: labels of at most 63 bytes, all of them with their lengths 255.
pub(crate) fn domain(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let text = field.text(findings)?;
    let name = text.value.strip_suffix('.').unwrap_or(text.value);
    let problem = match text.value {
        "" => "it is empty",
        "." => return Some(".".to_owned()),
        _ if name.len() > 253 => "it has more than 253 bytes",
        _ if name.split('.').any(str::is_empty) => "one of its labels is empty",
        _ if name.split('.').any(|label| label.len() > 63) => {
            "one of its labels has more than 63 bytes"
        }
        _ if !name.chars().all(|c| ('!'..='~').contains(&c)) => {
            "it has characters that must be written in Punycode"
        }
        _ => return Some(text.value.to_owned()),
    };
    let message = format!("`{}` is not a domain name: {problem}", shown(text.value));
    findings.push(Diagnostic::new(Code::BadName, field.span(), message));
    None
}

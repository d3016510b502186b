//! `type = "file"`: a file takes the server out.

use super::{CheckKind, CheckPort, Facts, Kind, Through, tls};
use crate::code::Code;
use crate::decode::fields::{Field, Fields, shown};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{required, section, text};
use crate::source::Span;
use crate::vocabulary::word;

/// A file that takes a server out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileCheck {
    /// Its path, in which `{service}`, `{server}`, `{address}` and `{port}` are replaced. The
    /// server is up while the file does not exist. The first line has the format of an agent's
    /// answer; an empty file means `drain`.
    pub path: String,
}

pub(super) static FILE: Kind = Kind::new(
    word("file", "No file takes it out.").alias(&["file_check", "track_file"]),
    &SECTION,
    decode,
)
.facts(Facts {
    port: CheckPort::None,
    through: Through::Never("decides for itself what to look at"),
    names_service: true,
    ..Facts::CONNECTS
});

section!(
    SECTION,
    "a file check",
    "The server is out while a file exists that is empty or says `drain`, `maint` or `down`.",
    FILE.keys([required(
        "path",
        text("/run/director/out/{server}"),
        "Its path, in which `{service}`, `{server}`, `{address}` and `{port}` are replaced.",
    )
    .alias(&["file", "track_file"])])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    Some(CheckKind::File(FileCheck {
        path: pattern(&fields.require("path", findings)?, findings)?,
    }))
}

/// A path with placeholders such as `{server}`.
fn pattern(field: &Field<'_>, findings: &mut Findings) -> Option<String> {
    let path = tls::absolute(field, findings)?;
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        let inner = &rest[open + 1..];
        let close = inner.find('}');
        let name = close.map(|close| &inner[..close]);
        if !name.is_some_and(|name| FILE_PARTS.contains(&name)) {
            let start = path.len() - rest.len() + open;
            let end = close.map_or(path.len(), |close| start + close + 2);
            let span: Span = match field.as_text() {
                Some(text) => text.part(field.span(), start..end),
                None => field.span(),
            };
            let message = format!("`{}` is not a placeholder", shown(&path[start..end]));
            findings.push(Diagnostic::new(Code::BadPath, span, message).help(format!(
                "the placeholders are {}",
                FILE_PARTS.map(|part| format!("{{{part}}}")).join(", ")
            )));
            return None;
        }
        rest = &inner[close.map_or(0, |close| close + 1)..];
    }
    Some(path.to_owned())
}

/// The placeholders in the path, each in braces.
const FILE_PARTS: [&str; 4] = ["service", "server", "address", "port"];

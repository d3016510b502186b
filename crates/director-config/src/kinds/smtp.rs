//! `type = "smtp"`: the server greets, and accepts a `HELO`.

use super::{CheckKind, Facts, Kind, http};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{key, section, text};
use crate::vocabulary::word;

/// An SMTP greeting.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct SmtpCheck {
    /// The name in `HELO`; by default this machine's.
    pub hello: Option<String>,
}

pub(super) static SMTP: Kind = Kind::new(
    word("smtp", "Greets.").alias(&["smtp_check", "smtpchk"]),
    &SECTION,
    decode,
)
.facts(Facts::on(25));

section!(
    SECTION,
    "an smtp check",
    "The server greets, and accepts a `HELO`.",
    SMTP.keys([key(
        "hello",
        text("director.example.org"),
        "The name in `HELO`; this machine's by default.",
    )
    .alias(&["helo", "helo_name", "ehlo"])])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    let hello = fields.get("hello");
    Some(CheckKind::Smtp(SmtpCheck {
        hello: hello.and_then(|field| http::authority(&field, findings)),
    }))
}

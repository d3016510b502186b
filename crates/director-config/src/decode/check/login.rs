//! `user`, `password` and `database`.

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::fields::{Fields, Place};
use crate::state::health::LoginCheck;

/// A log-in to MySQL or PostgreSQL.
pub(super) fn login(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    for name in ["password", "database"] {
        if let (Some(place), None) = (fields.get(name), fields.get("user")) {
            let message = format!("`{name}` needs `user`");
            findings.push(
                Diagnostic::new(Code::MissingKey, place.at, message)
                    .label("`user` is missing")
                    .reason("without a user nobody logs in: the greeting is enough"),
            );
        }
    }
    texts(fields, findings)
}

/// The same to Redis, where a password alone is that of the user `default`, and databases have
/// numbers.
pub(super) fn redis(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    let login = texts(fields, findings);
    if let (Some(user), None) = (fields.get("user"), fields.get("password")) {
        findings.push(
            Diagnostic::new(Code::MissingKey, user.at, "`user` needs `password`")
                .label("`password` is missing")
                .reason("Redis lets nobody in by a name alone"),
        );
    }
    if let (Some(place), Some(database)) = (fields.get("database"), &login.database)
        && database.parse::<u32>().is_err()
    {
        findings.push(
            Diagnostic::new(
                Code::BadName,
                place.span(),
                "the databases of Redis have numbers",
            )
            .help("database = \"0\""),
        );
    }
    login
}

fn texts(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    let mut text = |name| {
        let place: Place<'_> = fields.get(name)?;
        let text = place.text(findings)?;
        if text.value.contains('\0') {
            let message = format!("`{name}` has a NUL byte");
            findings.push(Diagnostic::new(Code::BadName, place.span(), message));
        }
        Some(text.value.to_owned())
    };
    LoginCheck {
        user: text("user"),
        password: text("password"),
        database: text("database"),
    }
}

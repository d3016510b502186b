//! `user`, `password` and `database`.

use crate::code::Code;
use crate::decode::fields::{Field, Fields};
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::{Key, key, text};

/// A handshake of Redis, MySQL or PostgreSQL.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct LoginCheck {
    /// The user to log in; without one, the greeting is enough.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The database.
    pub database: Option<String>,
}

/// Keeps the password out of logs.
impl std::fmt::Debug for LoginCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginCheck")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("database", &self.database)
            .finish()
    }
}

/// The keys of a log-in.
pub(super) fn keys() -> Vec<Key> {
    vec![
        key("user", text("check"), "The user to log in.").alias(&["login", "username"]),
        key("password", text("${CHECK_PASSWORD}"), "The password.").alias(&["passwd", "pass"]),
        key("database", text("app"), "The database.").alias(&["dbname", "db"]),
    ]
}

/// A log-in to MySQL or PostgreSQL.
pub(super) fn login(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    for name in ["password", "database"] {
        if let (Some(field), None) = (fields.get(name), fields.get("user")) {
            let message = format!("`{name}` needs `user`");
            findings.push(
                Diagnostic::new(Code::MissingKey, field.at, message)
                    .label("`user` is missing")
                    .reason("without a user there is no log-in: the greeting is enough"),
            );
        }
    }
    texts(fields, findings)
}

/// The three keys, unverified.
pub(super) fn texts(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    let mut text = |name| {
        let field: Field<'_> = fields.get(name)?;
        let text = field.text(findings)?;
        if text.value.contains('\0') {
            let message = format!("`{name}` contains a NUL byte");
            findings.push(Diagnostic::new(Code::BadName, field.span(), message));
        }
        Some(text.value.to_owned())
    };
    LoginCheck {
        user: text("user"),
        password: text("password"),
        database: text("database"),
    }
}

//! `type = "redis"`: the server answers `PING`.

use super::login::{self, LoginCheck};
use super::{CheckKind, Facts, Kind};
use crate::code::Code;
use crate::decode::fields::Fields;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::section;
use crate::vocabulary::word;

pub(super) static REDIS: Kind = Kind::new(
    word("redis", "Answers `PING`.").alias(&["redis-check"]),
    &SECTION,
    |fields, findings| Some(CheckKind::Redis(decode(fields, findings))),
)
.facts(Facts::on(6379));

section!(
    SECTION,
    "a redis check",
    "The server answers `PING`.",
    REDIS.keys(login::keys())
);

/// A password without a user belongs to the user `default`, and databases have numbers.
fn decode(fields: &Fields<'_>, findings: &mut Findings) -> LoginCheck {
    let login = login::texts(fields, findings);
    if let (Some(user), None) = (fields.get("user"), fields.get("password")) {
        findings.push(
            Diagnostic::new(Code::MissingKey, user.at, "`user` needs `password`")
                .label("`password` is missing")
                .reason("Redis does not accept a user without a password"),
        );
    }
    if let (Some(field), Some(database)) = (fields.get("database"), &login.database)
        && database.parse::<u32>().is_err()
    {
        findings.push(
            Diagnostic::new(
                Code::BadName,
                field.span(),
                "the databases of Redis have numbers",
            )
            .help("database = \"0\""),
        );
    }
    login
}

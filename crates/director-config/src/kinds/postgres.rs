//! `type = "postgres"`: the server answers a start-up message.

use super::{CheckKind, Facts, Kind, login};
use crate::keys::section;
use crate::vocabulary::word;

pub(super) static POSTGRES: Kind = Kind::new(
    word("postgres", "Answers, and accepts a log-in.").alias(&[
        "pgsql",
        "pgsql-check",
        "postgresql",
    ]),
    &SECTION,
    |fields, findings| Some(CheckKind::Postgres(login::login(fields, findings))),
)
.facts(Facts::on(5432));

section!(
    SECTION,
    "a postgres check",
    "The server answers a start-up message, and accepts the log-in of `user` if set. Without a \
     user the message names `postgres`, and a refusal proves that it takes connections.",
    POSTGRES.keys(login::keys())
);

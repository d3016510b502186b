//! `type = "idle"`: the server takes a connection, and keeps it.

use super::{CheckKind, Facts, Kind, Through, mysql};
use crate::keys::section;
use crate::vocabulary::word;

/// A TCP connection that is held open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IdleCheck;

pub(super) static IDLE: Kind = Kind::new(
    word("idle", "Keeps a connection open.").alias(&["idleconnection", "idle_connection"]),
    &SECTION,
    |_, _| Some(CheckKind::Idle(IdleCheck)),
)
.facts(Facts {
    through: Through::Never("keeps its connection, and its source port and mark with it"),
    ..Facts::CONNECTS
})
.verify(mysql::counts_as_error);

section!(
    SECTION,
    "an idle check",
    "director holds a TCP connection open to the server, and reconnects as soon as it ends. A server that does \
     not accept the new connection has failed the check, so that with `fall = 1` a process that dies is out \
     within milliseconds, whatever the `interval`. A server that closes idle connections stays up; director \
     reconnects to it at most once per `fast_interval`. TCP keep-alives find a host that vanished: the kernel \
     sends one after each `interval` of silence, and the check fails when none is answered for `interval` and \
     `timeout` together, in whole seconds. director discards what the server sends, and reconnects after a \
     mebibyte. Each connection takes a file descriptor.",
    IDLE.keys([]),
);

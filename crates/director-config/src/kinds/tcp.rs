//! `type = "tcp"`: the server accepts a connection, and optionally answers as expected.

use super::bytes::{self, Expect};
use super::{CheckKind, Checked, Kind, mysql};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::section;
use crate::model::CheckDecl;
use crate::vocabulary::word;

/// A TCP connection, optionally with data sent and expected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TcpCheck {
    /// The bytes sent once connected.
    pub send: Vec<u8>,
    /// The expected answer.
    pub expect: Option<Expect>,
}

pub(super) static TCP: Kind = Kind::new(
    word("tcp", "Accepts a connection.").alias(&["tcp_check", "connect", "simpletcp"]),
    &SECTION,
    decode,
)
.verify(harmful)
.instead(bytes::INSTEAD);

section!(
    SECTION,
    "a tcp check",
    "The server accepts a connection, and optionally answers as expected.",
    TCP.keys(bytes::send_and_expect())
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    Some(CheckKind::Tcp(TcpCheck {
        send: bytes::send(fields, findings),
        expect: bytes::expect(fields, findings),
    }))
}

/// Reports a check that MySQL counts as an error of the director's address, which it then blocks.
fn harmful(check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
    let CheckKind::Tcp(tcp) = &check.spec.kind else {
        return;
    };
    // One that only connects is over before the server's program sees it (check/connects.rs).
    if tcp.send.is_empty() && tcp.expect.is_none() && !check.spec.at.through {
        return;
    }
    mysql::counts_as_error(check, servers, findings);
}

//! `type = "tcp"`: the server accepts a connection, and says what it should.

use super::bytes::{self, Expect};
use super::mysql::MYSQL_PORTS;
use super::{CheckKind, Checked, Kind};
use crate::code::Code;
use crate::decode::fields::Fields;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::section;
use crate::model::CheckDecl;
use crate::vocabulary::word;

/// A TCP connection, with something sent and expected where that is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TcpCheck {
    /// What is sent once connected.
    pub send: Vec<u8>,
    /// What has to come back.
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
    "The server accepts a connection, and says what it should.",
    TCP.keys(bytes::send_and_expect())
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    Some(CheckKind::Tcp(TcpCheck {
        send: bytes::send(fields, findings),
        expect: bytes::expect(fields, findings),
    }))
}

/// Reports a check that MySQL counts as an error of the director's address, and blocks it for.
fn harmful(check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
    let CheckKind::Tcp(tcp) = &check.spec.kind else {
        return;
    };
    let at = &check.spec.at;
    // One that only connects is over before the server's program sees it (check/connects.rs).
    if tcp.send.is_empty() && tcp.expect.is_none() && !at.through {
        return;
    }
    let server = match at.port {
        Some(port) if MYSQL_PORTS.contains(&port) => None,
        None if servers.mysql.is_some() => servers.mysql,
        _ => return,
    };
    let message =
        "MySQL counts each of these checks as an error, and blocks the director after 100";
    let mut finding = Diagnostic::new(Code::HarmfulCheck, check.table.at, message)
        .label("does not log in")
        .help("type = \"mysql\", which does")
        .reason("a port of MySQL or MariaDB; `max_connect_errors` is 100 by default");
    if let Some(server) = server {
        finding = finding.also(server.span(), "this server's port");
    }
    findings.push(finding);
}

//! `type = "mysql"`: the server greets, and accepts a user's log-in if one is given.

use super::{CheckKind, Checked, Facts, Kind, login};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::section;
use crate::model::CheckDecl;
use crate::vocabulary::word;

/// The usual ports of MySQL, MariaDB and MySQL Router. They count every connection that ends before
/// the log-in as an error of its address, and block the address after 100.
pub const MYSQL_PORTS: [u16; 6] = [3306, 3307, 3308, 6446, 6447, 33060];

pub(super) static MYSQL: Kind = Kind::new(
    word("mysql", "Greets, and accepts a log-in.").alias(&["mysql-check", "mariadb"]),
    &SECTION,
    |fields, findings| Some(CheckKind::Mysql(login::login(fields, findings))),
)
.facts(Facts {
    must_end: true,
    ..Facts::on(3306)
});

section!(
    SECTION,
    "a mysql check",
    "The server greets, and accepts the log-in of `user` if set. Without a user it refuses one \
     called `director-health-check`, which proves that it is alive.",
    MYSQL.keys(login::keys())
);

/// Reports a check that MySQL counts as an error of the director's address, and blocks it for, where
/// its servers listen on a port of MySQL.
pub(super) fn counts_as_error(check: &CheckDecl, servers: &Checked<'_>, findings: &mut Findings) {
    let at = &check.spec.at;
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

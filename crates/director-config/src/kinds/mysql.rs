//! `type = "mysql"`: the server greets, and lets a user in where one is named.

use super::{CheckKind, Facts, Kind, login};
use crate::keys::section;
use crate::vocabulary::word;

/// Ports on which MySQL, MariaDB and MySQL Router usually listen. They count every connection that
/// ends before it has logged in as an error of its address, and block the address after 100.
pub const MYSQL_PORTS: [u16; 6] = [3306, 3307, 3308, 6446, 6447, 33060];

pub(super) static MYSQL: Kind = Kind::new(
    word("mysql", "Greets, and lets a user in.").alias(&["mysql-check", "mariadb"]),
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
    "The server greets, and lets a user in where one is named. Without a user it refuses one called `director-health-check`, which proves that it lives.",
    MYSQL.keys(login::keys())
);

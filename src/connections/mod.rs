//! The kernel's connection table for people and programs: with names, filtered, counted, and asked
//! why a client lands on a server.
//!
//! ```text
//!   /proc/net/ip_vs_conn ─► line by line ─► filter.rs ─┬─► an object each, with names (names.rs)
//!                                                      ├─► top.rs: counts
//!                                                      └─► explain.rs ─► crate::why
//! ```
//!
//! `director connections` and `director why` read the table here, `GET /v1/connections` and
//! `GET /v1/why` in the director. A table of millions of entries is never in memory: one line is.

mod explain;
mod filter;
mod names;
mod top;

pub use explain::{Explained, OPEN, Question, Who, explain, quiescent};
pub use filter::{Filter, Net, NotFound, Wanted};
pub use names::{Known, KnownServer, Names, listen};
pub use top::{Counts, Row, Top, page};

use ipvs::Connection;
use serde_json::{Value, json};

/// An entry as an object.
#[must_use]
pub fn object(connection: &Connection, names: &Names) -> Value {
    json!({
        "protocol": connection.protocol.to_string().to_ascii_lowercase(),
        "client": connection.client.ip(),
        "client_port": connection.client.port(),
        "template": connection.client.port() == 0,
        "service": names.service(connection),
        "listen": listen(connection),
        "server": connection.server.to_string(),
        "server_name": names.server(connection),
        "state": connection.state.to_string(),
        "expires_seconds": connection.expires.as_secs(),
    })
}

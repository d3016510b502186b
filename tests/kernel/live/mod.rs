//! What happens to live connections when the tables change, and what weight 0 still gets.
//!
//! ```text
//!   service.rs    scheduler, flags, persistence, engine, netmask change
//!   server.rs     forwarding method, tunnel, thresholds, weight change; keys do not
//!   deletion.rs   a server, a service, the last service of a family goes
//!   quiesced.rs   who still reaches a server of weight 0; a drain
//!   refused.rs    what NEW_DEST and SET_DEST refuse, and what they do not
//!   apart.rs      two directors on one kernel
//!   probe.rs      a check that goes the way of the clients' packets
//! ```
//!
//! An answer from the connection's server shows that a connection *lives*. No answer, and a server
//! without a request, show that its packets are *dropped*.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod apart;
mod deletion;
mod probe;
mod quiesced;
mod refused;
mod server;
mod service;

use std::{io::Read, time::Duration};

use ipvs::{Errno, Result};

use crate::lab::{Connection, Failure, eventually};

/// How long to wait for an answer that must not come.
const SILENCE: Duration = Duration::from_millis(400);

/// Sends a request on a connection whose packets are dropped.
#[track_caller]
fn assert_dropped(connection: &mut Connection) {
    let socket = connection.socket();
    let patience = socket.read_timeout().unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    assert_eq!(connection.ask(), Err(Failure::Timeout));
    connection.socket().set_read_timeout(patience).unwrap();
}

/// The answer to the request of [`assert_dropped`], which TCP repeats until it gets through. No new
/// request is sent, so that no second answer is left over.
#[track_caller]
fn revived(connection: &mut Connection) -> String {
    let mut answer = Vec::new();
    eventually("an answer on a revived connection", || {
        let mut buffer = [0; 64];
        let read = connection.socket().read(&mut buffer).ok()?;
        answer.extend_from_slice(&buffer[..read]);
        let line = answer.strip_suffix(b"\n")?;
        Some(String::from_utf8_lossy(line).into_owned())
    })
}

/// The errno of a request that the kernel must refuse.
#[track_caller]
fn errno(result: Result<()>) -> Errno {
    let error = result.expect_err("the kernel refuses this");
    error.errno().unwrap_or_else(|| panic!("no errno: {error}"))
}

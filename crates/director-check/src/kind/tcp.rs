//! The server accepts a connection, and optionally answers as expected.
//!
//! A plain connection check does not run here but on the runner's own path, which takes fewer
//! system calls; results and the end of the connection are the same.
//!
//! **How the connection ends**: with a FIN, like any client that is done. `SO_LINGER` of zero would
//! send a reset and spare this machine the `TIME_WAIT`, but many servers log a reset as an error,
//! some count it against the client's address (MySQL's `max_connect_errors`), and one before
//! accept(2) confuses some of them. A `TIME_WAIT` costs a quarter of a kibibyte here for a minute,
//! and no port: connect(2) shares ports between destinations. On the ports of MySQL, which counts
//! each such connection against the address, a plain check is over before the server's program sees
//! it (`net::stay_unseen`).

use super::Driver;
use super::attempt::Attempt;
use super::duplex::{self, Duplex};
use super::expect;
use crate::failure::{Failure, Passed};
use crate::net::quote;
use director_config::state::health::{CheckAt, TcpCheck};

/// The part of an answer that is examined, in bytes.
const LIMIT: usize = 64 << 10;

/// A plain connection check needs no task.
pub(super) fn driver(spec: &TcpCheck, at: &CheckAt) -> Driver {
    match spec.send.is_empty() && spec.expect.is_none() && !at.through {
        true => Driver::Connects,
        false => Driver::Task,
    }
}

pub(super) async fn run(spec: &TcpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let Some(expect) = &spec.expect else {
        return send_only(spec, attempt).await;
    };
    let pattern = attempt.means.patterns.get(expect)?;
    let mut answer = Vec::new();
    let waiting = "waiting for what is expected";
    let enough = |all: &[u8]| pattern.is_match(all);
    let found = duplex::ask(attempt, &spec.send, waiting, &mut answer, LIMIT, enough).await?;
    match (found, answer.as_slice()) {
        (true, _) => Ok(Passed::default()),
        (false, []) => Err(Failure::new(format_args!(
            "closed without an answer, expected one that {}",
            expect::words(expect)
        ))),
        (false, got) => Err(Failure::new(format_args!(
            "unexpected answer: {}, expected one that {}",
            quote(got),
            expect::words(expect)
        ))),
    }
}

async fn send_only(spec: &TcpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut duplex = Duplex::new(attempt.connect().await?);
    attempt.stage("sending");
    duplex.say(&spec.send);
    duplex.finish().await;
    let Some(error) = duplex.deaf() else {
        return Ok(Passed::default());
    };
    // A server that answers before it has read the request has answered.
    match duplex.hear(&mut Vec::new(), 1).await {
        Ok(1..) => Ok(Passed::default()),
        _ => Err(Failure::io(&error)),
    }
}

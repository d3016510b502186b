//! It accepts a connection, and says what it should.
//!
//! A check that only connects does not come here but to the runner's own way for it, which takes
//! fewer system calls; what it finds and how it ends is the same.
//!
//! **How the connection ends**: with a FIN, as any client that is done. `SO_LINGER` of zero would
//! end it with a reset and spare this machine the `TIME_WAIT`, but many servers log a reset as an
//! error, some count it against the client's address (MySQL's `max_connect_errors`), and one that
//! comes before accept(2) makes some of them stumble. A `TIME_WAIT` costs a quarter of a kibibyte
//! here, for a minute, and no port: connect(2) shares ports between destinations.

use tokio::io::AsyncWriteExt;

use super::{Attempt, Failure, Passed};
use crate::check::net::{quote, read_until};
use crate::state::health::TcpCheck;

/// What is looked at of an answer, in bytes.
const LIMIT: usize = 64 << 10;

pub(super) async fn run(spec: &TcpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut stream = attempt.connect().await?;
    if !spec.send.is_empty() {
        attempt.stage("sending");
        stream
            .write_all(&spec.send)
            .await
            .map_err(|error| Failure::io(&error))?;
    }
    let Some(expect) = &spec.expect else {
        return Ok(Passed::default());
    };
    attempt.stage("waiting for what is expected");
    let pattern = attempt.means.patterns.get(expect)?;
    let mut answer = Vec::new();
    let found = read_until(&mut stream, &mut answer, LIMIT, |all| pattern.is_match(all))
        .await
        .map_err(|error| Failure::io(&error))?;
    match (found, answer.as_slice()) {
        (true, _) => Ok(Passed::default()),
        (false, []) => Err(Failure::new("closed without an answer")),
        (false, got) => Err(Failure::new(format_args!(
            "unexpected answer: {}",
            quote(got)
        ))),
    }
}

//! It takes a connection, and keeps it.
//!
//! The thread of connections holds it (`holds.rs`): there is neither a task nor a timer while it
//! stands. A process that dies ends it with a FIN or a reset, in the round trip that these take.
//! The kernel finds a machine that vanished, by keep-alives.

use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

use super::Driver;
use super::attempt::Attempt;
use crate::failure::{Failure, Passed};
use director_config::state::health::{CheckAt, IdleCheck, Pace};

/// Each of them is held. The service file lets none through the forwarding path; one that comes
/// all the same only connects.
pub(super) const fn driver(_: &IdleCheck, at: &CheckAt) -> Driver {
    match at.through {
        true => Driver::Task,
        false => Driver::Holds,
    }
}

pub(super) async fn run(_: &IdleCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    attempt.connect().await?;
    Ok(Passed::default())
}

/// How long a server can be silent until its connection ends: a keep-alive after the interval, and
/// the timeout for its answer.
pub(crate) fn patience(pace: &Pace) -> Duration {
    pace.interval + pace.timeout
}

/// Asks the kernel for keep-alives on a connection.
///
/// The kernel counts in whole seconds, at least one, from the last answer to the next question
/// (`TCP_KEEPIDLE`) and between questions (`TCP_KEEPINTVL`). At each question it looks whether
/// `TCP_USER_TIMEOUT`, in milliseconds, is over (`tcp_keepalive_timer`), so that the number of
/// questions (`TCP_KEEPCNT`) has no say.
pub(crate) fn keep_alive(socket: &Socket, pace: &Pace) {
    let seconds = |time: Duration| Duration::from_secs(time.as_secs().clamp(1, 32_767));
    let idle = seconds(pace.interval + Duration::from_millis(999));
    // Three questions in the timeout: one lost packet takes no server out.
    let keepalive = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(seconds(pace.timeout / 3));
    // What cannot be set leaves the kernel's two hours. Neither has a reason to fail.
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_user_timeout(Some(patience(pace)));
}

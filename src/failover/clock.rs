//! The boot-time clock, which no change of the date moves and which also runs while the machine
//! sleeps.

use std::time::Duration;

use nix::poll::PollTimeout;
use nix::time::{ClockId, clock_gettime};

/// The time since boot.
pub(crate) fn now() -> Duration {
    // The kernel has had this clock since 2.6.39; it cannot fail.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// A timeout for poll(2) until a time, rounded up.
pub(crate) fn timeout(now: Duration, until: Option<Duration>) -> PollTimeout {
    let Some(until) = until else {
        return PollTimeout::NONE;
    };
    let left = until.saturating_sub(now).as_micros().div_ceil(1000);
    PollTimeout::try_from(left.min(3_600_000)).unwrap_or(PollTimeout::ZERO)
}

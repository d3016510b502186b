//! Waiting for something that the kernel or a program does in its own time.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::pace::paced;

/// How long [`eventually`] waits, [`paced`]. Generous: a loaded machine is slow, and only a failing
/// test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between two looks, [`paced`]: to look must not keep a slow kernel from what is waited for.
const BREATH: Duration = Duration::from_millis(20);

/// Calls `look` until it has an answer.
///
/// # Panics
///
/// After 90 seconds ([`paced`]) without one, with `what` in the message.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (start, patience) = (Instant::now(), paced(PATIENCE));
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < patience,
            "waited {} s in vain: {what}",
            patience.as_secs()
        );
        thread::sleep(paced(BREATH));
    }
}

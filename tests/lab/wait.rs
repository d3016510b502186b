//! Waits for something that the kernel or a program does eventually.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::pace::paced;

/// The timeout of [`eventually`], [`paced`]. Generous: a loaded machine is slow, and only a failing
/// test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(90);

/// The interval of polling, [`paced`], so that polling does not slow down a slow kernel.
const BREATH: Duration = Duration::from_millis(20);

/// Calls `look` until it returns a value.
///
/// # Panics
///
/// After 90 seconds ([`paced`]) without a value, with `what` in the message.
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

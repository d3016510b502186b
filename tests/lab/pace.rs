//! How slow the kernel under a test is, and times scaled accordingly.
//!
//! Where QEMU emulates the processors, with three other tests beside, a healthy server may not
//! answer within 200 ms. A test whose subject is such times (how soon a death is found, what happens
//! within a drain) stretches all of them by one factor, those of the service file and those that it
//! waits itself: what happens in which order stays the same.

use std::{env, time::Duration};

use regex::{Captures, Regex};

/// The factor relative to User-Mode Linux or KVM: `LAB_PACE`, which `scripts/lab` sets.
pub(crate) fn pace() -> u32 {
    match env::var("LAB_PACE") {
        Ok(pace) => pace.parse().expect("LAB_PACE is a whole number"),
        Err(_) => 1,
    }
}

/// A time scaled for this kernel.
pub(crate) fn paced(time: Duration) -> Duration {
    time * pace()
}

/// A time in milliseconds, scaled for this kernel.
pub(crate) fn paced_ms(milliseconds: u64) -> Duration {
    paced(Duration::from_millis(milliseconds))
}

/// A service file whose checks and drains are scaled for this kernel.
pub(crate) fn paced_file(file: &str) -> String {
    stretched(file, pace())
}

/// Multiplies the times of checks, drains and slow starts; other keys stay.
fn stretched(file: &str, factor: u32) -> String {
    const TIMES: &str = r#"\b((?:fast_)?interval|timeout|drain|slow_start)( = ")([0-9]+)(ms|s|m)""#;
    let times = Regex::new(TIMES).expect("it is well formed");
    let stretch = |found: &Captures<'_>| {
        let time: u32 = found[3].parse().expect("a time that fits in 32 bits");
        format!("{}{}{}{}\"", &found[1], &found[2], time * factor, &found[4])
    };
    times.replace_all(file, stretch).into_owned()
}

#[test]
fn times_of_checks_are_stretched_and_no_others() {
    let file = r#"
drain = "2s"
daemon = { reconcile = "500ms" }
timeouts = { tcp = "10m" }
persistence = "5m"
check = { type = "tcp", interval = "200ms", fast_interval = "100ms", timeout = "1s", rise = 2 }
"#;
    let slow = r#"
drain = "10s"
daemon = { reconcile = "500ms" }
timeouts = { tcp = "10m" }
persistence = "5m"
check = { type = "tcp", interval = "1000ms", fast_interval = "500ms", timeout = "5s", rise = 2 }
"#;
    assert_eq!(stretched(file, 5), slow);
    assert_eq!(stretched(file, 1), file);
}

//! The times of the protocol as functions of version, priority and interval.

use std::time::Duration;

use crate::{Interval, Priority, Version};

/// `Skew_Time`: the higher the priority, the sooner a backup claims.
///
/// Version 3: (256 - priority) / 256 of the active router's interval (RFC 9568, 6.1). Version 2:
/// (256 - priority) / 256 seconds (RFC 3768, 6.1).
#[must_use]
pub fn skew_time(version: Version, priority: Priority, active_interval: Interval) -> Duration {
    let unit = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => active_interval.duration(),
    };
    unit * (256 - u32::from(priority.0)) / 256
}

/// `Active_Down_Interval`: three intervals of the active router and the skew time. After this long
/// without an advert a backup claims.
#[must_use]
pub fn active_down_interval(
    version: Version,
    priority: Priority,
    active_interval: Interval,
) -> Duration {
    lapse(active_interval) + skew_time(version, priority, active_interval)
}

/// How long an advert holds at least: no backup claims sooner.
#[must_use]
pub(super) fn lapse(interval: Interval) -> Duration {
    interval.duration() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_both_versions() {
        let centis = |n| Interval::from_centiseconds(n).unwrap();
        let down = |version, priority, interval| {
            active_down_interval(version, Priority(priority), centis(interval)).as_micros()
        };
        assert_eq!(down(Version::V3, 100, 100), 3_609_375);
        assert_eq!(down(Version::V3, 100, 10), 360_937);
        assert_eq!(down(Version::V3, 100, 1), 36_093);
        assert_eq!(down(Version::V3, 255, 100), 3_003_906);
        // In version 2 the skew is a part of a second, whatever the interval.
        assert_eq!(down(Version::V2, 100, 100), 3_609_375);
        assert_eq!(down(Version::V2, 100, 300), 9_609_375);
    }
}

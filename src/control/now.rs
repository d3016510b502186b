//! The current time on both clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::state::BootTime;

/// The current time, for deadlines and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since boot.
    pub boot: BootTime,
    /// The calendar time.
    pub wall: SystemTime,
}

impl Now {
    /// The calendar time in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        let since = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Converts a time since boot to calendar time.
    #[must_use]
    pub fn calendar(self, time: BootTime) -> SystemTime {
        if time >= self.boot {
            let ahead = self.boot.until(time);
            self.wall.checked_add(ahead).unwrap_or(self.wall)
        } else {
            let ago = time.until(self.boot);
            self.wall.checked_sub(ago).unwrap_or(self.wall)
        }
    }
}

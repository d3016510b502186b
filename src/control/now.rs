//! What time it is, by both clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::state::BootTime;

/// What time it is: for deadlines, and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since boot.
    pub boot: BootTime,
    /// The calendar's.
    pub wall: SystemTime,
}

impl Now {
    /// The calendar's time in milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        let since = self.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// A time since boot as one of the calendar.
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

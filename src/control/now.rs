//! What time it is, by both clocks.

use std::time::SystemTime;

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

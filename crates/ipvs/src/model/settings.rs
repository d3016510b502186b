//! What holds for a whole namespace: time limits, and what the kernel says of itself.

use std::fmt;

/// How long an idle connection is remembered, in seconds, 0 to 2147483647 divided by the kernel's
/// `HZ` (`ip_vs_set_timeout`, `EINVAL` past that). When set, 0 means "leave as it is".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeouts {
    /// Established TCP; 900 by default.
    pub tcp: u32,
    /// TCP after a FIN; 120 by default.
    pub tcp_fin: u32,
    /// UDP; 300 by default.
    pub udp: u32,
}

/// The version of IPVS in the kernel, such as 1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u8,
    /// The second number.
    pub minor: u8,
    /// The third number.
    pub patch: u8,
}

impl Version {
    /// From `IP_VS_VERSION_CODE`'s layout.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        let [_, major, minor, patch] = code.to_be_bytes();
        Self {
            major,
            minor,
            patch,
        }
    }

    /// In `IP_VS_VERSION_CODE`'s layout.
    #[must_use]
    pub const fn code(self) -> u32 {
        u32::from_be_bytes([0, self.major, self.minor, self.patch])
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What the kernel says of its IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Info {
    /// Its version.
    pub version: Version,
    /// Buckets of the connection table. Since the tables became resizable this is the size of the
    /// moment and not that of the module's parameter.
    pub connection_table_size: u32,
}

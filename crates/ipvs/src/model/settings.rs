//! Settings of a whole namespace: timeouts, and the kernel's information about IPVS.

use std::fmt;

/// How long the kernel keeps an idle connection, in seconds, 0 to 2147483647 divided by the
/// kernel's `HZ` (`ip_vs_set_timeout` returns `EINVAL` above). When set, 0 leaves a timeout
/// unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timeouts {
    /// Established TCP connections; default 900.
    pub tcp: u32,
    /// TCP connections after a FIN; default 120.
    pub tcp_fin: u32,
    /// UDP flows; default 300.
    pub udp: u32,
}

/// The version of IPVS in the kernel, such as 1.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// The major number.
    pub major: u8,
    /// The minor number.
    pub minor: u8,
    /// The patch number.
    pub patch: u8,
}

impl Version {
    /// Decodes the layout of `IP_VS_VERSION_CODE`.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        let [_, major, minor, patch] = code.to_be_bytes();
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Encodes the layout of `IP_VS_VERSION_CODE`.
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

/// The kernel's information about its IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Info {
    /// The version of IPVS, not of the kernel.
    pub version: Version,
    /// The number of buckets of the connection table. In kernels with resizable tables, the current
    /// size rather than the module's parameter.
    pub connection_table_size: u32,
}

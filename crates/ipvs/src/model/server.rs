//! Real servers.

use std::fmt;

use super::{ServerKey, Stats, Tunnel};

/// The configuration of a real server within its virtual service.
///
/// ```
/// use ipvs::{ForwardMethod, Server, ServerKey, Weight};
///
/// let app = Server::new(ServerKey::new([10, 0, 0, 11], 80), ForwardMethod::Masquerade)
///     .weight(Weight::new(50).expect("below 2^31"));
/// assert_eq!(app.weight.get(), 50);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Server {
    /// The server's address and port.
    pub key: ServerKey,
    /// How packets reach the server.
    pub forward: ForwardMethod,
    /// Its share under weighted schedulers. 0 stops new clients, except persistent clients with a
    /// template and UDP flows that reuse their port.
    pub weight: Weight,
    /// The most connections (active and inactive): above it the server gets no new ones; 0 for no
    /// limit (`ip_vs_bind_dest`). Current kernels (7.2) return `EINVAL` above 2^31 - 1; older ones
    /// (6.1.176) accept it.
    pub upper_threshold: u32,
    /// Below this number of connections the server gets new ones again; 0 for three quarters of the
    /// upper threshold. `ERANGE` if above the upper threshold.
    pub lower_threshold: u32,
    /// The encapsulation under [`ForwardMethod::Tunnel`]. The kernel stores it for the other
    /// methods too, and ignores it.
    pub tunnel: Tunnel,
}

impl Server {
    /// A server with weight 1, no thresholds, and plain IPIP as its encapsulation.
    #[must_use]
    pub const fn new(key: ServerKey, forward: ForwardMethod) -> Self {
        Self {
            key,
            forward,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel: Tunnel::IPIP,
        }
    }

    /// The same server with this weight.
    #[must_use]
    pub const fn weight(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }

    /// The same server with these connection thresholds.
    #[must_use]
    pub const fn thresholds(mut self, upper: u32, lower: u32) -> Self {
        self.upper_threshold = upper;
        self.lower_threshold = lower;
        self
    }

    /// The same server with this encapsulation.
    #[must_use]
    pub const fn tunnel(mut self, tunnel: Tunnel) -> Self {
        self.tunnel = tunnel;
        self
    }
}

/// A server's weight, 0 to 2147483647: the kernel stores an `int` and rejects negative values with
/// `ERANGE` (`ip_vs_add_dest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u32"))]
pub struct Weight(u32);

impl Weight {
    /// The weight of a server that gets no new clients.
    pub const ZERO: Self = Self(0);
    /// The default weight.
    pub const ONE: Self = Self(1);
    /// The largest weight.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// A weight, or `None` above [`Weight::MAX`].
    #[must_use]
    pub const fn new(weight: u32) -> Option<Self> {
        if weight <= Self::MAX.0 {
            Some(Self(weight))
        } else {
            None
        }
    }

    /// The weight's value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Weight {
    type Error = WeightError;

    fn try_from(weight: u32) -> Result<Self, WeightError> {
        Self::new(weight).ok_or(WeightError(weight))
    }
}

/// A number above [`Weight::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a weight is at most 2147483647, not {0}")]
pub struct WeightError(pub u32);

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How packets reach a real server: `IP_VS_CONN_F_FWD_MASK` of the connection flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ForwardMethod {
    /// 0: NAT. IPVS rewrites the destination address, and the source of the reply on its way back.
    Masquerade,
    /// 1: delivered to this machine. The kernel uses it itself for local addresses when it
    /// forwards; it appears in the table only if a user set it.
    Local,
    /// 2: encapsulated in another IP packet; see [`Tunnel`].
    Tunnel,
    /// 3: sent unchanged to the server's link-layer address (direct routing). The kernel's default.
    DirectRoute,
    /// 4: sent to the original destination, bypassing the cache. Used by the kernel only.
    Bypass,
    /// 5 to 7: undefined in the uapi header, but stored by the kernel.
    Other(u8),
}

impl ForwardMethod {
    /// The bits that hold the method, `IP_VS_CONN_F_FWD_MASK`.
    const MASK: u32 = 0x7;

    /// The number of the method, 0 to 7.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Masquerade => 0,
            Self::Local => 1,
            Self::Tunnel => 2,
            Self::DirectRoute => 3,
            Self::Bypass => 4,
            Self::Other(number) => number as u32 & Self::MASK,
        }
    }

    /// The method in a word of connection flags; ignores the other bits.
    #[must_use]
    pub fn from_number(word: u32) -> Self {
        match word & Self::MASK {
            0 => Self::Masquerade,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::DirectRoute,
            4 => Self::Bypass,
            other => Self::Other(u8::try_from(other).unwrap_or(u8::MAX)),
        }
    }
}

/// A real server as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerEntry {
    /// The server's configuration.
    pub server: Server,
    /// Connections in a state that counts as active, such as an established TCP connection.
    pub active: u32,
    /// Other connections: closing TCP connections, UDP flows.
    pub inactive: u32,
    /// Persistence templates for this server.
    pub persistent: u32,
    /// The server's counters and rates.
    pub stats: Stats,
}

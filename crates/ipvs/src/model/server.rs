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
    /// Which server.
    pub key: ServerKey,
    /// How packets reach it.
    pub forward: ForwardMethod,
    /// Its share under weighted schedulers; 0 takes no new clients (persistent clients with a
    /// template, and UDP flows that reuse their port, still come).
    pub weight: Weight,
    /// More connections than this (active and inactive), and the server gets no new ones; 0 for
    /// no limit (`ip_vs_bind_dest`). Above 2^31 - 1, kernels of today (7.2) say `EINVAL`; older
    /// ones (6.1.176) take it.
    pub upper_threshold: u32,
    /// Below this it gets new ones again; 0 for three quarters of the upper one. More than the
    /// upper threshold is `ERANGE`.
    pub lower_threshold: u32,
    /// How packets are wrapped under [`ForwardMethod::Tunnel`]. The kernel keeps it for the other
    /// methods too, and does nothing with it.
    pub tunnel: Tunnel,
}

impl Server {
    /// A server of weight 1, without thresholds, its tunnel (if it is one) plain IPIP.
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

    /// The same server with that weight.
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

    /// The same server with that encapsulation.
    #[must_use]
    pub const fn tunnel(mut self, tunnel: Tunnel) -> Self {
        self.tunnel = tunnel;
        self
    }
}

/// A server's weight, 0 to 2147483647: the kernel keeps an `int` and refuses negative ones with
/// `ERANGE` (`ip_vs_add_dest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u32"))]
pub struct Weight(u32);

impl Weight {
    /// No new clients.
    pub const ZERO: Self = Self(0);
    /// The usual weight.
    pub const ONE: Self = Self(1);
    /// The largest weight.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// A weight, or `None` past [`Weight::MAX`].
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

/// A number that is no weight.
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
    /// 0: the destination address is rewritten, and the answer's source on its way back (NAT).
    Masquerade,
    /// 1: handed up to this machine. The kernel chooses it itself for its own addresses when it
    /// forwards; it appears in the table only where somebody set it.
    Local,
    /// 2: wrapped in another IP packet, see [`Tunnel`].
    Tunnel,
    /// 3: sent to the server's link address as it is (direct routing). The kernel's default.
    DirectRoute,
    /// 4: sent on to where it was addressed, past the cache. The kernel's own.
    Bypass,
    /// 5 to 7: without meaning in the uapi header, and yet the kernel stores them.
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

    /// The method in a word of connection flags; the other bits are left out.
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
    /// Its configuration.
    pub server: Server,
    /// Connections in a state that counts as active (TCP established, for one).
    pub active: u32,
    /// Other connections: closing TCP ones, UDP flows.
    pub inactive: u32,
    /// Persistence templates that point to it.
    pub persistent: u32,
    /// Its counters and rates.
    pub stats: Stats,
}

//! The small values of the protocol, checked once when they are made.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3768: IPv4, intervals of whole seconds.
    V2,
    /// RFC 9568: IPv4 and IPv6, intervals of centiseconds.
    V3,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.number())
    }
}

/// The address family of a virtual router. A router has one; the same id may exist in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Octets of an address.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The id of a virtual router (VRID), 1 to 255, unique on a link and in a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualRouterId(NonZeroU8);

impl VirtualRouterId {
    /// `None` for 0, which the protocol does not use.
    #[must_use]
    pub const fn new(id: u8) -> Option<Self> {
        match NonZeroU8::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for VirtualRouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A priority as sent: 0 releases the addresses, 255 is their owner's, 1 to 254 are all others'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(pub u8);

impl Priority {
    /// The active router stops; a backup should take over after `Skew_Time`.
    pub const RELEASE: Self = Self(0);
    /// The least with which a router claims.
    pub const LEAST: Self = Self(1);
    /// What the RFCs recommend for a backup.
    pub const DEFAULT: Self = Self(100);
    /// The highest of a router that does not own the addresses.
    pub const HIGHEST: Self = Self(254);
    /// The router that owns the addresses.
    pub const OWNER: Self = Self(255);
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time between two adverts (`Advertisement_Interval`), in centiseconds.
///
/// Version 3 carries 1 to 4095 centiseconds, version 2 whole seconds from 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interval(u16);

impl Interval {
    /// The default of both versions.
    pub const SECOND: Self = Self(100);
    /// The longest that version 3 carries: 40.95 s.
    pub const LONGEST_V3: Self = Self(0x0fff);

    /// `None` for 0 and for more than 255 s, which neither version carries.
    #[must_use]
    pub const fn from_centiseconds(centiseconds: u16) -> Option<Self> {
        match centiseconds {
            1..=25_500 => Some(Self(centiseconds)),
            _ => None,
        }
    }

    /// `None` for 0.
    #[must_use]
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        Self::from_centiseconds(seconds as u16 * 100)
    }

    /// In centiseconds.
    #[must_use]
    pub const fn centiseconds(self) -> u16 {
        self.0
    }

    /// In seconds, if it is a whole number of them.
    #[must_use]
    pub fn seconds(self) -> Option<u8> {
        match (self.0 / 100, self.0 % 100) {
            (seconds, 0) => u8::try_from(seconds).ok(),
            _ => None,
        }
    }

    /// Whether this version can carry it.
    #[must_use]
    pub fn fits(self, version: Version) -> bool {
        match version {
            Version::V2 => self.seconds().is_some(),
            Version::V3 => self <= Self::LONGEST_V3,
        }
    }

    /// As a time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds() {
            Some(seconds) => write!(f, "{seconds} s"),
            None => write!(f, "{} ms", u32::from(self.0) * 10),
        }
    }
}

/// The password of version 2, padded with zeros to 8 bytes. It travels in clear text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Password([u8; 8]);

impl Password {
    /// The first 8 bytes of a text, as is the custom; `None` for an empty one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        (!text.is_empty()).then_some(Self(bytes))
    }

    pub(crate) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// Does not show the password.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The authentication of version 2. Version 3 has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Auth {
    /// Type 0.
    #[default]
    None,
    /// Type 1, a password in clear text. RFC 3768 removed it, keepalived still speaks it.
    Password(Password),
}

impl Auth {
    /// The type on the wire.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Password(_) => 1,
        }
    }
}

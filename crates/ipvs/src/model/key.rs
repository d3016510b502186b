//! Keys: how the kernel tells services and real servers apart.
//!
//! A virtual service is identified by (protocol, address, port) or by (family, firewall mark), a
//! real server within its service by (address, port). A key cannot be changed in place: an object
//! with another key is another object (`ip_vs_service_find`, `ip_vs_lookup_dest`).

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;

/// An address family, `AF_INET` or `AF_INET6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
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
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The transport protocol of a virtual service. IPVS balances these three
/// (`ip_vs_genl_parse_service` rejects others with `EPROTONOSUPPORT`).
///
/// Ordered by IP protocol number: TCP 6, UDP 17, SCTP 132.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 132.
    Sctp,
}

impl Protocol {
    /// The IP protocol number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The protocol with this IP protocol number, if IPVS balances it.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The lower-case name, as `/etc/services` spells it: `tcp`, `udp`, `sctp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A firewall mark, 1 to 4294967295. Zero means "no mark" to the kernel and identifies no service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fwmark(NonZeroU32);

impl Fwmark {
    /// A mark, or `None` for zero.
    #[must_use]
    pub const fn new(mark: u32) -> Option<Self> {
        match NonZeroU32::new(mark) {
            Some(mark) => Some(Self(mark)),
            None => None,
        }
    }

    /// The mark's value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Fwmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of a virtual service.
///
/// The order is (fwmark, family, protocol, address, port) by numeric value, services by address
/// (which have no mark) first. `Display` writes `tcp://192.0.2.10:80`, `udp://[2001:db8::1]:53`,
/// `fwmark://7` and, for IPv6, `fwmark6://7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceKey {
    /// Packets of a protocol to an address and port.
    Address {
        /// The transport protocol.
        protocol: Protocol,
        /// The virtual address.
        address: IpAddr,
        /// The port; 0 accepts every port (persistent services only).
        port: u16,
    },
    /// Packets that carry a firewall mark, to any address and of any protocol.
    Fwmark {
        /// The family of the packets.
        family: Family,
        /// The mark.
        mark: Fwmark,
    },
}

impl ServiceKey {
    /// A TCP service.
    #[must_use]
    pub fn tcp(address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address {
            protocol: Protocol::Tcp,
            address: address.into(),
            port,
        }
    }

    /// A UDP service.
    #[must_use]
    pub fn udp(address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address {
            protocol: Protocol::Udp,
            address: address.into(),
            port,
        }
    }

    /// An SCTP service.
    #[must_use]
    pub fn sctp(address: impl Into<IpAddr>, port: u16) -> Self {
        Self::Address {
            protocol: Protocol::Sctp,
            address: address.into(),
            port,
        }
    }

    /// A service for marked packets of one family.
    #[must_use]
    pub const fn fwmark(family: Family, mark: Fwmark) -> Self {
        Self::Fwmark { family, mark }
    }

    /// The family of the service's packets.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Fwmark { family, .. } => *family,
        }
    }

    /// The transport protocol; `None` for a firewall mark.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address { protocol, .. } => Some(*protocol),
            Self::Fwmark { .. } => None,
        }
    }
}

impl Ord for ServiceKey {
    fn cmp(&self, other: &Self) -> Ordering {
        // Numeric fields, because tables of thousands of services are maps by this key.
        fn fields(key: &ServiceKey) -> (u64, u128, u16) {
            // The mark (0 for none), the family, the protocol.
            let first = |mark: u32, protocol: u8| {
                u64::from(mark) << 16 | u64::from(key.family() as u8) << 8 | u64::from(protocol)
            };
            match *key {
                ServiceKey::Address {
                    protocol,
                    address,
                    port,
                } => {
                    let bits = match address {
                        IpAddr::V4(v4) => u128::from(v4.to_bits()),
                        IpAddr::V6(v6) => v6.to_bits(),
                    };
                    (first(0, protocol as u8), bits, port)
                }
                ServiceKey::Fwmark { mark, .. } => (first(mark.get(), 0), 0, 0),
            }
        }
        fields(self).cmp(&fields(other))
    }
}

impl PartialOrd for ServiceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address {
                protocol,
                address,
                port,
            } => {
                write!(f, "{protocol}://{}", SocketAddr::new(address, port))
            }
            Self::Fwmark {
                family: Family::V4,
                mark,
            } => write!(f, "fwmark://{mark}"),
            Self::Fwmark {
                family: Family::V6,
                mark,
            } => write!(f, "fwmark6://{mark}"),
        }
    }
}

/// Parses the form that `Display` writes.
impl FromStr for ServiceKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (scheme, rest) = text.split_once("://").ok_or(KeyError)?;
        let mark = || rest.parse().ok().and_then(Fwmark::new).ok_or(KeyError);
        let protocol = match scheme {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            "fwmark" => {
                return Ok(Self::Fwmark {
                    family: Family::V4,
                    mark: mark()?,
                });
            }
            "fwmark6" => {
                return Ok(Self::Fwmark {
                    family: Family::V6,
                    mark: mark()?,
                });
            }
            _ => return Err(KeyError),
        };
        let at: SocketAddr = rest.parse().map_err(|_| KeyError)?;
        Ok(Self::Address {
            protocol,
            address: at.ip(),
            port: at.port(),
        })
    }
}

/// The error for a string that is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not of the form tcp://192.0.2.10:80, udp://[2001:db8::1]:53, sctp://192.0.2.10:80, \
     fwmark://7, fwmark6://7, or for a real server 10.0.0.11:80"
)]
pub struct KeyError;

/// The identity of a real server within its service. Ordered by (address, port), IPv4 first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey {
    /// The real server's address. Its family can differ from the service's only with
    /// [`Tunnel`](super::ForwardMethod::Tunnel).
    pub address: IpAddr,
    /// The real server's port. Direct routing and tunnelling ignore it: packets keep the service's
    /// port.
    pub port: u16,
}

impl ServerKey {
    /// The key of the server at this address and port.
    #[must_use]
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        Self {
            address: address.into(),
            port,
        }
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// Parses the form that `Display` writes.
impl FromStr for ServerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let at: SocketAddr = text.parse().map_err(|_| KeyError)?;
        Ok(Self::new(at.ip(), at.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let keys = [
            ServiceKey::tcp([192, 0, 2, 10], 80),
            ServiceKey::sctp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 0),
            ServiceKey::fwmark(Family::V4, Fwmark::new(u32::MAX).unwrap()),
            ServiceKey::fwmark(Family::V6, Fwmark::new(1).unwrap()),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for wrong in [
            "",
            "tcp:/1.2.3.4:80",
            "tcp://1.2.3.4",
            "fwmark://0",
            "icmp://1.2.3.4:0",
        ] {
            assert_eq!(wrong.parse::<ServiceKey>(), Err(KeyError), "{wrong}");
        }
    }

    #[test]
    fn services_are_ordered_by_mark_family_protocol_address_port() {
        let mark = |family, mark| ServiceKey::fwmark(family, Fwmark::new(mark).unwrap());
        let ordered = [
            ServiceKey::tcp([1, 0, 0, 1], 80),
            ServiceKey::tcp([200, 0, 0, 1], 80),
            ServiceKey::tcp([200, 0, 0, 1], 443),
            ServiceKey::udp([1, 0, 0, 1], 53),
            ServiceKey::sctp([1, 0, 0, 1], 53),
            ServiceKey::tcp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80),
            mark(Family::V4, 1),
            mark(Family::V6, 1),
            mark(Family::V4, 2),
            mark(Family::V4, u32::MAX),
        ];
        let mut shuffled = ordered;
        shuffled.reverse();
        shuffled.sort();
        assert_eq!(shuffled, ordered);
    }

    #[test]
    fn keys_read_as_addresses() {
        assert_eq!(
            ServiceKey::tcp([192, 0, 2, 10], 80).to_string(),
            "tcp://192.0.2.10:80"
        );
        assert_eq!(
            ServiceKey::udp([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 53).to_string(),
            "udp://[2001:db8::1]:53"
        );
        let seven = Fwmark::new(7).unwrap();
        assert_eq!(
            ServiceKey::fwmark(Family::V6, seven).to_string(),
            "fwmark6://7"
        );
        assert_eq!(
            ServerKey::new([10, 0, 0, 1], 8080).to_string(),
            "10.0.0.1:8080"
        );
    }
}

//! Virtual services.

use std::fmt;
use std::net::Ipv4Addr;

use super::{Family, Name, ServiceFlags, ServiceKey, Stats};

/// The configuration of a virtual service: all that a user can set, and nothing that the kernel
/// counts.
///
/// ```
/// use ipvs::{Netmask, Service, ServiceFlags, ServiceKey};
///
/// let web = Service::new(ServiceKey::tcp([192, 0, 2, 10], 80), Service::RR)
///     .persistent(300)
///     .netmask(Netmask::V4([255, 255, 255, 0].into()));
/// assert!(web.flags.contains(ServiceFlags::PERSISTENT));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Service {
    /// Which service.
    pub key: ServiceKey,
    /// The scheduler's name, such as `wlc`. [`Service::NO_SCHEDULER`] (`none`) stands for a
    /// service without one: it refuses every new connection.
    pub scheduler: Name,
    /// Persistence, one-packet scheduling and the scheduler's flags.
    pub flags: ServiceFlags,
    /// How long a client stays with its server after its last connection, in seconds. The kernel
    /// keeps the value without [`ServiceFlags::PERSISTENT`] too, and then does nothing with it.
    pub timeout: u32,
    /// Clients that are equal under this mask count as one for persistence.
    pub netmask: Netmask,
    /// The persistence engine, such as `sip`; `None` to stick by address.
    pub engine: Option<Name>,
}

impl Service {
    /// Round robin.
    pub const RR: Name = Name::from_static("rr");
    /// Weighted least-connection, `ipvsadm`'s default.
    pub const WLC: Name = Name::from_static("wlc");
    /// The kernel's word for "no scheduler" (`ip_vs_genl_fill_service`, `ip_vs_add_service`).
    pub const NO_SCHEDULER: Name = Name::from_static("none");

    /// A service that is not persistent, with the widest mask.
    #[must_use]
    pub const fn new(key: ServiceKey, scheduler: Name) -> Self {
        Self {
            key,
            scheduler,
            flags: ServiceFlags::empty(),
            timeout: 0,
            netmask: Netmask::host(key.family()),
            engine: None,
        }
    }

    /// The same service, persistent for that many seconds.
    #[must_use]
    pub const fn persistent(mut self, seconds: u32) -> Self {
        self.flags = self.flags.union(ServiceFlags::PERSISTENT);
        self.timeout = seconds;
        self
    }

    /// The same service with that persistence mask.
    #[must_use]
    pub const fn netmask(mut self, netmask: Netmask) -> Self {
        self.netmask = netmask;
        self
    }

    /// The same service with these flags set in addition.
    #[must_use]
    pub const fn with_flags(mut self, flags: ServiceFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// The same service with that persistence engine.
    #[must_use]
    pub const fn engine(mut self, engine: Name) -> Self {
        self.engine = Some(engine);
        self
    }
}

/// A persistence mask. An IPv4 service has a mask of bits (which need not be contiguous), an IPv6
/// one a prefix length (`IPVS_SVC_ATTR_NETMASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Netmask {
    /// The mask's four bytes, such as 255.255.255.0.
    V4(Ipv4Addr),
    /// A prefix length; the kernel takes 1 to 128 and refuses others with `EINVAL`.
    V6(u32),
}

impl Netmask {
    /// The mask under which every client counts for itself: /32 or /128.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Self::V6(128),
        }
    }

    /// For which family of service the mask is.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }
}

impl fmt::Display for Netmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(mask) => mask.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}

/// A virtual service as the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Its configuration.
    pub service: Service,
    /// Its counters and rates.
    pub stats: Stats,
}

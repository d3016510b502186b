//! Virtual services.

use std::fmt;
use std::net::Ipv4Addr;

use super::{Family, Name, ServiceFlags, ServiceKey, Stats};

/// The configuration of a virtual service: everything that a user can set, and no counters.
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
    /// The service's identity.
    pub key: ServiceKey,
    /// The scheduler's name, such as `wlc`. [`Service::NO_SCHEDULER`] (`none`) means no scheduler:
    /// the service refuses every new connection.
    pub scheduler: Name,
    /// Persistence, one-packet scheduling and the scheduler's flags.
    pub flags: ServiceFlags,
    /// How long a client stays with its server after its last connection, in seconds. Without
    /// [`ServiceFlags::PERSISTENT`] the kernel stores the value and ignores it.
    pub timeout: u32,
    /// Clients with the same address under this mask count as one for persistence.
    pub netmask: Netmask,
    /// The persistence engine, such as `sip`; `None` for persistence by address.
    pub engine: Option<Name>,
}

impl Service {
    /// Round robin.
    pub const RR: Name = Name::from_static("rr");
    /// Weighted least-connection, `ipvsadm`'s default.
    pub const WLC: Name = Name::from_static("wlc");
    /// The kernel's word for "no scheduler" (`ip_vs_genl_fill_service`, `ip_vs_add_service`).
    pub const NO_SCHEDULER: Name = Name::from_static("none");

    /// A service without persistence, with the widest mask.
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

    /// The same service with persistence for this many seconds.
    #[must_use]
    pub const fn persistent(mut self, seconds: u32) -> Self {
        self.flags = self.flags.union(ServiceFlags::PERSISTENT);
        self.timeout = seconds;
        self
    }

    /// The same service with this persistence mask.
    #[must_use]
    pub const fn netmask(mut self, netmask: Netmask) -> Self {
        self.netmask = netmask;
        self
    }

    /// The same service with these additional flags.
    #[must_use]
    pub const fn with_flags(mut self, flags: ServiceFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// The same service with this persistence engine.
    #[must_use]
    pub const fn engine(mut self, engine: Name) -> Self {
        self.engine = Some(engine);
        self
    }
}

/// A persistence mask. An IPv4 service has a bit mask (not necessarily contiguous), an IPv6 service
/// a prefix length (`IPVS_SVC_ATTR_NETMASK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Netmask {
    /// The mask's four bytes, such as 255.255.255.0.
    V4(Ipv4Addr),
    /// A prefix length; the kernel accepts 1 to 128 and rejects others with `EINVAL`.
    V6(u32),
}

impl Netmask {
    /// The mask that separates all clients: /32 or /128.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::V4 => Self::V4(Ipv4Addr::BROADCAST),
            Family::V6 => Self::V6(128),
        }
    }

    /// The family of service that the mask fits.
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
    /// The service's configuration.
    pub service: Service,
    /// The service's counters and rates.
    pub stats: Stats,
}

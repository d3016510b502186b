//! How a virtual router, or a group of them, is set.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::codec::{AcceptForms, AddressList, Advert, ChecksumForm, Expect, max_addresses};
use crate::{Auth, Family, Interval, Priority, Version, VirtualRouterId};

/// The settings of a [`Machine`](super::Machine).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The priority of this router, 1 to 255.
    pub priority: Priority,
    /// Whether it takes over from an active router of lower priority.
    pub preempt: Preempt,
    /// The longest wait after [`Input::Start`](super::Input::Start) before it claims anything;
    /// [`Input::Ready`](super::Input::Ready) ends it.
    pub startup_delay: Duration,
    /// The least time from the peer's first advert in a planned switchover to the release of the
    /// addresses.
    pub linger: Duration,
    /// How late a timer may be before the router takes itself to have been stalled. `None`: one
    /// interval as a backup; as the active one, until its claim has lapsed: three intervals after
    /// its last advert.
    pub stall: Option<Duration>,
    /// The virtual routers that move together; usually one.
    pub members: Vec<Member>,
}

impl Config {
    /// One virtual router that preempts without delay.
    #[must_use]
    pub fn new(priority: Priority, member: Member) -> Self {
        Self {
            priority,
            preempt: Preempt::default(),
            startup_delay: Duration::ZERO,
            linger: Duration::ZERO,
            stall: None,
            members: vec![member],
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.priority == Priority::RELEASE {
            return Err(ConfigError::Priority);
        }
        if self.members.is_empty() {
            return Err(ConfigError::NoMember);
        }
        self.members.iter().try_for_each(Member::check)
    }
}

/// Whether a backup takes over from an active router of lower priority (`Preempt_Mode`). Equal
/// priority never preempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempt {
    /// Only when the active router is gone. The owner (255) still starts as the active router.
    Never,
    /// When it has outranked the active router for this long.
    After(Duration),
}

impl Default for Preempt {
    fn default() -> Self {
        Self::After(Duration::ZERO)
    }
}

/// The form of the checksum that is sent in version 3 over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendForm {
    /// This one, until a peer sends another.
    Learn(ChecksumForm),
    /// Always this one.
    Always(ChecksumForm),
}

impl SendForm {
    pub(super) const fn first(self) -> ChecksumForm {
        match self {
            Self::Learn(form) | Self::Always(form) => form,
        }
    }
}

/// keepalived and FRR send the pseudo-header, and keepalived discards messages without it.
impl Default for SendForm {
    fn default() -> Self {
        Self::Learn(ChecksumForm::PseudoHeader)
    }
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The version.
    pub version: Version,
    /// The id.
    pub router: VirtualRouterId,
    /// The time between its adverts.
    pub interval: Interval,
    /// The primary address, from which adverts are sent; link-local for IPv6. The higher one wins
    /// between equal priorities.
    pub source: IpAddr,
    /// The virtual addresses. Those that do not fit the MTU are not in the adverts.
    pub addresses: AddressList,
    /// The authentication of version 2.
    pub auth: Auth,
    /// The checksum of what it sends.
    pub form: SendForm,
    /// The MTU of the interface.
    pub mtu: u16,
}

impl Member {
    /// A router of version 3 that sends once a second.
    #[must_use]
    pub fn new(router: VirtualRouterId, source: IpAddr, addresses: AddressList) -> Self {
        Self {
            version: Version::V3,
            router,
            interval: Interval::SECOND,
            source,
            addresses,
            auth: Auth::None,
            form: SendForm::default(),
            mtu: 1500,
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.source)
    }

    /// What it says with this priority: the addresses that fit.
    #[must_use]
    pub fn advert(&self, priority: Priority) -> Advert<'_> {
        let fitting = max_addresses(self.version, self.family(), self.mtu);
        Advert {
            version: self.version,
            router: self.router,
            priority,
            interval: self.interval,
            addresses: self.addresses.as_addresses().first(fitting),
            auth: self.auth,
        }
    }

    /// What it expects of others: all forms of the checksum, hop limit 255, and no message from
    /// `own`, the addresses from which this machine sends.
    #[must_use]
    pub fn expect<'a>(&self, own: &'a [IpAddr]) -> Expect<'a> {
        Expect {
            interval: self.interval,
            auth: self.auth,
            checksum: AcceptForms::All,
            own,
            ..Expect::new(self.version, self.family(), self.router)
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let router = self.router;
        // The encoder knows what the protocol cannot say.
        let advert = self.advert(Priority::OWNER);
        match advert.encode(self.form.first(), self.source, self.source) {
            Ok(_) => Ok(()),
            Err(why) => Err(ConfigError::Advert { router, why }),
        }
    }

    /// Whether a reload may turn the one into the other.
    pub(super) fn is_same_router(&self, other: &Self) -> bool {
        (self.version, self.router, self.family()) == (other.version, other.router, other.family())
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// 0 releases addresses; a router cannot have it.
    #[error("priority 0; a router has 1 to 255")]
    Priority,
    /// A group without routers.
    #[error("no virtual router")]
    NoMember,
    /// A router whose adverts cannot be sent.
    #[error("virtual router {router}: {why}")]
    Advert {
        /// Which one.
        router: VirtualRouterId,
        /// What the protocol cannot say.
        why: crate::codec::EncodeError,
    },
    /// A running machine keeps its routers: their number, order, ids, versions and families.
    #[error("other virtual routers than before; stop this machine and start a new one")]
    OtherRouters,
}

//! What the file in force says about virtual routers, in its form on disk: the next process compares
//! its first file with what the other directors know of this one.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vrrp::machine::{Preempt, SendForm};
use vrrp::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

use crate::state::failover::{
    Announce, Failover, Failovers, OnDeath, VirtualAddress, VirtualRouter,
};

/// Failover sections by name.
pub type SavedSections = BTreeMap<String, SavedSection>;

/// What other directors see of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSection {
    priority: u8,
    routers: Vec<SavedRouter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRouter {
    id: u8,
    version: u8,
    interface: String,
    peers: Vec<IpAddr>,
    centiseconds: u16,
    addresses: Vec<IpAddr>,
    /// A digest, so that the password is in the service file only.
    password: Option<u64>,
}

/// What is to be kept of these sections.
#[must_use]
pub fn save(failovers: &Failovers) -> SavedSections {
    let sections = failovers.failovers.iter();
    sections
        .map(|section| (section.name.to_string(), SavedSection::of(section)))
        .collect()
}

/// The sections as they were, for a comparison with those of a file. What was not kept is as it is
/// there.
#[must_use]
pub fn restore(saved: &SavedSections, file: &Failovers) -> Failovers {
    let sections = saved.iter().map(|(name, section)| {
        let now = file.get(name);
        let routers = section.routers.iter();
        let routers = routers.filter_map(|router| router.restore(now.map(|now| &**now)));
        let routers = routers.collect();
        let priority = Priority(section.priority);
        Arc::new(match now {
            Some(now) => Failover {
                routers,
                priority,
                ..Failover::clone(now)
            },
            None => Failover {
                routers,
                priority,
                ..removed(name)
            },
        })
    });
    Failovers {
        failovers: sections.collect(),
        held: file.held.clone(),
        peers: Arc::clone(&file.peers),
        relays: file.relays,
        announced: file.announced.clone(),
        machine: file.machine.clone(),
    }
}

/// A section that the file no longer has.
fn removed(name: &str) -> Failover {
    Failover {
        name: name.into(),
        priority: Priority::DEFAULT,
        preempt: Preempt::default(),
        routers: Vec::new(),
        follow: None,
        track: Vec::new(),
        floor: 1,
        on_death: OnDeath::Release,
        accept: true,
        synced: None,
        startup: Failover::DEFAULT_STARTUP,
        linger: Failover::DEFAULT_LINGER,
        announce: Announce::default(),
        notify: Arc::default(),
    }
}

impl SavedSection {
    fn of(section: &Failover) -> Self {
        Self {
            priority: section.priority.0,
            routers: section.routers.iter().map(SavedRouter::of).collect(),
        }
    }
}

impl SavedRouter {
    fn of(router: &VirtualRouter) -> Self {
        Self {
            id: router.id.get(),
            version: router.version.number(),
            interface: router.interface.to_string(),
            peers: router.peers.clone(),
            centiseconds: router.interval.centiseconds(),
            addresses: router.addresses.iter().map(|held| held.address).collect(),
            password: digest(router.auth),
        }
    }

    /// `None` for what no director writes.
    fn restore(&self, now: Option<&Failover>) -> Option<VirtualRouter> {
        let id = VirtualRouterId::new(self.id)?;
        let family = Family::of(*self.addresses.first()?);
        let routers = now.into_iter().flat_map(|now| &now.routers);
        let is_same = |router: &&VirtualRouter| (router.id, router.family) == (id, family);
        let now = routers.clone().find(is_same);
        let auth = match (self.password, now.map(|now| now.auth)) {
            (None, _) => Auth::None,
            (known, Some(now)) if digest(now) == known => now,
            _ => Password::new("another").map_or(Auth::None, Auth::Password),
        };
        let derived = IpAddr::from(VirtualRouter::derived_link_local(id));
        let addresses = self.addresses.iter().map(|address| VirtualAddress {
            derived: *address == derived,
            ..VirtualAddress::new(*address)
        });
        Some(VirtualRouter {
            id,
            family,
            version: match self.version {
                2 => Version::V2,
                _ => Version::V3,
            },
            interface: self.interface.as_str().into(),
            source: None,
            peers: self.peers.clone(),
            interval: Interval::from_centiseconds(self.centiseconds)?,
            addresses: addresses.collect(),
            routes: Vec::new(),
            auth,
            checksum: SendForm::default(),
            least_hop_limit: 255,
            virtual_mac: now.is_some_and(|now| now.virtual_mac),
        })
    }
}

/// The same number for the same password in every version of this program.
fn digest(auth: Auth) -> Option<u64> {
    (auth != Auth::None).then(|| {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        auth.hash(&mut hasher);
        hasher.finish()
    })
}

/// FNV-1a.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

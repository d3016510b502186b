//! What this director tells its peers, as the core last said it; and where it listens.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use director_peer::served::Served;
use director_peer::wire::{Hello, PROTOCOL, Section, State};
use nix::ifaddrs::getifaddrs;

use crate::state::failover::Peer;

/// Shared by all threads of peers; no thread holds the lock while waiting.
#[derive(Debug, Clone)]
pub(super) struct Own {
    inner: Arc<Mutex<Inner>>,
    instance: u64,
}

#[derive(Debug, Default)]
struct Inner {
    peers: Arc<[Arc<Peer>]>,
    /// Whether they get the new connections of this director.
    relays: bool,
    served: Arc<Served>,
    digest: u64,
    sections: Vec<Section>,
    /// The addresses that this director is about to take over.
    arriving: HashSet<IpAddr>,
    private: Option<(u32, u32)>,
    /// Grows with each other list of peers, which ends the threads of the last one.
    generation: u64,
}

impl Own {
    pub(super) fn new() -> Self {
        Self {
            inner: Arc::default(),
            instance: RandomState::new().hash_one(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other peers. Returns the number of this list.
    pub(super) fn declare(&self, peers: &Arc<[Arc<Peer>]>, relays: bool) -> u64 {
        let mut inner = self.lock();
        inner.relays = relays;
        inner.peers = Arc::clone(peers);
        inner.generation += 1;
        inner.generation
    }

    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.lock().generation == generation
    }

    pub(super) fn serve(&self, served: Arc<Served>, private: (u32, u32)) {
        let mut inner = self.lock();
        inner.digest = served.digest();
        inner.served = served;
        inner.private = Some(private);
    }

    pub(super) fn hold(&self, sections: Vec<Section>) {
        self.lock().sections = sections;
    }

    pub(super) fn arrive(&self, addresses: HashSet<IpAddr>) {
        self.lock().arriving = addresses;
    }

    /// Whether this director is about to take over one of these addresses.
    pub(super) fn arrives(&self, addresses: &HashSet<IpAddr>) -> bool {
        !self.lock().arriving.is_disjoint(addresses)
    }

    pub(super) fn served(&self) -> (Arc<Served>, u64) {
        let inner = self.lock();
        (Arc::clone(&inner.served), inner.digest)
    }

    pub(super) fn relays(&self) -> bool {
        self.lock().relays
    }

    pub(super) fn state(&self) -> State {
        let inner = self.lock();
        State {
            served: inner.digest,
            sections: inner.sections.clone(),
            relays: inner.relays,
        }
    }

    /// The addresses that this director holds.
    pub(super) fn held(&self) -> HashSet<IpAddr> {
        held(&self.lock().sections)
    }

    /// Whether this is a firewall mark of checks.
    pub(super) fn is_private(&self) -> impl Fn(u32) -> bool + use<> {
        let private = self.lock().private;
        move |mark| private.is_some_and(|(first, last)| (first..=last).contains(&mark))
    }

    pub(super) fn hello(&self) -> Hello {
        let peers = Arc::clone(&self.lock().peers);
        let name = itself(&peers).map_or(String::new(), |own| own.name.to_string());
        Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name,
            instance: self.instance,
        }
    }

    /// Whether the other end may be talked to.
    pub(super) fn check(&self, hello: &Hello) -> Result<(), String> {
        if hello.protocol != PROTOCOL {
            return Err(format!(
                "version {} speaks protocol {}, version {} protocol {PROTOCOL}",
                hello.version,
                hello.protocol,
                env!("CARGO_PKG_VERSION"),
            ));
        }
        if hello.instance == self.instance {
            return Err("this director has reached itself".to_owned());
        }
        Ok(())
    }
}

/// The addresses that these sections hold.
pub(super) fn held(sections: &[Section]) -> HashSet<IpAddr> {
    let holding = sections.iter().filter(|section| section.holds);
    holding
        .flat_map(|section| section.addresses.iter().copied())
        .collect()
}

/// The one of these peers that this machine is: an interface has its address.
pub(super) fn itself(peers: &[Arc<Peer>]) -> Option<Arc<Peer>> {
    let interfaces = getifaddrs().ok()?;
    let own: HashSet<IpAddr> = interfaces
        .filter_map(|found| {
            let address = found.address?;
            let v4 = address
                .as_sockaddr_in()
                .map(|found| IpAddr::from(found.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|found| found.ip().into()))
        })
        .collect();
    peers
        .iter()
        .find(|peer| own.contains(&peer.address))
        .cloned()
}

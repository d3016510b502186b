//! Addresses that a routing daemon of this machine announces while their services are healthy.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::state::health::{Damping, Threshold};

/// `[announce.NAME]`: addresses that are where a BGP or OSPF daemon looks for them, while their
/// services are healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The interface that gets the addresses; director makes a dummy interface of this name if
    /// there is none.
    pub interface: Arc<str>,
    /// The addresses, never empty.
    pub addresses: Vec<IpAddr>,
    /// How the routing daemon gets to know them.
    pub via: AnnouncedVia,
    /// What has to be healthy.
    pub follow: AnnouncedFollow,
    /// How changes of health that come too often are damped; `None`: not at all.
    pub damping: Option<Damping>,
    /// How long the addresses stay usable after they were withdrawn.
    pub linger: Duration,
}

impl Announced {
    /// The default of [`Announced::interface`].
    pub const DEFAULT_INTERFACE: &str = "director0";
    /// The default of [`Announced::linger`].
    pub const DEFAULT_LINGER: Duration = Duration::from_secs(10);
}

/// How the routing daemon gets to know the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnouncedVia {
    /// They are on the interface exactly while they are announced.
    Address,
    /// A route to each of them exists while they are announced.
    Route {
        /// The routing table; 254 (main) by default.
        table: u32,
        /// The metric while it is healthy.
        metric: u32,
        /// The metric while it is not; `None`: the route is withdrawn then.
        fallback: Option<u32>,
    },
}

/// What has to be healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedFollow {
    /// The names of the services; empty: those that listen on the addresses.
    pub services: Vec<Arc<str>>,
    /// Whether the servers of the services are counted, and not the services.
    pub servers: bool,
    /// How many of them are enough.
    pub need: Threshold,
}

impl Default for AnnouncedFollow {
    fn default() -> Self {
        Self {
            services: Vec::new(),
            servers: false,
            need: Threshold::Count(1),
        }
    }
}

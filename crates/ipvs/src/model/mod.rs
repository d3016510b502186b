//! IPVS objects as types; keys, configuration and state are separate.
//!
//! ```text
//!  ServiceKey ──► Service ──► ServiceEntry     what it is called, what is wanted of it,
//!  ServerKey  ──► Server  ──► ServerEntry      and what the kernel says of it (with counters)
//! ```
//!
//! To the kernel, two objects with equal keys are the same object; everything else about them can
//! be changed in place.

mod daemon;
mod flags;
mod key;
mod name;
mod server;
mod service;
mod settings;
mod stats;
mod tunnel;

pub use daemon::{DaemonRole, SyncDaemon, SyncId};
pub use flags::ServiceFlags;
pub use key::{Family, Fwmark, KeyError, Protocol, ServerKey, ServiceKey};
pub use name::{Name, NameError};
pub use server::{ForwardMethod, Server, ServerEntry, Weight, WeightError};
pub use service::{Netmask, Service, ServiceEntry};
pub use settings::{Info, Timeouts, Version};
pub use stats::{Rates, Stats, Totals};
pub use tunnel::{Tunnel, TunnelFlags, TunnelKind};

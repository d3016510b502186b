//! The machine around IPVS: addresses, routes, forwarding sysctls, network namespaces.
//!
//! ```text
//!   rtnetlink ─► socket.rs ─► address.rs, route.rs ─┐
//!                                                   ├─► Machine ─┐
//!   /proc/sys/net ─► sysctl.rs ─────────────────────┘            ├─► advise ─► Warning ─► text, JSON
//!   service file ─► declared services ───────────────────────────┘
//! ```
//!
//! - Nothing here changes anything.
//! - [`advise`] is a function of the declaration and the machine: no socket, no clock. It does not
//!   warn about anything unknown.
//! - A [`Machine`] costs one dump of addresses, one of routes and a few small files, whatever the
//!   number of services.
//! - The rtnetlink socket is blocking: `director plan` needs no runtime.
//! - `netlink-packet-route` encodes and decodes. This module walks a dump itself and decodes only
//!   the attributes that a query needs: 110,000 routes take 166 million instructions, 301 million
//!   as whole `RouteMessage`s, 112 million with our own decoders. Other attributes cannot corrupt a
//!   list.

mod address;
mod advise;
mod error;
mod leaving;
mod machine;
pub mod namespace;
mod route;
mod socket;
mod sysctl;
mod table;
mod warning;

#[cfg(test)]
mod tests;

pub use address::{AddressState, InterfaceAddress};
pub use advise::{advise, advise_holding};
pub use error::{NetError, Question};
pub use leaving::advise_checks;
pub use machine::{Interface, Machine};
pub use namespace::{NamespaceError, enter};
pub use route::{Route, RouteKind};
pub use socket::RouteSocket;
pub use sysctl::{Forwarding, SourceCheck};
pub use table::{Reach, Routes};
pub use warning::{Examples, Warning};

//! The machine around IPVS: its addresses, its routes, the sysctls that decide about forwarding,
//! its network namespaces.
//!
//! ```text
//!   rtnetlink ─► socket.rs ─► address.rs, route.rs ─┐
//!                                                   ├─► Machine ─┐
//!   /proc/sys/net ─► sysctl.rs ─────────────────────┘            ├─► advise ─► Warning ─► text, JSON
//!   service file ─► declared services ───────────────────────────┘
//! ```
//!
//! - Nothing in here changes anything.
//! - [`advise`] is a function of what is declared and of what the machine is like: no socket, no
//!   clock. What is not known is not warned about.
//! - A [`Machine`] costs one dump of addresses, one of routes and a few small files, whatever the
//!   number of services.
//! - rtnetlink is spoken to by a blocking socket: `director plan` needs no runtime.
//! - `netlink-packet-route` encodes and decodes. A dump is walked here, and only the attributes that
//!   a question is about are decoded: 110,000 routes take 166 million instructions, 301 million as
//!   whole `RouteMessage`s, 112 million with decoders of our own. No other attribute can spoil a list.

mod address;
mod advice;
mod error;
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
pub use advice::advise;
pub use error::{NetError, Question};
pub use machine::{Interface, Machine};
pub use namespace::{NamespaceError, enter};
pub use route::{Route, RouteKind};
pub use socket::RouteSocket;
pub use sysctl::{Forwarding, SourceCheck};
pub use table::{Reach, Routes};
pub use warning::{Examples, Warning};

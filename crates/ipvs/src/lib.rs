//! Linux IP Virtual Server (IPVS) over generic netlink.
//!
//! IPVS is the kernel's layer-4 load balancer. It forwards the packets of a *virtual service* (an
//! address and port, or a firewall mark) to one of the service's *real servers*, chosen by a
//! *scheduler*. This crate talks to it directly, without `ipvsadm` or libnl: it supports all
//! commands and attributes of `include/uapi/linux/ip_vs.h` on one socket.
//!
//! # A load balancer in ten lines
//!
//! ```no_run
//! use ipvs::{Client, ForwardMethod, Server, ServerKey, Service, ServiceKey, Weight};
//!
//! fn main() -> ipvs::Result<()> {
//!     let mut client = Client::connect()?;
//!     let web = ServiceKey::tcp([192, 0, 2, 10], 80);
//!     client.add_service(&Service::new(web, Service::WLC).persistent(300))?;
//!     for host in 11..=13 {
//!         let app = Server::new(ServerKey::new([10, 0, 0, host], 8080), ForwardMethod::Masquerade)
//!             .weight(Weight::new(50).expect("a weight below 2^31"));
//!         client.add_server(&web, &app)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What to know
//!
//! - **Privileges.** Every call but [`Client::connect`] needs `CAP_NET_ADMIN` in the initial user
//!   namespace (`GENL_ADMIN_PERM` in `ip_vs_ctl.c`). Tables, daemons and timeouts belong to a
//!   network namespace; a client stays in the one in which it connected.
//! - **Keys.** [`ServiceKey`] and [`ServerKey`] identify an object. Everything else of a
//!   [`Service`] or [`Server`] can be changed in place, but an update sets *all* of it: the kernel
//!   has no partial update. Read, modify, write back.
//! - **Batches.** [`Client::execute`] sends up to 256 operations in one datagram and reports on
//!   each. A failing operation does not stop the others.
//! - **Dumps can be wrong.** The kernel writes long lists in pieces and does not mark those that
//!   changed in between. Use [`Client::services`] and [`Client::servers`] for display; base
//!   decisions on [`Client::table`], which is consistent.
//! - **Errors say what to do.** [`Error`] carries the request, the object and the [`Errno`], and
//!   prints as a sentence. [`Error::is_stale_view`] means that another program changed the table
//!   first; after [`Error::is_outcome_unknown`], read the object again.
//! - **No notifications.** IPVS has no multicast group: to see changes, poll.
//! - **Connections** are only in `/proc`; [`Connections`] reads them one line at a time.
//!
//! # Layers
//!
//! ```text
//! Client ──► Transport: NetlinkSocket │ fake::FakeKernel │ yours
//!    │
//!    └─────► wire: messages and attributes <-> Operation, Query, Service, Server, …
//! ```
//!
//! The crate has no async runtime, no configuration and no policy. A call blocks while the kernel
//! works on it; a program that cannot wait should run its client on a separate thread. The public
//! interface does not expose the netlink crates underneath.
//!
//! # Features
//!
//! - `serde`: serializes keys, configuration and operations with serde; keys and names as strings.
//! - `fake`: the module `fake`, an in-memory IPVS that speaks the kernel's bytes, for tests.

mod client;
mod connections;
mod error;
mod explain;
#[cfg(feature = "fake")]
pub mod fake;
pub mod hashing;
mod model;
mod operation;
#[cfg(feature = "serde")]
mod serialize;
mod socket;
pub mod transport;
pub mod wire;

pub use client::{Client, Failure, OnFailure, Report, Table, TableService};
pub use connections::{Connection, Connections, EngineData, Origin};
pub use error::{DecodeError, Errno, Error, Refusal, Result};
pub use model::{
    DaemonRole, Family, ForwardMethod, Fwmark, Info, KeyError, Name, NameError, Netmask, Protocol,
    Rates, Server, ServerEntry, ServerKey, Service, ServiceEntry, ServiceFlags, ServiceKey, Stats,
    SyncDaemon, SyncId, Timeouts, Totals, Tunnel, TunnelFlags, TunnelKind, Version, Weight,
    WeightError,
};
pub use operation::{Operation, Query, Request};
pub use socket::NetlinkSocket;

/// Compiles the README's code with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Linux IP Virtual Server (IPVS) over generic netlink.
//!
//! IPVS is the kernel's layer-4 load balancer: it forwards the packets of a *virtual service* (an
//! address and port, or a firewall mark) to one of the service's *real servers*, which a
//! *scheduler* chooses. This crate speaks to it directly, without `ipvsadm` and without libnl:
//! all commands and attributes of `include/uapi/linux/ip_vs.h`, on one socket.
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
//! - **Rights.** Every call but [`Client::connect`] needs `CAP_NET_ADMIN` in the initial
//!   user namespace (`GENL_ADMIN_PERM` in `ip_vs_ctl.c`). Tables, daemons and time limits belong to a network
//!   namespace: a client stays in the one it was connected in.
//! - **Keys.** [`ServiceKey`] and [`ServerKey`] say which object; everything else of a
//!   [`Service`] or [`Server`] can be changed in place, and a change sets *all* of it: the kernel
//!   has no partial update. Read, alter, write back.
//! - **Many at once.** [`Client::execute`] sends up to 256 operations in one datagram and reports
//!   on each. One that fails does not stop those behind it.
//! - **Lists can lie.** The kernel writes long lists in pieces and does not mark those that
//!   changed meanwhile. [`Client::services`] and [`Client::servers`] are for showing;
//!   [`Client::table`] is known to be true, and is for deciding.
//! - **Errors say what to do.** [`Error`] carries the request, the object and the [`Errno`], and
//!   prints as a sentence. [`Error::is_stale_view`] tells "somebody was faster" from "this cannot
//!   be"; after [`Error::is_outcome_unknown`], read the object again.
//! - **Nothing is announced.** IPVS has no multicast group: whoever wants to see changes reads.
//! - **Connections** are in `/proc` only; [`Connections`] reads them one line at a time.
//!
//! # Layers
//!
//! ```text
//! Client ──► Transport: NetlinkSocket │ fake::FakeKernel │ yours
//!    │
//!    └─────► wire: messages and attributes <-> Operation, Query, Service, Server, …
//! ```
//!
//! There is no async runtime in here, no configuration and no policy. A call blocks for as long
//! as the kernel works on it; a program that cannot wait runs its client on a thread of its own.
//! The netlink crates underneath do not show in the public interface.
//!
//! # Features
//!
//! - `serde`: keys, configuration and operations can be written and read with serde; keys and
//!   names as strings.
//! - `fake`: the module `fake`, an IPVS in memory that speaks the same bytes, for tests.

mod advice;
mod client;
mod connections;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
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

/// The code in the README is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

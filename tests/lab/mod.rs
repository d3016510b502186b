//! Networks for testing a director: hosts, cables, real traffic, on one kernel.
//!
//! ```text
//!   let net = Lan::nat().real_servers(2).build();
//!
//!   client1 ──┐ br: front            br: back ┌── real1   10.2.0.11  fd00:2::11
//!   client2 ──┼──────── director ─────────────┼── real2   10.2.0.12  fd00:2::12
//!   10.1.i.k  │  VIP 10.1.0.100               │
//!             │      fd00:1::100              │
//!
//!   let _web = net.serve(Tcp, 80);
//!   net.director.run("ipvsadm -A -t 10.1.0.100:80 -s rr");
//!   let answers = net.client(1).ask(Tcp, net.service(V4, 80)).times(60).run();
//!   assert_eq!(answers.to_string(), "real1=30 real2=30");
//! ```
//!
//! Each host is a network namespace of its own; cables are veth pairs into a bridge in one more
//! namespace. Everything has an IPv4 and an IPv6 address, and disappears when dropped, even if the
//! test panics. Names are unique, so tests may run in parallel.
//!
//! * [`Lan`] draws the IPVS topologies: NAT, direct routing, tunnels.
//! * [`Link`] is two directors and a client on one link, for failover; [`probe`] measures its outages.
//! * [`Drawing`] is the level below, for any other network.
//! * [`Host`] runs programs and closures inside, reads and sets its sysctls, runs servers and sends
//!   requests.
//! * [`Server`], [`Ask`], [`Connection`]: TCP, UDP and SCTP. A server answers every line with its
//!   name, so that a test sees which one was chosen.
//! * [`paced`] times: an emulated kernel is slow, but not wrong.
//!
//! A failed setup panics with the reason, since a test cannot continue. Every wait is bounded.
//! Needs root and a kernel with `ip_vs`: `scripts/lab` provides both.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses the part of the lab that it needs"
)]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test whose network cannot be laid out fails there and then"
)]

mod ask;
mod drawing;
mod host;
mod lan;
mod link;
mod modules;
mod netns;
mod pace;
pub(crate) mod probe;
mod program;
mod serve;
pub(crate) mod terminal;
mod traffic;
mod tunnel;
mod wait;
mod wire;

pub(crate) use ask::{Answer, Answers, Ask, Connection};
pub(crate) use drawing::{Drawing, Sketch, Switch};
pub(crate) use host::Host;
pub(crate) use lan::{Lan, LanBuilder};
pub(crate) use link::{Link, has_now};
pub(crate) use modules::has_module;
pub(crate) use netns::Netns;
pub(crate) use pace::{pace, paced, paced_file, paced_ms};
pub(crate) use program::{Outcome, Process};
pub(crate) use serve::Server;
pub(crate) use traffic::{
    Failure,
    Family::{self, V4, V6},
    Protocol::{self, Sctp, Tcp, Udp},
};
pub(crate) use tunnel::GUE_PORT;
pub(crate) use wait::eventually;
pub(crate) use wire::{Packet, Wire};

//! The Virtual Router Redundancy Protocol, versions 2 (RFC 3768) and 3 (RFC 9568), without I/O and
//! without a clock.
//!
//! Two or more routers hold virtual addresses together. The *active* router sends adverts, the
//! *backup* routers listen; when the adverts stop, the backup with the highest priority takes the
//! addresses over.
//!
//! - [`codec`] turns adverts into bytes and back.
//! - [`machine`] decides: a function of state, input and time.
//!
//! Sockets, timers, addresses and ARP are the program's.
//!
//! # A backup takes over
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use std::time::Duration;
//!
//! use vrrp::codec::{AddressList, Datagram, MULTICAST_V4};
//! use vrrp::machine::{Action, Config, Fate, Input, Machine, Member, State};
//! use vrrp::{Priority, VirtualRouterId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let us = IpAddr::from([10, 0, 0, 2]);
//! let peer = IpAddr::from([10, 0, 0, 1]);
//! let group = IpAddr::from(MULTICAST_V4);
//! let router = VirtualRouterId::new(51).ok_or("0 is no id")?;
//! let addresses = AddressList::from_iter([Ipv4Addr::new(10, 0, 0, 100)]);
//! let member = Member::new(router, us, addresses);
//! let mut machine = Machine::new(Config::new(Priority::DEFAULT, member.clone()))?;
//!
//! // Time is any clock that never steps; here it begins at 0.
//! let mut actions = Vec::new();
//! machine.handle(Duration::ZERO, Input::Start, &mut actions);
//! assert_eq!(machine.state(), State::Backup);
//!
//! // What keepalived with priority 150 sends.
//! let bytes = [0x31, 51, 150, 1, 0, 100, 0x43, 0x73, 10, 0, 0, 100];
//! let datagram = Datagram { source: peer, destination: group, hop_limit: 255, payload: &bytes };
//! let received = member.expect(&[us]).decode(&datagram)?;
//! let fate = machine.receive(Duration::from_secs(1), 0, &received, &mut actions);
//! assert_eq!(fate, Fate::Followed);
//!
//! // Nothing more comes. The program waits for the timer that the machine sets.
//! let timer = machine.timer().ok_or("a backup has a timer")?;
//! assert_eq!(timer, Duration::from_micros(4_609_375));
//! actions.clear();
//! machine.handle(timer, Input::Timer, &mut actions);
//! assert_eq!(machine.state(), State::Active);
//! assert_eq!(actions[0], Action::Send { member: 0, priority: Priority::DEFAULT });
//! assert_eq!(actions[1], Action::TakeAddresses);
//!
//! let mut buffer = [0; 1500];
//! let length = machine.encode(0, Priority::DEFAULT, group, &mut buffer)?;
//! assert_eq!(buffer[..length], [0x31, 51, 100, 1, 0, 100, 0x75, 0x72, 10, 0, 0, 100]);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! - An advert carries at most 255 addresses, and no more than fit the MTU
//!   ([`codec::max_addresses`]): with 1500 bytes 255 of IPv4 and 90 of IPv6. A virtual router may
//!   hold more; peers do not see the others.
//! - Intervals: 10 ms to 40.95 s in version 3, whole seconds up to 255 in version 2.
//! - Version 2 has the password in clear text, because old pairs use it. The IP Authentication
//!   Header is recognised and refused. Nothing in VRRP keeps an attacker on the link out.
//! - IPv6 needs a link-local source and a link-local first address, and a virtual router of its
//!   own; a group moves both families together.

pub mod codec;
pub mod machine;
mod model;
mod words;

pub use model::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

/// Compiles the README's code with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

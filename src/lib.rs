//! `director`: a layer-4 load-balancer director for Linux.
//!
//! The kernel's IPVS forwards the packets; this package is everything around it: it declares what
//! the tables must be and makes them so. The library [`ipvs`] below it speaks to the kernel.
//! `ARCHITECTURE.md` shows the rooms and how they depend on each other.

pub mod apply;
pub mod cli;
pub mod control;
pub mod daemon;
pub mod http;
pub mod net;
pub mod plan;

pub use director_check as check;
pub use director_config as config;
pub use director_config::state;
use director_config::{regular, words};

/// The code in the README is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

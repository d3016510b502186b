//! `director`: a layer-4 load-balancer director for Linux.
//!
//! The kernel's IPVS forwards the packets. This package declares what its tables should be, and
//! keeps them so. The library [`ipvs`] talks to the kernel. `ARCHITECTURE.md` shows the modules and
//! their dependencies.

pub mod announce;
pub mod apply;
pub mod cli;
pub mod connections;
pub mod control;
pub mod daemon;
pub mod discovery;
pub mod failover;
pub mod history;
pub mod http;
pub mod metrics;
pub mod net;
pub mod peers;
pub mod plan;
pub mod web;
pub mod why;

pub use director_check as check;
pub use director_config as config;
pub use director_config::state;
use director_config::{regular, words};

/// Compiles the README's code with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

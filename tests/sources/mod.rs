//! Servers that answer as Consul and the API server of Kubernetes do, by their documentation, and that
//! refuse what those would refuse. Unit tests and the lab use them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]
#![allow(dead_code, reason = "each user needs a part of it")]

pub(crate) mod consul;
pub(crate) mod http;
pub(crate) mod kubernetes;

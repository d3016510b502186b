//! The schedulers, 13 in Debian's Linux 6.1 and 14 from 6.12 on: each spreads real traffic
//! according to its algorithm.
//!
//! The tests compute expectations with a model of the algorithm, never copied from a run (`twos` is
//! random; its test states how unlikely a failure is):
//!
//! ```text
//!   counted.rs   rr, wrr, lc, wlc, sed, nq, fo, ovf: from weights and connections
//!   ipvs::hashing dh, sh, mh: from addresses and ports
//!
//!   rotation.rs  rr wrr         by turns
//!   least.rs     lc wlc sed nq  by connections that are held open
//!   overflow.rs  fo ovf         one server until it is full
//!   locality.rs  lblc lblcr     one server for each destination, until it is overloaded
//!   hashing.rs   dh sh          tables of 256 places
//!   maglev.rs    mh             a table of 4093 places
//!   twos.rs      twos           two at random, the less loaded of them
//! ```
//!
//! Every scheduler is also tested with a server at weight 0. The counting ones never choose it; the
//! hashing ones choose it and then refuse the client.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

mod counted;
mod crowd;
mod hashing;
mod least;
mod locality;
mod maglev;
mod overflow;
mod rotation;
mod twos;

//! What directors tell each other, without I/O and without a clock.
//!
//! ```text
//!   connection table ─► outgoing.rs ─► entries ─► wire.rs ─► the peer
//!   the peer ─► wire.rs ─► incoming.rs ─► entries for the own sync daemon
//!   kernel's counters, table ─► counts.rs, digest.rs ─► whether all of it arrived
//!   service file ─► served.rs ─► digests ─► what differs between two directors
//! ```
//!
//! A director asks, its peer answers; each opens a connection of its own for what it wants to know.

pub mod counts;
pub mod digest;
pub mod incoming;
pub mod outgoing;
pub mod served;
pub mod wire;

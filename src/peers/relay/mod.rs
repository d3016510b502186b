//! The new connections of one director in the table of another, without multicast.
//!
//! ```text
//!   kernel's master daemon ─► lo ─► ear.rs ─► hub.rs ─┬─► give.rs, the thread of a peer's connection
//!             ▲                                      └─► ...            │ channel
//!        pulse.rs                                                       ▼
//!   own backup daemon ◄─ inject.rs ◄─ declared? held here? ◄─ follow.rs, a thread `relay-NAME`
//! ```
//!
//! - **The master keeps its last message for two seconds**, or until the next connection does not fit
//!   into it. None has two (`state::relay`), and `pulse.rs` makes a next one every 40 ms.
//! - **Nothing runs without a peer that asks.** What happens before is part of the resync.
//! - **The reader waits for no peer**: each has a queue, and what does not fit into it is dropped,
//!   counted, and part of the next resync.
//! - **Nothing echoes**: the kernel sends a connection when it has packets, and an entry that was put
//!   into the table has none before its address has moved.

mod ear;
mod follow;
mod give;
mod hub;
mod pulse;

pub(super) use follow::{Followed, follow};
pub(super) use give::give;
pub(super) use hub::Hub;

#[cfg(test)]
mod tests;

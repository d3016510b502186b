//! The words shared by the director and its controllers: operators' requests, the snapshot of the
//! whole state, and [`Director`], the control socket's view of the director.
//!
//! ```text
//!   http/, later web and metrics ──► control/ ◄── daemon/
//! ```
//!
//! Neither side knows the other. `cli/` starts both.

pub mod announce;
mod director;
pub mod discovery;
pub mod event;
pub mod failover;
pub mod meters;
mod now;
pub mod operator;
pub mod peer;
pub mod saved;
pub mod select;
pub mod snapshot;

pub use director::{Counted, Director, Entries, Identity, InForce, Reply};
pub use now::Now;

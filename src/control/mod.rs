//! What the director and those who control it say to each other: an operator's requests, the
//! snapshot of the whole state, and the [`Director`] as its control socket sees it.
//!
//! ```text
//!   http/, later web and metrics ──► control/ ◄── daemon/
//! ```
//!
//! Neither side knows the other. `cli/` starts both.

mod director;
pub mod event;
mod now;
pub mod operator;
pub mod snapshot;

pub use director::{Director, Identity, Reply};
pub use now::Now;

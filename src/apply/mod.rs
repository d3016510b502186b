//! Carries a plan out: phase by phase, all or nothing, and so that a crash loses nothing.
//!
//! ```text
//!   lock ─► observe ─► plan ─► journal ─► make │ change │ break ─► ledger ─► journal gone
//!                        ▲                         │ a failure
//!                        └── somebody was faster ──┴── undo, in reverse ─► as before
//! ```
//!
//! - [`Platform`] is the kernel as seen from here; tests put one in memory in its place.
//! - The *ledger* remembers what is owned and what drains; the *journal* stands while a plan is
//!   under way and holds what undoes it. Both are written beside, synced, and renamed into place,
//!   and are void when the machine was booted or the namespace made anew since.
//! - One director at a time: the *lock* is of the state directory and of the network namespace, and
//!   says who holds it.

mod carry;
mod converge;
mod directory;
mod incarnation;
mod journal;
mod kernel;
mod ledger;
mod lock;
mod pending;
mod platform;
mod record;
mod remains;
mod sole;
mod store;

pub use carry::{Cause, Failed, Progress, Unrestored};
pub use converge::{Applied, ApplyError, Prepared, converge, prepare};
pub use incarnation::Incarnation;
pub use journal::Journal;
pub use kernel::{Kernel, boot_time};
pub use ledger::Ledger;
pub use lock::{Lock, LockError};
pub use pending::{Pending, Undone};
pub use platform::{Platform, PlatformError};
pub use record::Record;
pub use remains::Remains;
pub use store::{Store, StoreError, Versioned};

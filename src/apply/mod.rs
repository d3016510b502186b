//! Carries a plan out: phase by phase, all or nothing, and safe against crashes.
//!
//! ```text
//!   lock ─► observe ─► plan ─► journal ─► make │ change │ break ─► ledger ─► journal gone
//!                        ▲                         │ a failure
//!                        └── another was faster ──┴── undo, in reverse ─► as before
//! ```
//!
//! - [`Platform`] is the kernel as seen from here; tests replace it with one in memory.
//! - The *ledger* records ownership and drains; the *journal* exists while a plan is in progress
//!   and holds its rollback. Both are written to a new file, synced, and renamed into place, and
//!   are void after a reboot or in a new namespace.
//! - One director at a time: the *lock* covers the state directory and the network namespace, and
//!   names its holder.

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

//! The health settings of a service file: the checks of servers, and their consequences.
//!
//! ```text
//!   service file ──► Desired    the tables, as if every server were well
//!                └─► Watch      who is checked how, and what a verdict does to the tables
//! ```
//!
//! Data only: the crate `director-check` runs the checks, and the daemon decides. The verbs that
//! run once (`plan`, `apply`) ignore it.

mod check;
mod policy;

// Each kind's own type is at home beside its keys.
pub use crate::kinds::*;
pub use check::{CheckAt, CheckSpec, Combine, Pace};
pub use policy::{
    Damping, HistoryLimits, Initial, MarkRange, Notify, NotifyOn, OnFail, Quorum, RunSettings,
    ServerWatch, ServiceWatch, Threshold, Watch, WeightSteps,
};

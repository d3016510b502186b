//! What a service file says of health: which checks a server has, and what follows from them.
//!
//! ```text
//!   service file ──► Desired    the tables, as if every server were well
//!                └─► Watch      who is checked how, and what a verdict does to the tables
//! ```
//!
//! Only data: the crate `director-check` runs the checks, the daemon draws the conclusions. The verbs
//! that run once (`plan`, `apply`) do not look at it.

mod check;
mod policy;

// Each kind's own type is at home beside its keys.
pub use crate::kinds::*;
pub use check::{CheckAt, CheckSpec, Combine, Pace};
pub use policy::{
    Damping, Initial, MarkRange, Notify, NotifyOn, OnFail, RunSettings, ServerWatch, ServiceWatch,
    Threshold, Watch, WeightSteps,
};

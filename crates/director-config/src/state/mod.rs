//! The wanted and the actual state in one form: canonical, ordered, comparable.
//!
//! ```text
//!   service file ──► Desired ─┐
//!                             ├─► plan: what has to be done so that Observed becomes Desired
//!   kernel dump ───► Observed ┘
//! ```
//!
//! Nothing here reads a file or talks to a kernel. What a file omits is `None` and is left alone;
//! what a kernel lacks (an old one, for example) is missing from [`Observed`].

mod desired;
pub mod discovery;
pub mod failover;
pub mod health;
mod machine;
mod observed;
mod ownership;
mod private;
pub mod relay;
mod servers;
mod sysctl;

pub use desired::{
    Desired, DesiredServer, DesiredService, Drift, Foreign, KernelSettings, Policy, Share,
};
pub use machine::{MachineCode, MachineCodes};
pub use observed::{Observed, ObservedServer, ObservedService};
pub use ownership::{BootTime, Owned, Ownership};
pub use private::is_private;
pub use servers::{Keyed, Servers, ServersIter};
pub use sysctl::{Sysctl, SysctlKind};

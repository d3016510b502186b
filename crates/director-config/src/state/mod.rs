//! What is wanted and what is there, in one form: canonical, ordered, comparable.
//!
//! ```text
//!   service file ──► Desired ─┐
//!                             ├─► plan: what has to be done so that Observed becomes Desired
//!   kernel dump ───► Observed ┘
//! ```
//!
//! Nothing in here reads a file or talks to a kernel. What a file leaves out is `None` and is left
//! alone; what a kernel does not have (an old one, say) is absent from [`Observed`].

mod desired;
pub mod health;
mod observed;
mod ownership;
mod private;
mod servers;
mod sysctl;

pub use desired::{
    Desired, DesiredServer, DesiredService, Drift, Foreign, KernelSettings, Policy, Share,
};
pub use observed::{Observed, ObservedServer, ObservedService};
pub use ownership::{BootTime, Owned, Ownership};
pub use private::is_private;
pub use servers::{Keyed, Servers, ServersIter};
pub use sysctl::{Sysctl, SysctlKind};

//! The kernel as seen from above.

use std::io;

use ipvs::{Operation, Report};

use crate::state::{BootTime, Observed, Sysctl};

/// What a plan is carried out on: one network namespace's IPVS, its sysctls, and the clock.
pub trait Platform {
    /// Reads everything; what it returns is known to be true (see [`ipvs::Client::table`]).
    ///
    /// # Errors
    /// [`PlatformError`] when the kernel or its sysctls cannot be read.
    fn observe(&mut self) -> Result<Observed, PlatformError>;

    /// Carries out operations in their order. After a failure no further chunk is sent; what is
    /// not known to be done is reported as a failure.
    fn execute(&mut self, operations: &[Operation]) -> Report;

    /// Writes a sysctl.
    ///
    /// # Errors
    /// Whatever the file says: `ENOENT` if this kernel does not have it, `EINVAL` for a value
    /// that it does not take, `EACCES` without root.
    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()>;

    /// What time it is.
    fn now(&self) -> BootTime;
}

/// Why the state of the kernel is not known.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// IPVS cannot be read.
    #[error(transparent)]
    Ipvs(#[from] ipvs::Error),
    /// A sysctl cannot be read.
    #[error("cannot read {sysctl}")]
    Sysctl {
        /// Which.
        sysctl: Sysctl,
        /// Why not.
        source: io::Error,
    },
}

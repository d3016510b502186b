//! The kernel as seen from above.

use std::io;

use ipvs::{Operation, Report};

use crate::state::{BootTime, Observed, Sysctl};

/// The target of a plan: IPVS and sysctls of one network namespace, and the clock.
pub trait Platform {
    /// Reads everything consistently (see [`ipvs::Client::table`]).
    ///
    /// # Errors
    /// [`PlatformError`] if the kernel or its sysctls cannot be read.
    fn observe(&mut self) -> Result<Observed, PlatformError>;

    /// Carries out operations in order. After a failure, sends no further chunk; operations with an
    /// unknown result count as failures.
    fn execute(&mut self, operations: &[Operation]) -> Report;

    /// Writes a sysctl.
    ///
    /// # Errors
    /// Any error of the file: `ENOENT` if this kernel does not have the sysctl, `EINVAL` for a
    /// value that it rejects, `EACCES` without root.
    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()>;

    /// The current time.
    fn now(&self) -> BootTime;
}

/// Why the kernel's state is unknown.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// IPVS cannot be read.
    #[error(transparent)]
    Ipvs(#[from] ipvs::Error),
    /// A sysctl cannot be read.
    #[error("cannot read {sysctl}")]
    Sysctl {
        /// The sysctl's name.
        sysctl: Sysctl,
        /// The file system's error.
        source: io::Error,
    },
}

//! The real kernel, in the network namespace of the thread that connected.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use ipvs::transport::Transport;
use ipvs::{Client, NetlinkSocket, OnFailure, Operation, Report};
use nix::time::{ClockId, clock_gettime};

use super::platform::{Platform, PlatformError};
use crate::state::health::MarkRange;
use crate::state::{BootTime, Observed, ObservedServer, Sysctl};

/// The directory of the IPVS sysctls. procfs shows those of the calling thread's namespace, so a
/// [`Kernel`] must stay on the thread that connected it.
const SYSCTLS: &str = "/proc/sys/net/ipv4/vs";

/// The IPVS of one network namespace.
#[derive(Debug)]
pub struct Kernel<T: Transport = NetlinkSocket> {
    client: Client<T>,
    /// The time that a simulation handed in.
    simulated: Option<BootTime>,
}

impl Kernel {
    /// Connects in the calling thread's network namespace.
    ///
    /// # Errors
    /// The same as for [`Client::connect`].
    pub fn connect() -> ipvs::Result<Self> {
        Ok(Self::over(Client::connect()?))
    }
}

impl<T: Transport> Kernel<T> {
    /// Uses an existing client, such as one of an in-memory kernel.
    pub fn over(client: Client<T>) -> Self {
        Self {
            client,
            simulated: None,
        }
    }

    /// Makes this the time since boot, until the next call: a simulation has a clock of its own.
    #[cfg(test)]
    pub(crate) fn set_now(&mut self, now: BootTime) {
        self.simulated = Some(now);
    }

    /// The connection to IPVS below.
    pub fn client(&mut self) -> &mut Client<T> {
        &mut self.client
    }

    /// Like [`Platform::observe`], but with these sysctls only: each is a file, and reading all of
    /// them takes longer than everything else in a change of one server.
    ///
    /// # Errors
    /// The same as for [`Platform::observe`].
    pub fn observe_with<'s>(
        &mut self,
        sysctls: impl IntoIterator<Item = &'s Sysctl>,
    ) -> Result<Observed, PlatformError> {
        let services = Observed::services(self.client.table_of(ObservedServer::from)?);
        let mut observed = Observed {
            services,
            ..self.settings_with(sysctls)?
        };
        observed.hide_private(&MarkRange::DEFAULT);
        Ok(observed)
    }

    /// Like [`Kernel::observe_with`], without the services.
    ///
    /// # Errors
    /// The same as for [`Platform::observe`].
    pub fn settings_with<'s>(
        &mut self,
        sysctls: impl IntoIterator<Item = &'s Sysctl>,
    ) -> Result<Observed, PlatformError> {
        let daemons = self
            .client
            .daemons()?
            .into_iter()
            .map(|daemon| (daemon.role, daemon));
        let mut observed = Observed {
            timeouts: self.client.timeouts()?,
            daemons: daemons.collect(),
            ..Observed::default()
        };
        for sysctl in sysctls {
            match fs::read_to_string(Path::new(SYSCTLS).join(sysctl.name())) {
                Ok(value) => {
                    // sync_threshold separates its numbers by a tab.
                    let words: Vec<_> = value.split_whitespace().collect();
                    observed.sysctls.insert(*sysctl, words.join(" "));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(PlatformError::Sysctl {
                        sysctl: *sysctl,
                        source,
                    });
                }
            }
        }
        Ok(observed)
    }
}

impl<T: Transport> Platform for Kernel<T> {
    fn observe(&mut self) -> Result<Observed, PlatformError> {
        self.observe_with(Sysctl::ALL)
    }

    fn execute(&mut self, operations: &[Operation]) -> Report {
        self.client.execute_with(operations, OnFailure::Stop)
    }

    fn write_sysctl(&mut self, sysctl: Sysctl, value: &str) -> io::Result<()> {
        fs::write(Path::new(SYSCTLS).join(sysctl.name()), value)
    }

    fn now(&self) -> BootTime {
        self.simulated.unwrap_or_else(boot_time)
    }
}

/// The time since boot, including suspends.
#[must_use]
pub fn boot_time() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME);
    BootTime(now.map_or(Duration::ZERO, Duration::from))
}

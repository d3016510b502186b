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

/// Where the IPVS sysctls are. procfs shows those of the namespace of the thread that looks, so a
/// [`Kernel`] must stay on the thread that connected it.
const SYSCTLS: &str = "/proc/sys/net/ipv4/vs";

/// The IPVS of one network namespace.
#[derive(Debug)]
pub struct Kernel<T: Transport = NetlinkSocket> {
    client: Client<T>,
}

impl Kernel {
    /// Connects in the calling thread's network namespace.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect() -> ipvs::Result<Self> {
        Ok(Self {
            client: Client::connect()?,
        })
    }
}

impl<T: Transport> Kernel<T> {
    /// Over a client that is there, as of a kernel in memory.
    pub fn over(client: Client<T>) -> Self {
        Self { client }
    }

    /// The connection to IPVS below.
    pub fn client(&mut self) -> &mut Client<T> {
        &mut self.client
    }

    /// As [`Platform::observe`], but of the sysctls only these: each is a file, and reading all of
    /// them takes longer than all else that a change of one server does.
    ///
    /// # Errors
    /// As [`Platform::observe`].
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

    /// The same without the services.
    ///
    /// # Errors
    /// As [`Platform::observe`].
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
                    // sync_threshold has a tab between its numbers.
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
        boot_time()
    }
}

/// The time since boot, suspends included.
#[must_use]
pub fn boot_time() -> BootTime {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME);
    BootTime(now.map_or(Duration::ZERO, Duration::from))
}

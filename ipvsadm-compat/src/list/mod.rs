//! `-L` and `-S`: the kernel's tables as text.
//!
//! ```text
//!  client ── services, sorted ──► for each: its servers, sorted ──► rows.rs ──► one buffer ──► out
//! ```
//!
//! Rows are written service by service, so that memory holds the servers of one service only.

mod connections;
mod endpoint;
mod header;
mod numbers;
mod rows;
mod save;

use std::io::Write;

use ipvs::{Client, DaemonRole, Info, ServiceEntry, ServiceKey, transport::Transport};

use crate::args::{List, Listed};
use crate::errors::Stop;
use crate::names::Names;
use endpoint::Endpoints;
use rows::Rows;

/// The context of a listing.
pub(crate) struct Lister<'a, T: Transport> {
    pub(crate) client: &'a mut Client<T>,
    pub(crate) info: Info,
    pub(crate) out: &'a mut dyn Write,
    pub(crate) names: &'a mut dyn Names,
}

impl<T: Transport> Lister<'_, T> {
    /// Writes the output of `-L`.
    pub(crate) fn list(&mut self, list: &List) -> Result<(), Stop> {
        match list.what {
            Listed::Everything => self.everything(list),
            Listed::Service(key) => self.service(&key, list),
            Listed::Connections { engines } => {
                let mut endpoints = Endpoints::listed(list.numeric, self.names);
                connections::list(engines, &mut endpoints, self.out)
            }
            Listed::Timeouts => self.timeouts(),
            Listed::Daemons => self.daemons(),
        }
    }

    /// Writes the output of `-S`. It is always sorted and never truncated, so that `-R` can read
    /// it.
    pub(crate) fn save(&mut self, numeric: bool) -> Result<(), Stop> {
        let mut services = self.client.services().map_err(|error| Stop::list(&error))?;
        sort_services(&mut services);
        let mut endpoints = Endpoints::saved(numeric, self.names);
        let mut row = Vec::new();
        for entry in &services {
            let key = entry.service.key;
            row.clear();
            save::service(&entry.service, &mut endpoints, &mut row);
            let mut servers = self
                .client
                .servers(&key)
                .map_err(|error| Stop::list(&error))?;
            servers.sort_unstable_by_key(|entry| entry.server.key);
            for entry in &servers {
                save::server(&key, &entry.server, &mut endpoints, &mut row);
            }
            self.out
                .write_all(&row)
                .map_err(|error| Stop::write(&error))?;
        }
        Ok(())
    }

    fn everything(&mut self, list: &List) -> Result<(), Stop> {
        let mut services = self.client.services().map_err(|error| Stop::list(&error))?;
        if list.sorted {
            sort_services(&mut services);
        }
        let write = |error| Stop::write(&error);
        header::version(&self.info, self.out).map_err(write)?;
        header::title(list.view, self.out).map_err(write)?;
        for entry in &services {
            self.rows(entry, list)?;
        }
        Ok(())
    }

    fn service(&mut self, key: &ServiceKey, list: &List) -> Result<(), Stop> {
        let entry = self
            .client
            .service(key)
            .map_err(|error| Stop::list(&error))?;
        let Some(entry) = entry else {
            return Err(Stop::list_failed("No such service"));
        };
        header::title(list.view, self.out).map_err(|error| Stop::write(&error))?;
        self.rows(&entry, list)
    }

    /// A service and its servers.
    fn rows(&mut self, entry: &ServiceEntry, list: &List) -> Result<(), Stop> {
        let key = entry.service.key;
        let mut servers = self
            .client
            .servers(&key)
            .map_err(|error| Stop::list(&error))?;
        if list.sorted {
            servers.sort_unstable_by_key(|entry| entry.server.key);
        }
        let mut rows = Rows::new(list, Endpoints::listed(list.numeric, self.names), self.out);
        let mut write = || {
            rows.service(entry)?;
            servers
                .iter()
                .try_for_each(|entry| rows.server(&key, entry))
        };
        write().map_err(|error| Stop::write(&error))
    }

    fn timeouts(&mut self) -> Result<(), Stop> {
        let timeouts = self.client.timeouts().map_err(|error| Stop::list(&error))?;
        writeln!(
            self.out,
            "Timeout (tcp tcpfin udp): {} {} {}",
            timeouts.tcp, timeouts.tcp_fin, timeouts.udp
        )
        .map_err(|error| Stop::write(&error))
    }

    fn daemons(&mut self) -> Result<(), Stop> {
        let mut daemons = self.client.daemons().map_err(|error| Stop::list(&error))?;
        daemons.sort_unstable_by_key(|daemon| daemon.role == DaemonRole::Backup);
        for daemon in &daemons {
            header::daemon(daemon, self.out).map_err(|error| Stop::write(&error))?;
        }
        Ok(())
    }
}

fn sort_services(services: &mut [ServiceEntry]) {
    services.sort_unstable_by_key(|entry| entry.service.key);
}

//! Verbs that run next to a daemon. The daemon keeps the tables as the file *and* the checks say,
//! so a verb lays the daemon's overlay over the file before the two are compared, and removes it
//! from the tables before they are exported.
//!
//! ```text
//!   plan:    file ──► Desired + overlay ──► diff ◄── kernel
//!   export:  the director's files ──► one file; or kernel ──► Observed - overlay ──► lines
//!   apply:   refused: the director would undo it; `director reload` does it
//! ```

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use ipvs::{ServerKey, ServiceFlags, ServiceKey, Weight};

use super::args::Args;
use super::output::say;
use crate::apply::Incarnation;
use crate::config::{self, Environment, Memory};
use crate::control::snapshot::{Role, ServerState};
use crate::http::api::{Files, OverlaidServer, OverlaidService, Overlay, Version};
use crate::http::{Client, ClientError};
use crate::net;
use crate::state::failover::{Change, Failovers, changes};
use crate::state::health::{MarkRange, ServiceWatch, Watch};
use crate::state::{
    Desired, DesiredServer, DesiredService, Observed, ObservedServer, ObservedService,
};
use crate::words::printable;

/// The director that runs in the same network namespace.
pub(crate) struct Beside {
    client: Client,
    version: Version,
}

/// Looks for a director in the chosen network namespace; the program has one thread at this time.
///
/// # Errors
/// If it cannot tell whether a director is running.
pub(crate) fn find(args: &Args) -> anyhow::Result<Option<Beside>> {
    let socket = args.socket()?;
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    // Usually there is none, and a client would need a runtime to find that out.
    if fs::symlink_metadata(&socket).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let client = Client::new(&socket)?;
    let version = client
        .version()
        .context("cannot tell whether a director is running here")?;
    let own = Incarnation::current().context("cannot read `/proc`")?;
    // A director of another namespace does not touch these tables.
    let same = |version: &Version| (&version.boot, version.namespace) == (&own.boot, own.namespace);
    Ok(version
        .filter(same)
        .map(|version| Beside { client, version }))
}

/// Refuses a change that a running director would undo.
///
/// # Errors
/// If a director is running, or it cannot tell whether one is.
pub(crate) fn refuse(args: &Args, instead: &str) -> anyhow::Result<()> {
    match find(args)? {
        Some(Beside { version, .. }) => bail!(
            "a director is running here (process {}, socket `{}`); {instead}",
            version.pid,
            printable(&version.file)
        ),
        None => Ok(()),
    }
}

impl Beside {
    /// The director's process.
    pub(crate) const fn pid(&self) -> u32 {
        self.version.pid
    }

    /// When it started, in seconds since 1970.
    pub(crate) const fn started(&self) -> Option<u64> {
        self.version.started
    }

    /// The service files that it has in force.
    pub(crate) fn files(&self) -> Result<Files, ClientError> {
        self.client.get("/v1/files")
    }

    /// What a file does to the addresses that the director holds by the files in force. These are
    /// read in this process's environment; if they cannot be, it says so.
    pub(crate) fn address_changes(&self, after: &Failovers) -> Result<Vec<Change>, ClientError> {
        let there = self.files()?;
        let files = there.files.into_iter();
        let files: Memory = files.map(|file| (file.path, file.text)).collect();
        let mut environment = Environment::of_process();
        // Both are read as the same machine.
        if let Some(machine) = &after.machine {
            environment = environment.on_machine(machine.to_string());
        }
        let before = config::load_from(Path::new(&there.root), &files, &environment);
        match before.failovers {
            Some(before) => Ok(changes(&before, after)),
            None if after.is_empty() => Ok(Vec::new()),
            None => {
                say!(
                    "director: cannot tell what this does to addresses: the files in force need \
                     the director's environment variables"
                );
                Ok(Vec::new())
            }
        }
    }

    /// The director's overlay. Says on stderr that it is taken into account.
    pub(crate) fn overlay(&self, what: &str) -> Result<Overlay, ClientError> {
        let overlay = self.client.get("/v1/overlay")?;
        say!("director: {what} (process {})", self.version.pid);
        Ok(overlay)
    }
}

impl Overlay {
    /// The firewall marks of its private services.
    pub(crate) const fn marks(&self) -> MarkRange {
        let (first, last) = self.private_marks;
        MarkRange { first, last }
    }

    /// Lays the overlay over the services and servers that both the file and the director have. The
    /// others are handled as the director would on a reload, after their first checks (see
    /// [`joining`](super::joining)).
    pub(crate) fn lay(&self, desired: &mut Desired, watch: &Watch) {
        let overlaid: HashMap<ServiceKey, &OverlaidService> = self
            .services
            .iter()
            .filter(|service| !service.leaving)
            .map(|service| (service.listen, service))
            .collect();
        for (key, service) in &mut desired.services {
            let service = Arc::make_mut(service);
            let overlaid = overlaid.get(key);
            // A server unknown to the director stays out if its machine is disabled.
            let known = |server: &ServerKey| {
                overlaid.is_some_and(|service| {
                    let mut servers = service.servers.iter();
                    servers.any(|known| known.address == *server)
                })
            };
            let servers = service.servers.keys().copied();
            let out: Vec<_> = servers
                .filter(|server| self.disabled.contains(&server.address) && !known(server))
                .collect();
            for server in out {
                service.servers.remove(&server);
            }
            if let Some(overlaid) = overlaid {
                let watch = watch.services.get(key);
                lay_service(service, overlaid, watch.map(|watch| &**watch));
            }
        }
    }

    /// The services that the director checks and that a file leaves without a check, by the names
    /// that they have now.
    pub(crate) fn unchecked(&self, desired: &Desired, watch: &Watch) -> BTreeSet<&str> {
        let has_checks = |key: &ServiceKey| {
            let service = desired.services.get(key)?;
            let watch = watch.services.get(key)?;
            Some(watch.has_checks(&service.servers))
        };
        let services = self.services.iter();
        let checked = services.filter(|service| service.checked && !service.leaving);
        checked
            .filter(|service| has_checks(&service.listen) == Some(false))
            .map(|service| service.name.as_str())
            .collect()
    }

    /// Removes the overlay from the kernel's tables, which leaves what was declared, apart from
    /// changes by others.
    pub(crate) fn take_off(&self, observed: &mut Observed) {
        for overlaid in &self.services {
            if overlaid.leaving {
                observed.services.remove(&overlaid.listen);
            } else if let Some(service) = observed.services.get_mut(&overlaid.listen) {
                take_off_service(service, overlaid);
            }
        }
    }
}

fn lay_service(
    service: &mut DesiredService,
    overlaid: &OverlaidService,
    watch: Option<&ServiceWatch>,
) {
    // The fallback flag is lent while a server has weight 0.
    let lent = overlaid.now.flags.difference(overlaid.declared.flags);
    if service.service.scheduler == overlaid.now.scheduler {
        service.service.flags |= lent & ServiceFlags::SCHED_1;
    }
    let held = held_over(service, overlaid);
    for server in &overlaid.servers {
        match server.role {
            Role::Regular => lay_server(service, server),
            Role::Backup | Role::Sorry => join(service, server, watch),
        }
    }
    for (key, server) in held {
        service.servers.insert(key, server);
    }
}

/// Servers that are no longer declared but stay until their replacements have joined, as long as
/// those are declared.
fn held_over(
    service: &DesiredService,
    overlaid: &OverlaidService,
) -> Vec<(ServerKey, DesiredServer)> {
    let is_declared = |server: &OverlaidServer| service.servers.contains_key(&server.address);
    let regular = || {
        let servers = overlaid.servers.iter();
        servers.filter(|server| server.role == Role::Regular)
    };
    let awaited = regular().filter(|server| {
        let is_out = matches!(server.state, ServerState::Pending | ServerState::Down);
        is_declared(server) && server.now.is_none() && is_out
    });
    let held = regular().filter_map(|server| {
        let now = server.now.filter(|now| now.weight != Weight::ZERO)?;
        let waits = server.state == ServerState::Leaving && !is_declared(server);
        let entry = DesiredServer {
            name: server.name.as_deref().map(|name| Arc::new(name.to_owned())),
            server: now,
        };
        waits.then_some((server.address, entry))
    });
    held.take(awaited.count()).collect()
}

fn lay_server(service: &mut DesiredService, overlaid: &OverlaidServer) {
    let Some(declared) = service.servers.get_mut(&overlaid.address) else {
        return;
    };
    match overlaid.now {
        None => {
            service.servers.remove(&overlaid.address);
        }
        // A weight equal to the declared one follows the declaration; any other was set by the
        // director or an operator, and stays.
        Some(now) if now.weight != overlaid.declared.weight => {
            declared.server.weight = now.weight;
        }
        Some(_) => {}
    }
}

/// A backup or sorry server that is needed now and that the file still declares.
fn join(service: &mut DesiredService, overlaid: &OverlaidServer, watch: Option<&ServiceWatch>) {
    let (Some(now), Some(watch)) = (overlaid.now, watch) else {
        return;
    };
    let declared =
        |server: &ServerKey| watch.backup.contains_key(server) || watch.sorry.contains_key(server);
    if declared(&overlaid.address) && !service.servers.contains_key(&overlaid.address) {
        let server = DesiredServer {
            name: overlaid
                .name
                .as_deref()
                .map(|name| Arc::new(name.to_owned())),
            server: now,
        };
        service.servers.insert(overlaid.address, server);
    }
}

fn take_off_service(service: &mut ObservedService, overlaid: &OverlaidService) {
    let lent = overlaid.now.flags.difference(overlaid.declared.flags);
    service.service.flags -= lent;
    for server in &overlaid.servers {
        let key = server.address;
        if server.role != Role::Regular || server.state == ServerState::Leaving {
            service.servers.remove(&key);
            service.order.retain(|other| *other != key);
            continue;
        }
        match service.servers.get_mut(&key) {
            Some(entry) => entry.server.weight = server.declared.weight,
            None => {
                let entry = ObservedServer::idle(server.declared);
                service.servers.insert(key, entry);
                service.order.push(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::IpAddr;
    use std::sync::Arc;

    use ipvs::{ForwardMethod, Name, Server, Service};

    use super::*;

    const WEB: [u8; 4] = [192, 0, 2, 10];

    fn web() -> ServiceKey {
        ServiceKey::tcp(WEB, 80)
    }

    fn server(last: u8, weight: u32) -> Server {
        let key = ServerKey::new([10, 0, 0, last], 80);
        Server::new(key, ForwardMethod::DirectRoute).weight(Weight::new(weight).unwrap())
    }

    fn overlaid(last: u8, declared: u32, now: Option<u32>) -> OverlaidServer {
        OverlaidServer {
            address: server(last, 0).key,
            name: None,
            role: Role::Regular,
            state: ServerState::Up,
            declared: server(last, declared),
            now: now.map(|weight| server(last, weight)),
            reason: String::new(),
        }
    }

    /// `sh` with the fallback flag lent. Server 1 is up, 2 has weight 0, 3 was removed, 4 is
    /// leaving, 5 and 6 are backup servers in use.
    fn overlay() -> Overlay {
        let declared = Service::new(web(), Name::from_static("sh"));
        let mut leaving = overlaid(4, 10, Some(0));
        leaving.state = ServerState::Leaving;
        let backup = |last| OverlaidServer {
            role: Role::Backup,
            ..overlaid(last, 10, Some(10))
        };
        Overlay {
            revision: 1,
            services: vec![OverlaidService {
                listen: web(),
                name: "web".into(),
                declared,
                now: declared.with_flags(ServiceFlags::SCHED_1),
                leaving: false,
                checked: true,
                servers: vec![
                    overlaid(1, 10, Some(10)),
                    overlaid(2, 10, Some(0)),
                    overlaid(3, 10, None),
                    leaving,
                    backup(5),
                    backup(6),
                ],
            }],
            disabled: vec![IpAddr::from([10, 0, 0, 9])],
            private_marks: (1, 2),
        }
    }

    fn desired(servers: &[(u8, u32)]) -> Desired {
        let servers = servers.iter().map(|(last, weight)| {
            let server = server(*last, *weight);
            (server.key, DesiredServer { name: None, server })
        });
        let service = DesiredService {
            name: "web".into(),
            service: Service::new(web(), Name::from_static("sh")),
            servers: servers.collect(),
            drain: DesiredService::DEFAULT_DRAIN,
            dead: Vec::new(),
            allow: Default::default(),
        };
        Desired {
            services: BTreeMap::from([(web(), Arc::new(service))]),
            ..Desired::default()
        }
    }

    fn watch(backup: &[u8]) -> Watch {
        let backup = backup.iter().map(|last| {
            let server = server(*last, 10);
            (server.key, DesiredServer { name: None, server })
        });
        let watch = ServiceWatch {
            backup: backup.collect(),
            ..ServiceWatch::default()
        };
        Watch {
            services: BTreeMap::from([(web(), Arc::new(watch))]),
            ..Watch::default()
        }
    }

    fn weights(desired: &Desired) -> Vec<(u8, u32)> {
        let servers = desired.services[&web()].servers.values();
        let last = |server: &Server| match server.key.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        };
        servers
            .map(|server| (last(&server.server), server.server.weight.get()))
            .collect()
    }

    #[test]
    fn the_file_that_is_in_force_becomes_what_the_kernel_has() {
        let mut desired = desired(&[(1, 10), (2, 10), (3, 10)]);
        overlay().lay(&mut desired, &watch(&[5, 6]));
        assert_eq!(weights(&desired), [(1, 10), (2, 0), (5, 10), (6, 10)]);
        let flags = desired.services[&web()].service.flags;
        assert_eq!(flags, ServiceFlags::SCHED_1);
    }

    #[test]
    fn what_a_newer_file_changes_shows() {
        // A declared weight, a changed one, an additional server, one on a disabled machine, and a
        // backup server fewer.
        let mut desired = desired(&[(1, 20), (2, 20), (3, 20), (8, 5), (9, 5)]);
        overlay().lay(&mut desired, &watch(&[6]));
        assert_eq!(weights(&desired), [(1, 20), (2, 0), (6, 10), (8, 5)]);
        let mut other = desired.clone();
        let service = other.services.get_mut(&web()).unwrap();
        Arc::make_mut(service).service = Service::new(web(), Service::RR);
        overlay().lay(&mut other, &watch(&[]));
        let flags = other.services[&web()].service.flags;
        assert!(flags.is_empty(), "another scheduler has no use for it");
    }

    #[test]
    fn who_waits_for_a_successor_stays_as_long_as_one_is_awaited() {
        let mut overlay = overlay();
        let held = |last| OverlaidServer {
            state: ServerState::Leaving,
            ..overlaid(last, 10, Some(10))
        };
        let awaited = OverlaidServer {
            state: ServerState::Pending,
            ..overlaid(21, 10, None)
        };
        overlay.services[0].servers = vec![overlaid(1, 10, Some(10)), held(14), held(15), awaited];
        for (file, there) in [
            (&[(1, 10), (21, 10)][..], &[(1, 10), (14, 10)][..]),
            // Its replacement is no longer awaited.
            (&[(1, 10)], &[(1, 10)]),
            // It is declared again.
            (
                &[(1, 10), (14, 10), (21, 10)],
                &[(1, 10), (14, 10), (15, 10)],
            ),
        ] {
            let mut desired = desired(file);
            overlay.lay(&mut desired, &watch(&[]));
            assert_eq!(weights(&desired), there, "{file:?}");
        }
    }

    #[test]
    fn what_is_written_down_is_what_was_declared() {
        let there = [(1, 10), (2, 0), (4, 0), (5, 10), (6, 10), (7, 3)];
        let servers = there.map(|(last, weight)| {
            let server = server(last, weight);
            let entry = ObservedServer {
                active: 3,
                ..ObservedServer::idle(server)
            };
            (server.key, entry)
        });
        let service = Service::new(web(), Name::from_static("sh"));
        let service = ObservedService {
            service: service.with_flags(ServiceFlags::SCHED_1),
            order: servers.iter().map(|(key, _)| *key).collect(),
            servers: servers.into(),
        };
        let mut observed = Observed {
            services: BTreeMap::from([(web(), service)]),
            ..Observed::default()
        };
        overlay().take_off(&mut observed);
        let declared = crate::config::declared(&observed);
        // The director does not know server 7: someone added it by hand.
        assert_eq!(weights(&declared), [(1, 10), (2, 10), (3, 10), (7, 3)]);
        assert!(declared.services[&web()].service.flags.is_empty());
        assert_eq!(observed.services[&web()].order.len(), 4);
    }
}

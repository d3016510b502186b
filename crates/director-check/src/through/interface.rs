//! The interface where replies come in (IPv4).
//!
//! A reply has the virtual address as its source, which is the director's own: the kernel drops it
//! as a martian unless `accept_local` is set on the interface (`__fib_validate_source`). The strict
//! source check (`rp_filter` = 1) accepts it only if the virtual address is on the same interface.
//! IPv6 has neither.
//!
//! The sysctl is set where necessary, and reset when the director stops. After a `kill -9` it
//! stays: until then the interface accepts packets from others that claim to come from this
//! machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;

use super::Door;
use crate::sources::address_towards;

/// procfs shows the sysctls of the calling thread's network namespace.
const CONF: &str = "/proc/sys/net/ipv4/conf";

/// Changes to interfaces.
#[derive(Debug, Default)]
pub struct AcceptLocal {
    /// The interfaces on which it was set here.
    set: BTreeSet<String>,
}

/// A fact about an interface that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceReport {
    /// `accept_local` was set on it.
    Set {
        /// The interface's name.
        interface: String,
    },
    /// `accept_local` is needed and could not be set.
    NotSet {
        /// The interface's name.
        interface: String,
        /// The reason.
        why: String,
    },
    /// The strict source check drops the replies.
    Strict {
        /// The interface where they come in.
        interface: String,
        /// The virtual address, which is on another interface.
        address: Ipv4Addr,
    },
    /// The interface where replies come in is unknown.
    Unknown {
        /// The server's address.
        server: Ipv4Addr,
        /// The reason.
        why: String,
    },
}

impl fmt::Display for InterfaceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { interface } => write!(
                f,
                "set net.ipv4.conf.{interface}.accept_local = 1, for the replies of checks through \
                 the forwarding path; director resets it when it stops"
            ),
            Self::NotSet { interface, why } => write!(
                f,
                "checks through the forwarding path need net.ipv4.conf.{interface}.accept_local \
                 = 1, which cannot be set: {why}"
            ),
            Self::Strict { interface, address } => write!(
                f,
                "net.ipv4.conf.{interface}.rp_filter = 1 drops the replies of checks through the \
                 forwarding path, as {address} is not on {interface}: set it to 2, or put the \
                 address there"
            ),
            Self::Unknown { server, why } => write!(
                f,
                "unknown interface for the replies of {server} to checks through the forwarding \
                 path: {why}"
            ),
        }
    }
}

impl AcceptLocal {
    /// Makes the replies of checks through these doors come in, as far as possible, and reports
    /// changes and failures. Interfaces that are in order are not reported.
    pub fn prepare(&mut self, doors: impl IntoIterator<Item = Door>) -> Vec<InterfaceReport> {
        let addresses = match interfaces() {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::warn!("cannot list the addresses of this machine: {error}");
                return Vec::new();
            }
        };
        let doors: Vec<_> = doors.into_iter().collect();
        let virtuals: BTreeSet<_> = doors.iter().map(|door| door.to.ip()).collect();
        let mut seen = BTreeSet::new();
        let mut reports = Vec::new();
        for door in doors {
            let (IpAddr::V4(to), IpAddr::V4(server)) = (door.to.ip(), door.server) else {
                continue;
            };
            let own = address_towards(door.server, &virtuals).map_err(|error| error.to_string());
            let interface = own.and_then(|own| {
                let found = addresses.get(&own).and_then(|names| names.first().cloned());
                found.ok_or_else(|| format!("no interface has the address {own}"))
            });
            let interface = match interface {
                Ok(interface) => interface,
                Err(why) => {
                    reports.push(InterfaceReport::Unknown { server, why });
                    continue;
                }
            };
            if seen.insert((interface.clone(), None)) {
                reports.extend(self.accept(&interface));
            }
            let names = addresses.get(&IpAddr::V4(to));
            let elsewhere = names.is_some_and(|names| !names.contains(&interface));
            if elsewhere && is_strict(&interface) && seen.insert((interface.clone(), Some(to))) {
                reports.push(InterfaceReport::Strict {
                    interface,
                    address: to,
                });
            }
        }
        reports
    }

    /// Resets what was set.
    pub fn restore(&mut self) {
        for interface in std::mem::take(&mut self.set) {
            // The interface may be gone.
            if let Err(error) = fs::write(file(&interface, "accept_local"), "0") {
                tracing::warn!("cannot reset accept_local of {interface}: {error}");
            }
        }
    }

    fn accept(&mut self, interface: &str) -> Option<InterfaceReport> {
        // The kernel accepts either (`IN_DEV_ACCEPT_LOCAL`).
        let is_on = |name: &str| read(name, "accept_local").is_ok_and(|value| value != 0);
        if is_on("all") || is_on(interface) {
            return None;
        }
        let interface = interface.to_owned();
        match fs::write(file(&interface, "accept_local"), "1") {
            Ok(()) => {
                self.set.insert(interface.clone());
                Some(InterfaceReport::Set { interface })
            }
            Err(error) => Some(InterfaceReport::NotSet {
                interface,
                why: error.to_string(),
            }),
        }
    }
}

/// The kernel uses the larger of the interface's value and that of `all`.
fn is_strict(interface: &str) -> bool {
    let value = |name| read(name, "rp_filter").unwrap_or(0);
    value("all").max(value(interface)) == 1
}

fn read(interface: &str, name: &str) -> io::Result<u32> {
    let text = fs::read_to_string(file(interface, name))?;
    text.trim().parse().map_err(io::Error::other)
}

fn file(interface: &str, name: &str) -> PathBuf {
    Path::new(CONF).join(interface).join(name)
}

/// The names of the interfaces that have an address. If an address has a label (`eth0:1`), the name
/// precedes the colon.
fn interfaces() -> io::Result<BTreeMap<IpAddr, Vec<String>>> {
    let mut found: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for interface in getifaddrs()? {
        let Some(address) = interface.address else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        if let Some(address) = v4 {
            let name = interface
                .interface_name
                .split(':')
                .next()
                .unwrap_or_default();
            found.entry(address).or_default().push(name.to_owned());
        }
    }
    Ok(found)
}

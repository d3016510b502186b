//! The interface where answers come in (IPv4).
//!
//! An answer has the virtual address as its source, which is the director's own: the kernel drops
//! it as a martian unless `accept_local` is set there (`__fib_validate_source`). The strict source
//! check (`rp_filter` = 1) is content when the virtual address is on the same interface, and only
//! then. IPv6 knows neither.
//!
//! It is set where it is not, and set back when the director stops. After a `kill -9` it stays:
//! until then the interface takes packets from others that claim to come from this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use nix::ifaddrs::getifaddrs;

use super::Door;
use super::passage::own_address;

/// procfs shows the sysctls of the network namespace of the thread that looks.
const CONF: &str = "/proc/sys/net/ipv4/conf";

/// What was changed about interfaces.
#[derive(Debug, Default)]
pub struct AcceptLocal {
    /// The interfaces on which it was set here.
    set: BTreeSet<String>,
}

/// Something about an interface that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `accept_local` is set there from now on.
    Set {
        /// The interface.
        interface: String,
    },
    /// It is needed and could not be set.
    NotSet {
        /// The interface.
        interface: String,
        /// Why.
        why: String,
    },
    /// The strict source check drops the answers.
    Strict {
        /// Where they come in.
        interface: String,
        /// The virtual address, which is on another.
        address: Ipv4Addr,
    },
    /// It is not known where answers come in.
    Unknown {
        /// The server.
        server: Ipv4Addr,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set { interface } => write!(
                f,
                "set net.ipv4.conf.{interface}.accept_local = 1, for the answers of checks \
                 through the forwarding path; it is set back at the end"
            ),
            Self::NotSet { interface, why } => write!(
                f,
                "checks through the forwarding path need net.ipv4.conf.{interface}.accept_local \
                 = 1, which cannot be set: {why}"
            ),
            Self::Strict { interface, address } => write!(
                f,
                "net.ipv4.conf.{interface}.rp_filter = 1 drops the answers of checks through the \
                 forwarding path, as {address} is not on {interface}: set it to 2, or put the \
                 address there"
            ),
            Self::Unknown { server, why } => write!(
                f,
                "it is not known by which interface {server} answers a check through the \
                 forwarding path: {why}"
            ),
        }
    }
}

impl AcceptLocal {
    /// Makes the answers of checks through these doors come in, as far as that can be done, and
    /// says what was done and what could not be. What is in order is not spoken of.
    pub fn prepare(&mut self, doors: impl IntoIterator<Item = Door>) -> Vec<Notice> {
        let addresses = match interfaces() {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::warn!("cannot list the addresses of this machine: {error}");
                return Vec::new();
            }
        };
        let mut seen = BTreeSet::new();
        let mut notices = Vec::new();
        for door in doors {
            let (IpAddr::V4(to), IpAddr::V4(server)) = (door.to.ip(), door.server) else {
                continue;
            };
            let own = own_address(door.server).map_err(|error| error.to_string());
            let interface = own.and_then(|own| {
                let found = addresses.get(&own).and_then(|names| names.first().cloned());
                found.ok_or_else(|| format!("no interface has the address {own}"))
            });
            let interface = match interface {
                Ok(interface) => interface,
                Err(why) => {
                    notices.push(Notice::Unknown { server, why });
                    continue;
                }
            };
            if seen.insert((interface.clone(), None)) {
                notices.extend(self.accept(&interface));
            }
            let names = addresses.get(&IpAddr::V4(to));
            let elsewhere = names.is_some_and(|names| !names.contains(&interface));
            if elsewhere && is_strict(&interface) && seen.insert((interface.clone(), Some(to))) {
                notices.push(Notice::Strict {
                    interface,
                    address: to,
                });
            }
        }
        notices
    }

    /// Sets back what was set.
    pub fn restore(&mut self) {
        for interface in std::mem::take(&mut self.set) {
            // It may be gone.
            if let Err(error) = fs::write(file(&interface, "accept_local"), "0") {
                tracing::warn!("cannot set accept_local of {interface} back: {error}");
            }
        }
    }

    fn accept(&mut self, interface: &str) -> Option<Notice> {
        // The kernel takes either (`IN_DEV_ACCEPT_LOCAL`).
        let is_on = |name: &str| read(name, "accept_local").is_ok_and(|value| value != 0);
        if is_on("all") || is_on(interface) {
            return None;
        }
        let interface = interface.to_owned();
        match fs::write(file(&interface, "accept_local"), "1") {
            Ok(()) => {
                self.set.insert(interface.clone());
                Some(Notice::Set { interface })
            }
            Err(error) => Some(Notice::NotSet {
                interface,
                why: error.to_string(),
            }),
        }
    }
}

/// The kernel takes the larger of the interface's value and that of `all`.
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

/// The names of the interfaces that have an address. Where an address has a label (`eth0:1`), the
/// name is what stands before the colon.
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

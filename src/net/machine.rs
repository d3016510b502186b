//! The machine's settings that a director's services depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::net::IpAddr;
use std::sync::Arc;

use ipvs::ServiceKey;
use nix::net::if_::if_indextoname;

use super::address::InterfaceAddress;
use super::error::{NetError, Question};
use super::socket::RouteSocket;
use super::sysctl::{Forwarding, SourceCheck};
use super::table::Routes;
use crate::state::DesiredService;

/// The most routes read: a machine with full Internet tables has a million; director then queries
/// some addresses instead.
const MAX_ROUTES: usize = 20_000;
/// The most addresses queried in that case.
const MAX_ASKED: usize = 1_000;
/// The most interfaces whose sysctls are read.
const MAX_INTERFACES: usize = 64;

/// The machine's settings at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The addresses of its interfaces.
    pub addresses: Vec<InterfaceAddress>,
    /// Its routes.
    pub routes: Routes,
    /// Whether it forwards packets.
    pub forwarding: Forwarding,
    /// Interfaces with IPv4 routes, by index; not necessarily all.
    pub interfaces: BTreeMap<u32, Interface>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// Whether IPv4 packets that come in on it are forwarded.
    pub forwarding: bool,
    /// Whether their source must be reachable through it.
    pub source_check: SourceCheck,
}

impl Machine {
    /// Queries the kernel, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`NetError`] if something that everything else depends on cannot be read.
    pub fn ask<'d>(
        services: impl Iterator<Item = &'d Arc<DesiredService>> + Clone,
    ) -> Result<Self, NetError> {
        let mut socket = open()?;
        let addresses = socket.addresses()?;
        let routes = match socket.routes(MAX_ROUTES) {
            Ok(routes) => Routes::all(routes),
            // A new socket: the rest of the list is still queued on the old one.
            Err(NetError::TooMany { .. }) => ask_for_some(&mut open()?, services)?,
            Err(error) => return Err(error),
        };
        let mut interfaces = BTreeMap::new();
        for index in routes.interfaces().collect::<BTreeSet<_>>() {
            if interfaces.len() == MAX_INTERFACES {
                break;
            }
            if let Some(interface) = Interface::read(index)? {
                interfaces.insert(index, interface);
            }
        }
        Ok(Self {
            addresses,
            routes,
            forwarding: Forwarding::read()?,
            interfaces,
        })
    }
}

fn open() -> Result<RouteSocket, NetError> {
    RouteSocket::open().map_err(|source| NetError::Socket {
        question: Question::Addresses,
        source,
    })
}

fn ask_for_some<'d>(
    socket: &mut RouteSocket,
    services: impl Iterator<Item = &'d Arc<DesiredService>> + Clone,
) -> Result<Routes, NetError> {
    let listening = services.clone();
    let listening = listening.filter_map(|service| match service.service.key {
        ServiceKey::Address { address, .. } => Some(address),
        ServiceKey::Fwmark { .. } => None,
    });
    let servers = services.flat_map(|service| service.servers.keys().map(|key| key.address));
    let mut wanted: BTreeSet<IpAddr> = BTreeSet::new();
    // Half of them for each.
    for (addresses, limit) in [
        (
            &mut listening.into_iter() as &mut dyn Iterator<Item = IpAddr>,
            MAX_ASKED / 2,
        ),
        (&mut servers.into_iter(), MAX_ASKED),
    ] {
        for address in addresses {
            if wanted.len() == limit {
                break;
            }
            wanted.insert(address);
        }
    }
    let mut asked = Vec::with_capacity(wanted.len());
    for address in wanted {
        asked.push((address, socket.route_to(address)?));
    }
    Ok(Routes::some(asked))
}

impl Interface {
    /// Reads an interface; `None` if it is gone by now.
    fn read(index: u32) -> Result<Option<Self>, NetError> {
        let Some(name) = if_indextoname(index).map(CString::into_string).ok() else {
            return Ok(None);
        };
        // A name that is not UTF-8 has no sysctls that can be named.
        let Ok(name) = name else { return Ok(None) };
        let forwarding = Forwarding::of_interface(&name)?;
        let source_check = SourceCheck::of_interface(&name)?;
        Ok(forwarding
            .zip(source_check)
            .map(|(forwarding, source_check)| Self {
                name,
                forwarding,
                source_check,
            }))
    }
}

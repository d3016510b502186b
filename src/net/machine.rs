//! What the machine is like, as far as a director's services depend on it.

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

/// More routes than this are not read: a machine with the Internet's tables has a million, and
/// some addresses are asked for instead.
const MAX_ROUTES: usize = 20_000;
/// How many addresses are asked for then.
const MAX_ASKED: usize = 1_000;
/// The sysctls of so many interfaces are read.
const MAX_INTERFACES: usize = 64;

/// What was found, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The addresses of its interfaces.
    pub addresses: Vec<InterfaceAddress>,
    /// Its routes.
    pub routes: Routes,
    /// Whether it sends on what is for others.
    pub forwarding: Forwarding,
    /// Interfaces that carry IPv4 routes, by their index; not necessarily all.
    pub interfaces: BTreeMap<u32, Interface>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether IPv4 packets that come in by it are sent on.
    pub forwarding: bool,
    /// Whether their source must be that way.
    pub source_check: SourceCheck,
}

impl Machine {
    /// Asks the kernel, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`NetError`] when something that everything else depends on cannot be read.
    pub fn ask<'d>(
        services: impl Iterator<Item = &'d Arc<DesiredService>> + Clone,
    ) -> Result<Self, NetError> {
        let mut socket = open()?;
        let addresses = socket.addresses()?;
        let routes = match socket.routes(MAX_ROUTES) {
            Ok(routes) => Routes::all(routes),
            // A new socket, as the rest of the list is still in the old one.
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
    // Half of them for either.
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
    /// Reads it; `None` when it is gone meanwhile.
    fn read(index: u32) -> Result<Option<Self>, NetError> {
        let Some(name) = if_indextoname(index).map(CString::into_string).ok() else {
            return Ok(None);
        };
        // A name that is not UTF-8 has no sysctls that anybody could name.
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

//! Routes that exist while a section holds its addresses.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use nix::libc;

use super::netlink::{LIVE, Requests};
use super::table::Table;
use crate::state::failover::Route;

impl Requests {
    /// Adds a route, or replaces one to the same destination with the same metric.
    pub(super) fn add_route(&mut self, route: &Route, table: &Table) -> io::Result<()> {
        let Some(message) = message(route, table) else {
            return Err(io::Error::other("its interface does not exist"));
        };
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        self.change(libc::RTM_NEWROUTE, &message, flags)
    }

    /// Removes a route of ours. One that is gone already is no error.
    pub(super) fn remove_route(&mut self, route: &Route, table: &Table) -> io::Result<()> {
        // With its interface it is gone.
        let Some(message) = message(route, table) else {
            return Ok(());
        };
        match self.change(libc::RTM_DELROUTE, &message, NLM_F_REQUEST | NLM_F_ACK) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            result => result,
        }
    }
}

/// The message about a route; `None` if its interface does not exist. The kernel compares the
/// protocol when it deletes, so that routes of others stay.
fn message(route: &Route, table: &Table) -> Option<RouteMessage> {
    let mut message = RouteMessage::default();
    let (destination, length) = route.to;
    let header = &mut message.header;
    header.address_family = if destination.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    header.destination_prefix_length = length;
    header.protocol = RouteProtocol::Other(LIVE);
    header.kind = RouteType::Unicast;
    header.scope = match route.via {
        None if destination.is_ipv4() => RouteScope::Link,
        _ => RouteScope::Universe,
    };
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    if length > 0 {
        attributes.push(RouteAttribute::Destination(destination.into()));
    }
    if let Some(via) = route.via {
        attributes.push(RouteAttribute::Gateway(via.into()));
    }
    if let Some(name) = &route.interface {
        attributes.push(RouteAttribute::Oif(table.link(name)?.index));
    }
    if let Some(source) = route.source {
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    if route.metric > 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    Some(message)
}

//! Where a member of a section sends from, and why it cannot.

use std::net::IpAddr;
use std::sync::Arc;

use vrrp::Family;

use super::holder::View;
use super::sockets::Sockets;
use crate::state::failover::VirtualRouter;

/// What a member sends with and from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Addresses of this machine on the interface that are not virtual.
    pub(super) own: Vec<IpAddr>,
    pub(super) source: Option<IpAddr>,
    pub(super) mtu: u16,
    /// Why it cannot send or receive.
    pub(super) fault: Option<Arc<str>>,
}

impl Place {
    /// What a member has now.
    pub(super) fn of(
        router: &VirtualRouter,
        view: &View,
        sockets: &Sockets,
        virtual_addresses: &[IpAddr],
    ) -> Self {
        let mut place = Self {
            mtu: 1500,
            ..Self::default()
        };
        let name = &router.interface;
        let Some((link, addresses)) = view.link(name) else {
            place.fault = Some(Arc::from(format!("interface `{name}` does not exist")));
            return place;
        };
        place.mtu = link.mtu;
        let own = addresses.iter().filter(|found| {
            Family::of(found.address) == router.family
                && !virtual_addresses.contains(&found.address)
        });
        place.own = own.clone().map(|found| found.address).collect();
        let mut usable = own.filter(|found| found.usable);
        place.source = router.source.or_else(|| {
            let found = usable.find(|found| match found.address {
                IpAddr::V4(_) => !found.secondary,
                IpAddr::V6(address) => address.is_unicast_link_local(),
            })?;
            Some(found.address)
        });
        if !link.up {
            place.fault = Some(Arc::from(format!("interface `{name}` is down")));
        } else if place.source.is_none() {
            let kind = match router.family {
                Family::V4 => "IPv4",
                Family::V6 => "link-local IPv6",
            };
            let text = format!("interface `{name}` has no {kind} address to send adverts from");
            place.fault = Some(Arc::from(text));
        } else if let Some(why) = sockets.failure(&(Arc::clone(name), router.family)) {
            // It cannot hear others either, and would claim although one of them is active.
            let family = router.family;
            let text = format!("cannot open the socket for {family} adverts on `{name}`: {why}");
            place.fault = Some(Arc::from(text));
        } else if let Some(interface) = router.virtual_interface() {
            place.fault = view.refused.get(&interface).cloned();
        }
        place
    }
}

//! Where packets to an address go, according to one reading of the routing tables.
//!
//! ```text
//!   routes of a table     10.0.0.0/8 ─────────────────────────────── via eth0
//!                              10.2.0.0/16 ─────── via eth1
//!                                   10.2.9.0/24 ─ unreachable
//!   spans                 │eth0│eth1│unreach.│eth1│eth0             │none
//! ```
//!
//! Longest-prefix match over all routes, computed once: each table becomes a sorted list of spans,
//! searched by bisection. Rules (`ip rule`) are ignored. Instead, an address counts as reachable if
//! any table reaches it; where rules send some packets to another table, this errs towards no
//! warning.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::route::{Route, RouteKind};

/// What happens to packets to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// They are for this machine itself.
    Local,
    /// They leave by this interface, or by one of several.
    Through(Option<u32>),
    /// There is no route, or the route rejects them.
    Nowhere,
    /// The address was not queried.
    Unknown,
}

/// What is known of the machine's routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    known: Known,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    All {
        tables: Vec<Table>,
        /// Unicast routes, for questions about interfaces.
        unicast: Vec<Route>,
    },
    /// The kernel was queried for these addresses.
    Some(BTreeMap<IpAddr, Reach>),
}

/// One table of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    v4: bool,
    /// The first address of each span, and what holds up to the next span.
    spans: Vec<(u128, Option<Reach>)>,
}

impl Routes {
    /// Takes all routes of the machine.
    #[must_use]
    pub fn all(routes: Vec<Route>) -> Self {
        let mut by_table: BTreeMap<(Reverse<u32>, bool), Vec<Route>> = BTreeMap::new();
        for route in &routes {
            // The local table (255) first, as in the kernel.
            let key = (Reverse(route.table), route.destination.is_ipv4());
            by_table.entry(key).or_default().push(*route);
        }
        let tables = by_table
            .into_iter()
            .map(|((_, v4), routes)| Table::new(v4, routes));
        let tables = tables.collect();
        let mut unicast = routes;
        unicast.retain(|route| route.kind == RouteKind::Unicast);
        Self {
            known: Known::All { tables, unicast },
        }
    }

    /// Takes the kernel's answers for some addresses.
    #[must_use]
    pub fn some(asked: impl IntoIterator<Item = (IpAddr, Option<Route>)>) -> Self {
        let reach = |route: Option<Route>| {
            let reach = route.and_then(|route| reach(&route));
            reach.unwrap_or(Reach::Nowhere)
        };
        let asked = asked.into_iter();
        Self {
            known: Known::Some(asked.map(|(to, route)| (to, reach(route))).collect()),
        }
    }

    /// What happens to packets to an address.
    #[must_use]
    pub fn reach(&self, address: IpAddr) -> Reach {
        match &self.known {
            Known::All { tables, .. } => {
                let found = tables.iter().find_map(|table| match table.find(address) {
                    Some(Reach::Nowhere) | None => None,
                    found => found,
                });
                found.unwrap_or(Reach::Nowhere)
            }
            Known::Some(asked) => asked.get(&address).copied().unwrap_or(Reach::Unknown),
        }
    }

    /// The interface on which an IPv4 address is a neighbour, if it is one.
    #[must_use]
    pub fn neighbourhood(&self, address: IpAddr) -> Option<u32> {
        let mut neighbourhoods = self.unicast().filter(|route| {
            route.destination.is_ipv4() == address.is_ipv4()
                && !route.gateway
                && route.prefix_length > 0
                && covers(route, address)
        });
        // If two interfaces lead into its network, either may be meant.
        let first = neighbourhoods.next()?.interface?;
        neighbourhoods
            .all(|other| other.interface == Some(first))
            .then_some(first)
    }

    /// Whether an IPv4 route leads through this interface beyond its own networks.
    #[must_use]
    pub fn leads_beyond(&self, interface: u32) -> bool {
        self.unicast().any(|route| {
            route.destination.is_ipv4()
                && (route.gateway || route.prefix_length == 0)
                // It may be one of several hops.
                && route.interface.is_none_or(|out| out == interface)
        })
    }

    /// Whether there is an IPv4 default route.
    #[must_use]
    pub fn has_default(&self) -> bool {
        self.unicast()
            .any(|route| route.destination.is_ipv4() && route.prefix_length == 0)
    }

    /// The outgoing interfaces.
    pub fn interfaces(&self) -> impl Iterator<Item = u32> {
        self.unicast().filter_map(|route| route.interface)
    }

    fn unicast(&self) -> impl Iterator<Item = &Route> {
        let routes = match &self.known {
            Known::All { unicast, .. } => unicast.as_slice(),
            Known::Some(_) => &[],
        };
        routes.iter()
    }
}

fn reach(route: &Route) -> Option<Reach> {
    match route.kind {
        RouteKind::Local => Some(Reach::Local),
        RouteKind::Unicast | RouteKind::Other => Some(Reach::Through(route.interface)),
        RouteKind::Refused => Some(Reach::Nowhere),
        RouteKind::Throw => None,
    }
}

impl Table {
    fn new(v4: bool, mut routes: Vec<Route>) -> Self {
        // The wider first; among equals, the one that the kernel uses first.
        routes.sort_by_key(|route| {
            let (first, _) = range(route);
            (first, route.prefix_length, route.metric)
        });
        routes.dedup_by_key(|route| (range(route).0, route.prefix_length));
        let mut spans = vec![(0, None)];
        // The routes around the current one, innermost last.
        let mut around: Vec<(u128, Option<Reach>)> = Vec::new();
        for route in &routes {
            let (first, last) = range(route);
            close(&mut spans, &mut around, first);
            spans.push((first, reach(route)));
            around.push((last, reach(route)));
        }
        close(&mut spans, &mut around, u128::MAX);
        Self { v4, spans }
    }

    fn find(&self, address: IpAddr) -> Option<Reach> {
        if address.is_ipv4() != self.v4 {
            return None;
        }
        let address = value(address);
        let after = self.spans.partition_point(|(first, _)| *first <= address);
        self.spans.get(after.checked_sub(1)?)?.1
    }
}

/// Closes the routes that end before `first`; behind each, the surrounding route applies again.
fn close(
    spans: &mut Vec<(u128, Option<Reach>)>,
    around: &mut Vec<(u128, Option<Reach>)>,
    first: u128,
) {
    while let Some((last, _)) = around.pop_if(|(last, _)| *last < first) {
        let outer = around.last().and_then(|(_, reach)| *reach);
        spans.push((last + 1, outer));
    }
}

/// The first and the last address of a route's destination.
fn range(route: &Route) -> (u128, u128) {
    let bits = if route.destination.is_ipv4() { 32 } else { 128 };
    let free = bits - u32::from(route.prefix_length).min(bits);
    let rest = 1_u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    let first = value(route.destination) & !rest;
    (first, first | rest)
}

fn covers(route: &Route, address: IpAddr) -> bool {
    let (first, last) = range(route);
    (first..=last).contains(&value(address))
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(table: u32, destination: &str, kind: RouteKind, interface: u32) -> Route {
        let (destination, prefix_length) = destination.split_once('/').unwrap();
        Route {
            table,
            destination: destination.parse().unwrap(),
            prefix_length: prefix_length.parse().unwrap(),
            kind,
            interface: Some(interface),
            gateway: false,
            metric: 0,
        }
    }

    fn to(routes: &Routes, address: &str) -> Reach {
        routes.reach(address.parse().unwrap())
    }

    #[test]
    fn the_longest_prefix_decides() {
        use RouteKind::{Local, Refused, Unicast};
        let routes = Routes::all(vec![
            route(254, "10.0.0.0/8", Unicast, 1),
            route(254, "10.2.0.0/16", Unicast, 2),
            route(254, "10.2.9.0/24", Refused, 0),
            route(255, "10.2.0.7/32", Local, 2),
            route(254, "2001:db8::/32", Unicast, 3),
            route(254, "2001:db8::/48", Unicast, 4),
        ]);
        let expected = [
            ("9.255.255.255", Reach::Nowhere),
            ("10.0.0.0", Reach::Through(Some(1))),
            ("10.1.255.255", Reach::Through(Some(1))),
            ("10.2.0.0", Reach::Through(Some(2))),
            ("10.2.0.7", Reach::Local),
            ("10.2.8.255", Reach::Through(Some(2))),
            ("10.2.9.0", Reach::Nowhere),
            ("10.2.9.255", Reach::Nowhere),
            ("10.2.10.0", Reach::Through(Some(2))),
            ("10.2.255.255", Reach::Through(Some(2))),
            ("10.3.0.0", Reach::Through(Some(1))),
            ("10.255.255.255", Reach::Through(Some(1))),
            ("11.0.0.0", Reach::Nowhere),
            ("2001:db8::1", Reach::Through(Some(4))),
            ("2001:db8:1::1", Reach::Through(Some(3))),
            ("2001:db9::1", Reach::Nowhere),
            ("::10.2.0.7", Reach::Nowhere),
        ];
        for (address, reach) in expected {
            assert_eq!(to(&routes, address), reach, "{address}");
        }
    }

    #[test]
    fn a_default_route_reaches_everything() {
        for default in ["0.0.0.0/0", "::/0"] {
            let routes = Routes::all(vec![route(254, default, RouteKind::Unicast, 1)]);
            let v4 = default.starts_with('0');
            for address in ["0.0.0.1", "255.255.255.255"] {
                assert_eq!(to(&routes, address) != Reach::Nowhere, v4);
            }
            for address in ["::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
                assert_eq!(to(&routes, address) != Reach::Nowhere, !v4);
            }
        }
    }

    #[test]
    fn a_throw_and_a_refusal_leave_it_to_other_tables() {
        for kind in [RouteKind::Throw, RouteKind::Refused] {
            let routes = Routes::all(vec![
                route(254, "10.0.0.0/8", kind, 0),
                route(100, "0.0.0.0/0", RouteKind::Unicast, 2),
            ]);
            assert_eq!(to(&routes, "10.0.0.1"), Reach::Through(Some(2)));
        }
    }

    #[test]
    fn of_two_equal_routes_the_smaller_metric_decides() {
        let mut unreachable = route(254, "10.0.0.0/8", RouteKind::Refused, 0);
        unreachable.metric = 4_278_198_272;
        let routes = vec![unreachable, route(254, "10.0.0.0/8", RouteKind::Unicast, 2)];
        assert_eq!(
            to(&Routes::all(routes), "10.0.0.1"),
            Reach::Through(Some(2))
        );
    }

    #[test]
    fn what_was_not_asked_is_unknown() {
        let known = route(254, "10.0.0.0/8", RouteKind::Unicast, 2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let routes = Routes::some([
            (address("10.0.0.1"), Some(known)),
            (address("10.0.0.2"), None),
        ]);
        assert_eq!(to(&routes, "10.0.0.1"), Reach::Through(Some(2)));
        assert_eq!(to(&routes, "10.0.0.2"), Reach::Nowhere);
        assert_eq!(to(&routes, "10.0.0.3"), Reach::Unknown);
    }
}

//! One section as the thread holds it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::message::Position;
use super::routes::OwnRoute;
use crate::failover::lease::Place;
use crate::state::failover::{Announced, AnnouncedVia, VirtualAddress};

/// Addresses that others remove more often than this within [`CONTESTED`] come back with the next
/// renewal only.
const OFTEN: u32 = 5;
const CONTESTED: Duration = Duration::from_secs(60);

/// A section, and what became of it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) spec: Arc<Announced>,
    /// What the core decided; `None`: nothing yet.
    pub(super) decided: Option<Position>,
    /// Whether an earlier process announced it.
    pub(super) found: bool,
    /// What the core knows.
    pub(super) told: Option<Position>,
    /// What the kernel refuses, as it was reported.
    pub(super) trouble: Option<String>,
    /// Removals by others: since when, how many.
    removed: (Duration, u32),
}

impl Section {
    pub(super) const fn new(spec: Arc<Announced>, found: bool) -> Self {
        Self {
            spec,
            decided: None,
            found,
            told: None,
            trouble: None,
            removed: (Duration::ZERO, 0),
        }
    }

    /// Whether its addresses should be on the interface.
    pub(super) fn is_held(&self) -> bool {
        self.decided.map_or(self.found, Position::is_announced)
    }

    /// Where the addresses are while it is announced.
    pub(super) fn places(&self) -> Vec<Place> {
        places(&self.spec)
    }

    /// The routes that it should have now; `None` if it goes on with what an earlier process left.
    pub(super) fn routes(&self, index: u32) -> Option<Vec<OwnRoute>> {
        let AnnouncedVia::Route {
            table,
            metric,
            fallback,
        } = self.spec.via
        else {
            return Some(Vec::new());
        };
        let metric = match self.decided? {
            Position::Withdrawn => return Some(Vec::new()),
            Position::Announced => metric,
            Position::Fallback => fallback.unwrap_or(metric),
        };
        let routes = self.spec.addresses.iter().map(|to| OwnRoute {
            to: *to,
            table,
            metric,
            index,
        });
        Some(routes.collect())
    }

    /// Counts a removal by others. `false`: too many; the renewal is soon enough.
    pub(super) fn is_removed(&mut self, now: Duration) -> bool {
        if now.saturating_sub(self.removed.0) > CONTESTED {
            self.removed = (now, 0);
        }
        self.removed.1 = self.removed.1.saturating_add(1);
        self.removed.1 <= OFTEN
    }
}

/// The places of a section's addresses.
pub(super) fn places(spec: &Announced) -> Vec<Place> {
    let places = spec.addresses.iter();
    places
        .map(|address| place(&spec.interface, *address))
        .collect()
}

pub(super) fn place(interface: &Arc<str>, address: IpAddr) -> Place {
    Place {
        interface: Arc::clone(interface),
        address,
        prefix: VirtualAddress::whole(address),
        label: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::state::failover::AnnouncedFollow;

    fn section(via: AnnouncedVia) -> Section {
        let spec = Announced {
            name: "front".into(),
            interface: "director0".into(),
            addresses: vec![
                "192.0.2.10".parse().unwrap(),
                "2001:db8::10".parse().unwrap(),
            ],
            via,
            follow: AnnouncedFollow::default(),
            damping: None,
            linger: Duration::ZERO,
        };
        Section::new(Arc::new(spec), false)
    }

    #[test]
    fn a_route_has_the_metric_of_its_position() {
        let mut section = section(AnnouncedVia::Route {
            table: 100,
            metric: 10,
            fallback: Some(500),
        });
        assert_eq!(section.routes(3), None, "undecided");
        for (to, metrics) in [
            (Position::Announced, vec![10, 10]),
            (Position::Fallback, vec![500, 500]),
            (Position::Withdrawn, vec![]),
        ] {
            section.decided = Some(to);
            let routes = section.routes(3).unwrap();
            assert!(
                routes
                    .iter()
                    .all(|route| (route.table, route.index) == (100, 3))
            );
            let found: Vec<_> = routes.iter().map(|route| route.metric).collect();
            assert_eq!(found, metrics);
        }
    }

    #[test]
    fn what_others_remove_again_and_again_waits_for_the_renewal() {
        let mut section = section(AnnouncedVia::Address);
        let at = Duration::from_secs;
        let soon: Vec<_> = (0..7).map(|_| section.is_removed(at(100))).collect();
        assert_eq!(soon, [true, true, true, true, true, false, false]);
        assert!(section.is_removed(at(161)));
    }
}

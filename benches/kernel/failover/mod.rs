//! Failover beside keepalived: outages, processor time, false takeovers, a flood; and the resync of
//! connections, which keepalived lacks.
//!
//! ```text
//!   client ──┐                     pair.rs     a pair of directors, and one of keepalived
//!   a ───────┼── one bridge        outage.rs   what a client loses
//!   b ───────┘                     load.rs     what adverts cost, and whether they are on time
//! ```
//!
//! Each pair has a network of its own. What is compared runs in turns, in the same boot.

mod ear;
mod load;
mod outage;
mod pair;
mod relay;
mod resync;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::measure::Figure;

pub(crate) use load::spin;

/// The virtual address.
const VIRTUAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

/// The time between two probes.
const PACE: Duration = Duration::from_millis(2);

/// The times between adverts that are measured, and the outage to reach after a cut, in seconds.
const INTERVALS: [(Duration, f64); 3] = [
    (Duration::from_millis(10), 0.050),
    (Duration::from_millis(100), 0.350),
    (Duration::from_secs(1), 3.1),
];

/// The groups that are wanted. `long`: false takeovers are counted for ten minutes, not for one.
pub(crate) fn all(wanted: &dyn Fn(&str) -> bool, long: bool, figures: &mut Vec<Figure>) {
    if wanted("failover-outage") {
        outage::all(figures);
    }
    if wanted("failover-idle") {
        load::idle(figures);
    }
    if wanted("failover-load") {
        load::busy(long, figures);
    }
    if wanted("failover-resync") {
        resync::all(figures);
    }
    if wanted("failover-relay") {
        relay::all(figures);
    }
    if wanted("failover-flood") {
        load::flood(figures);
    }
}

/// An interval as a service file has it.
fn said(interval: Duration) -> String {
    format!("{}ms", interval.as_millis())
}

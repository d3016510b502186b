//! What follows from two readings of the counters (`GET /v1/stats`): for `director top` and the web
//! page.

use std::collections::HashMap;
use std::time::Duration;

use ipvs::{ServerKey, ServiceKey};

use super::api::{Counters, ServerStats, ServiceStats, Stats};

/// Counters that were not read for this long are no longer shown.
const KEPT: Duration = Duration::from_secs(15);
/// A rate over less than this says little: the older reading stays the first of the two.
const LEAST: Duration = Duration::from_millis(500);

/// A service, or a server of one.
type Whose = (ServiceKey, Option<ServerKey>);

/// The counters as last read.
#[derive(Debug, Default)]
pub struct Flows {
    seen: HashMap<Whose, Seen>,
}

/// Rates and connections of a service or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Active and inactive connections.
    pub connections: u64,
    /// Per second.
    pub rate: Counters,
}

#[derive(Debug)]
struct Seen {
    /// The last reading.
    at: Duration,
    /// The reading from which the next rate is counted, and its time.
    from: (Duration, Counters),
    flow: Flow,
}

impl Flows {
    /// Takes a reading at this time, since any fixed one.
    pub fn take(&mut self, stats: &Stats, at: Duration) {
        for service in &stats.services {
            // An earlier version has no sums.
            let of_servers = service.servers.iter().map(connections_of).sum::<u64>();
            let connections = of_servers.max(service.active + service.inactive);
            self.note((service.listen, None), service, connections, at);
            for server in &service.servers {
                let whose = (service.listen, Some(server.address));
                self.note(whose, server, connections_of(server), at);
            }
        }
        self.seen
            .retain(|_, seen| at.saturating_sub(seen.at) < KEPT);
    }

    /// The rates of a service or a server, if its counters were read.
    #[must_use]
    pub fn of(&self, whose: Whose) -> Option<Flow> {
        self.seen.get(&whose).map(|seen| seen.flow)
    }

    fn note(&mut self, whose: Whose, read: &impl Read, connections: u64, at: Duration) {
        let total = read.total();
        let fresh = || Seen {
            at,
            from: (at, total),
            flow: Flow {
                connections,
                // The kernel's own, until there are two readings.
                rate: read.rate(),
            },
        };
        let seen = self.seen.entry(whose).or_insert_with(fresh);
        seen.at = at;
        seen.flow.connections = connections;
        let passed = at.saturating_sub(seen.from.0);
        if passed < LEAST {
            return;
        }
        // It was created again in between: its counters began at zero, at an unknown time.
        seen.flow.rate = between(&seen.from.1, &total, passed).unwrap_or_else(|| read.rate());
        seen.from = (at, total);
    }
}

fn connections_of(server: &ServerStats) -> u64 {
    u64::from(server.active) + u64::from(server.inactive)
}

/// A part of an answer with counters.
trait Read {
    fn total(&self) -> Counters;
    fn rate(&self) -> Counters;
}

impl Read for ServiceStats {
    fn total(&self) -> Counters {
        self.total
    }

    fn rate(&self) -> Counters {
        self.rate
    }
}

impl Read for ServerStats {
    fn total(&self) -> Counters {
        self.total
    }

    fn rate(&self) -> Counters {
        self.rate
    }
}

/// The rates between two readings; `None` if a counter went back.
fn between(before: &Counters, after: &Counters, passed: Duration) -> Option<Counters> {
    let rate = |before: u64, after: u64| {
        let difference = u128::from(after.checked_sub(before)?);
        let rate = difference * 1000 / passed.as_millis().max(1);
        u64::try_from(rate).ok()
    };
    Some(Counters {
        connections: rate(before.connections, after.connections)?,
        packets_in: rate(before.packets_in, after.packets_in)?,
        packets_out: rate(before.packets_out, after.packets_out)?,
        bytes_in: rate(before.bytes_in, after.bytes_in)?,
        bytes_out: rate(before.bytes_out, after.bytes_out)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn counters(connections: u64) -> Counters {
        Counters {
            connections,
            packets_in: connections * 4,
            packets_out: 0,
            bytes_in: connections * 1000,
            bytes_out: 0,
        }
    }

    fn reading(total: u64, kernel: u64) -> Stats {
        Stats {
            services: vec![ServiceStats {
                name: Some("web".into()),
                listen: listen(),
                total: counters(total),
                rate: counters(kernel),
                active: 0,
                inactive: 0,
                servers: vec![],
            }],
        }
    }

    fn listen() -> ServiceKey {
        ServiceKey::tcp([192, 0, 2, 10], 80)
    }

    fn rate(counted: &Flows) -> u64 {
        counted.of((listen(), None)).unwrap().rate.connections
    }

    #[test]
    fn a_rate_is_what_two_readings_differ_by_and_the_kernels_until_then() {
        let mut counted = Flows::default();
        counted.take(&reading(1000, 7), SECOND);
        assert_eq!(rate(&counted), 7);
        counted.take(&reading(1100, 7), SECOND * 3);
        assert_eq!(rate(&counted), 50);
        assert_eq!(counted.of((listen(), None)).unwrap().rate.bytes_in, 50_000);
    }

    #[test]
    fn counters_that_went_back_make_no_rate() {
        let mut counted = Flows::default();
        counted.take(&reading(1000, 7), SECOND);
        counted.take(&reading(10, 3), SECOND * 2);
        assert_eq!(rate(&counted), 3, "the kernel's own");
        counted.take(&reading(30, 3), SECOND * 3);
        assert_eq!(rate(&counted), 20);
    }

    #[test]
    fn two_readings_in_quick_succession_do_not_make_a_rate() {
        let mut counted = Flows::default();
        counted.take(&reading(1000, 7), SECOND);
        counted.take(&reading(1100, 7), SECOND * 2);
        counted.take(&reading(1101, 7), SECOND * 2 + SECOND / 10);
        assert_eq!(rate(&counted), 100);
        counted.take(&reading(1160, 7), SECOND * 3);
        assert_eq!(rate(&counted), 60, "since the reading before that");
    }

    #[test]
    fn counters_of_a_service_that_is_not_read_any_more_are_forgotten() {
        let mut counted = Flows::default();
        counted.take(&reading(1000, 7), SECOND);
        let none = Stats { services: vec![] };
        counted.take(&none, SECOND * 5);
        assert!(counted.of((listen(), None)).is_some());
        counted.take(&none, SECOND + KEPT);
        assert!(counted.of((listen(), None)).is_none());
    }
}

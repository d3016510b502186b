//! What the pages show, from what the director answered: values in, pieces for the pages out.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use ipvs::ServiceKey;

use super::rows;
use super::table::{Table, text};
use crate::http::Flows;
use crate::http::api::{Event, Head, Service, Stats};

/// The points of a chart that are kept: two minutes, one a second.
const POINTS: usize = 120;
/// Those of a sparkline in the overview.
const SPARK: usize = 60;

/// Which pages a piece is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    All,
    Overview,
    Service(ServiceKey),
}

/// News for the pages of a topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) topic: Topic,
    /// Its name in the browser.
    pub(super) event: &'static str,
    /// JSON.
    pub(super) data: String,
}

/// Milliseconds since 1970, connections, new ones a second, bytes a second.
type Point = [u64; 4];

#[derive(Debug, Default)]
pub(super) struct Model {
    head: String,
    overview: Table,
    flows: Flows,
    /// The flows as the pages of the overview have them.
    shown: BTreeMap<ServiceKey, [u64; 3]>,
    traces: HashMap<ServiceKey, VecDeque<Point>>,
    open: HashMap<ServiceKey, Open>,
}

/// A service that a page shows.
#[derive(Debug, Default)]
struct Open {
    head: String,
    servers: Table,
    absent: Option<String>,
}

impl Model {
    pub(super) fn take_head(&mut self, head: &Head) -> Option<Piece> {
        let head = rows::head(head);
        if self.head == head {
            return None;
        }
        self.head.clone_from(&head);
        Some(piece(Topic::All, "head", head))
    }

    /// All services, brief ones.
    pub(super) fn take_services(&mut self, services: &[Service]) -> Option<Piece> {
        let row = |service: &Service| (service.listen.to_string(), rows::overview(service));
        let changed = self.overview.update(services.iter().map(row).collect())?;
        let is_there = |key: &ServiceKey| services.iter().any(|service| service.listen == *key);
        if self.shown.len() > services.len() {
            self.shown.retain(|key, _| is_there(key));
        }
        Some(piece(Topic::Overview, "services", format!("{{{changed}}}")))
    }

    /// Counters of all services, or of some. `at` is since any fixed time.
    pub(super) fn take_stats(&mut self, stats: &Stats, at: Duration, now_ms: u64) -> Vec<Piece> {
        self.flows.take(stats, at);
        let mut pieces = Vec::new();
        for service in stats.services.iter().filter(|one| one.name.is_some()) {
            let Some(flow) = self.flows.of((service.listen, None)) else {
                continue;
            };
            let [connections, new, bytes] = rows::numbers(&flow);
            let trace = self.traces.entry(service.listen).or_default();
            // Read twice in a turn, or for another page a moment ago.
            if trace.back().is_some_and(|last| now_ms < last[0] + 500) {
                continue;
            }
            if trace.len() >= POINTS {
                trace.pop_front();
            }
            let point = [now_ms, connections, new, bytes];
            trace.push_back(point);
            if self.open.contains_key(&service.listen) {
                let topic = Topic::Service(service.listen);
                pieces.push(piece(topic, "point", json(&point)));
            }
        }
        pieces
    }

    /// The flows of the overview that changed, after counters of all services.
    pub(super) fn overview_flows(&mut self, stats: &Stats) -> Option<Piece> {
        let mut changed = Vec::new();
        for service in stats.services.iter().filter(|one| one.name.is_some()) {
            let Some(flow) = self.flows.of((service.listen, None)) else {
                continue;
            };
            let flow = rows::numbers(&flow);
            if self.shown.insert(service.listen, flow) != Some(flow) {
                changed.push(member(&service.listen, &flow));
            }
        }
        // Also without a change: sparklines go on.
        let data = format!(r#"{{"full":false,"rows":{{{}}}}}"#, changed.join(","));
        Some(piece(Topic::Overview, "flows", data))
    }

    /// A service that is shown, or why there is none.
    pub(super) fn take_service(
        &mut self,
        key: ServiceKey,
        found: Result<&Service, String>,
    ) -> Option<Piece> {
        let topic = Topic::Service(key);
        let open = self.open.entry(key).or_default();
        let service = match found {
            Ok(service) => service,
            Err(why) => {
                let is_news = open.absent.as_ref() != Some(&why);
                *open = Open {
                    absent: Some(why.clone()),
                    ..Open::default()
                };
                return is_news.then(|| piece(topic, "service", absent(&why)));
            }
        };
        open.absent = None;
        let flows = &self.flows;
        let servers = service.servers.iter().enumerate().map(|(place, server)| {
            let flow = flows.of((key, Some(server.address)));
            (
                server.address.to_string(),
                rows::server(place, server, flow),
            )
        });
        let changed = open.servers.update(servers.collect());
        let head = rows::service(service);
        let has_new_head = open.head != head;
        if !has_new_head && changed.is_none() {
            return None;
        }
        open.head = head;
        let head = if has_new_head { &open.head } else { "null" };
        let changed = changed.unwrap_or_else(|| r#""full":false,"rows":[],"gone":[]"#.to_owned());
        Some(piece(
            topic,
            "service",
            format!(r#"{{"head":{head},{changed}}}"#),
        ))
    }

    /// No page shows it any more.
    pub(super) fn close(&mut self, key: &ServiceKey) {
        self.open.remove(key);
    }

    /// Everything that is known, for a page that has nothing.
    pub(super) fn whole(&self, topic: Topic) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !self.head.is_empty() {
            pieces.push(piece(Topic::All, "head", self.head.clone()));
        }
        match topic {
            Topic::Overview if self.overview.is_filled() => {
                let rows = self.overview.whole();
                pieces.push(piece(topic, "services", format!("{{{rows}}}")));
                pieces.push(piece(topic, "flows", self.all_flows()));
            }
            Topic::All | Topic::Overview => {}
            Topic::Service(key) => {
                if let Some(trace) = self.traces.get(&key) {
                    pieces.push(piece(topic, "chart", json(trace)));
                }
                let Some(open) = self.open.get(&key) else {
                    return pieces;
                };
                if let Some(why) = &open.absent {
                    pieces.push(piece(topic, "service", absent(why)));
                } else if open.servers.is_filled() {
                    let (head, rows) = (&open.head, open.servers.whole());
                    let data = format!(r#"{{"head":{head},{rows}}}"#);
                    pieces.push(piece(topic, "service", data));
                }
            }
        }
        pieces
    }

    fn all_flows(&self) -> String {
        let rows: Vec<_> = self
            .shown
            .iter()
            .map(|(key, flow)| member(key, flow))
            .collect();
        let mut sparks = Vec::new();
        for (key, trace) in &self.traces {
            let start = trace.len().saturating_sub(SPARK);
            let new: Vec<u64> = trace.iter().skip(start).map(|point| point[2]).collect();
            if new.iter().any(|new| *new > 0) {
                sparks.push(member(key, &new));
            }
        }
        format!(
            r#"{{"full":true,"rows":{{{}}},"spark":{{{}}}}}"#,
            rows.join(","),
            sparks.join(",")
        )
    }
}

/// An event, for all pages.
pub(super) fn event(event: &Event) -> Piece {
    piece(Topic::All, "event", rows::safe(event))
}

pub(super) const fn piece(topic: Topic, event: &'static str, data: String) -> Piece {
    Piece { topic, event, data }
}

fn absent(why: &str) -> String {
    format!(r#"{{"absent":{}}}"#, rows::safe(&why))
}

/// `"KEY":VALUE`.
fn member(key: &ServiceKey, value: &impl serde::Serialize) -> String {
    format!("{}:{}", text(&key.to_string()), json(value))
}

fn json(value: &impl serde::Serialize) -> String {
    // Numbers: this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}

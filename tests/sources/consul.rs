//! `/v1/health/service/NAME` of Consul: blocking queries, tokens, consistency.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, Api, Request};

/// The longest wait that Consul accepts.
const LONGEST: Duration = Duration::from_secs(600);

/// Consul.
pub(crate) struct Consul {
    service: String,
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    /// The instances, each with `Node`, `Service` and `Checks`.
    pub(crate) instances: Vec<Value>,
    pub(crate) index: u64,
    /// The token that may read the service. Others are unknown; without one, nothing is listed.
    pub(crate) token: Option<String>,
    /// Says that instances were left out, as for a token that may not read all of them.
    pub(crate) filtered: bool,
    /// The age of answers to `stale`, in milliseconds.
    pub(crate) age: u64,
    pub(crate) has_leader: bool,
    /// Leaves this header out.
    pub(crate) without: Option<&'static str>,
    /// What is answered in place of a list.
    pub(crate) instead: Option<Instead>,
    /// The requests that Consul would refuse, and why.
    pub(crate) refused: Vec<String>,
    /// All requests, by their queries.
    pub(crate) asked: Vec<Vec<(String, Option<String>)>>,
}

#[derive(Clone)]
pub(crate) enum Instead {
    Status(u16, &'static str),
    Body(Vec<u8>),
    Hang,
    /// Half of the list, and then the connection is closed.
    Half,
}

impl Consul {
    pub(crate) fn new(service: &str, instances: Vec<Value>) -> Self {
        Self {
            service: service.to_owned(),
            changed: Condvar::new(),
            state: Mutex::new(State {
                instances,
                index: 10,
                token: None,
                filtered: false,
                age: 0,
                has_leader: true,
                without: None,
                instead: None,
                refused: Vec::new(),
                asked: Vec::new(),
            }),
        }
    }

    /// Changes the state, and the index with it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        state.index += 1;
        let changed = change(&mut state);
        self.changed.notify_all();
        changed
    }

    /// Lists other instances from now on.
    pub(crate) fn list(&self, instances: Vec<Value>) {
        self.change(|state| state.instances = instances);
    }

    /// What was refused so far.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.state.lock().unwrap().refused.clone()
    }

    /// The values of a key, question by question; "-" where it was not there.
    pub(crate) fn asked(&self, key: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter().map(|query| {
            let found = query.iter().find(|(name, _)| name == key);
            found.map_or_else(
                || "-".to_owned(),
                |(_, value)| value.clone().unwrap_or_default(),
            )
        });
        asked.collect()
    }

    /// Blocks until the index is larger, for the wait and up to a sixteenth more.
    fn waited<'s>(
        &self,
        mut state: MutexGuard<'s, State>,
        request: &Request,
        answer: &Answer<'_>,
    ) -> MutexGuard<'s, State> {
        let index = request
            .value("index")
            .and_then(|index| index.parse::<u64>().ok());
        let Some(index) = index.filter(|index| *index > 0) else {
            return state;
        };
        let wait = wait(request).unwrap_or(Duration::from_secs(300));
        let end = Instant::now() + wait + wait / 16;
        // A Consul that was restored has a smaller index, and answers when the wait is over: here it
        // does so without the wait.
        while state.index == index && state.instead.is_none() && !answer.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // In short pieces, to notice that the server stops.
            let piece = left.min(Duration::from_millis(50));
            state = self.changed.wait_timeout(state, piece).unwrap().0;
        }
        state
    }

    /// Why Consul would refuse a request, with the status.
    fn problem(&self, request: &Request, token: Option<&str>) -> Option<(u16, String)> {
        if request.method != "GET" {
            return Some((405, "method not allowed".to_owned()));
        }
        if request.path != ["v1", "health", "service", &self.service] {
            return Some((404, format!("no such path: {:?}", request.path)));
        }
        let once = ["index", "wait", "dc", "ns", "stale", "consistent"];
        if let Some(key) = request.wrong_key(&once, &["tag"]) {
            return Some((400, format!("unexpected parameter {key}")));
        }
        if request.has("stale") && request.has("consistent") {
            return Some((400, "cannot specify ?stale with ?consistent".to_owned()));
        }
        let index = request.value("index").map(str::parse::<u64>);
        if request.has("index") && !matches!(index, Some(Ok(_))) {
            return Some((400, "Invalid index".to_owned()));
        }
        if request.has("wait") && wait(request).is_none() {
            return Some((400, "Invalid wait time".to_owned()));
        }
        if request.headers.contains_key("authorization") {
            return Some((400, "one token is enough".to_owned()));
        }
        let given = request.headers.get("x-consul-token").map(String::as_str);
        match (given, token) {
            (Some(given), Some(token)) if given != token => {
                Some((403, "rpc error making call: ACL not found".to_owned()))
            }
            _ => None,
        }
    }
}

/// The instances with all tags that are asked for.
fn listed(state: &State, request: &Request) -> Vec<Value> {
    let has_tags = |instance: &&Value| {
        let tags = &instance["Service"]["Tags"];
        let tags = tags.as_array().map_or(&[][..], Vec::as_slice);
        let wanted = request.query.iter().filter(|(key, _)| key == "tag");
        wanted
            .filter_map(|(_, tag)| tag.as_deref())
            .all(|tag| tags.iter().any(|own| own == tag))
    };
    state.instances.iter().filter(has_tags).cloned().collect()
}

fn headers(state: &State, is_stale: bool) -> Vec<(&'static str, String)> {
    let (age, consistency) = match is_stale {
        true => (state.age, "stale"),
        false => (0, "leader"),
    };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-consul-index", state.index.to_string()),
        ("x-consul-knownleader", state.has_leader.to_string()),
        ("x-consul-lastcontact", age.to_string()),
        ("x-consul-effective-consistency", consistency.to_owned()),
    ];
    if state.filtered {
        headers.push(("x-consul-results-filtered-by-acls", "true".to_owned()));
    }
    headers.retain(|(name, _)| Some(*name) != state.without);
    headers
}

/// The wait, as a duration of Go that is written in seconds.
fn wait(request: &Request) -> Option<Duration> {
    let seconds = request.value("wait")?.strip_suffix('s')?.parse().ok()?;
    let wait = Duration::from_secs(seconds);
    (wait <= LONGEST).then_some(wait)
}

impl Api for Consul {
    fn answer(&self, request: Request, answer: &mut Answer<'_>) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(request.query.clone());
        if let Some((status, why)) = self.problem(&request, state.token.as_deref()) {
            state.refused.push(format!("{status} {why}"));
            answer.whole(status, &[], why.as_bytes());
            return;
        }
        let state = self.waited(state, &request, answer);
        let is_stale = request.has("stale");
        let may_read = state.token.is_none() || request.headers.contains_key("x-consul-token");
        let instead = state.instead.clone();
        if let Some(Instead::Status(status, text)) = instead {
            let headers: &[(&str, &str)] = match status {
                429 => &[("retry-after", "3")],
                _ => &[],
            };
            answer.whole(status, headers, text.as_bytes());
            return;
        }
        if !state.has_leader && !is_stale {
            answer.whole(500, &[], b"No cluster leader");
            return;
        }
        let listed = match may_read {
            true => listed(&state, &request),
            false => Vec::new(),
        };
        let headers = headers(&state, is_stale);
        drop(state);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let body = Value::from(listed).to_string().into_bytes();
        match instead {
            Some(Instead::Hang) => answer.hang(),
            Some(Instead::Body(body)) => answer.whole(200, &headers, &body),
            Some(Instead::Half) => {
                answer.begin(200);
                answer.chunk(&body[..body.len() / 2]);
            }
            _ => answer.whole(200, &headers, &body),
        }
    }
}

/// An instance that passes, in the form of Consul's documentation.
pub(crate) fn instance(node: &str, address: &str, port: i64) -> Value {
    json!({
        "Node": {
            "ID": "40e4a748-2192-161a-0510-9bf59fe950b5",
            "Node": node,
            "Address": "192.0.2.99",
            "Datacenter": "dc1",
            "TaggedAddresses": { "lan": "192.0.2.99", "wan": "192.0.2.99" },
            "Meta": { "instance_type": "t2.medium" }
        },
        "Service": {
            "ID": "web",
            "Service": "web",
            "Tags": ["primary"],
            "Address": address,
            "TaggedAddresses": null,
            "Meta": null,
            "Port": port,
            "Weights": { "Passing": 1, "Warning": 1 },
            "Namespace": "default"
        },
        "Checks": [
            check("serfHealth", "passing"),
            check("service:web", "passing")
        ]
    })
}

pub(crate) fn check(id: &str, status: &str) -> Value {
    json!({
        "Node": "node", "CheckID": id, "Name": id, "Status": status, "Notes": "", "Output": "",
        "ServiceID": "", "ServiceName": "", "ServiceTags": [], "Namespace": "default"
    })
}

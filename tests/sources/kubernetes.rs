//! EndpointSlices of one namespace at an API server of Kubernetes: lists in pages, watches, tokens.

mod objects;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, Api, Request};

pub(crate) use objects::{READY, TERMINATING, endpoint, slice, status};

const LABEL: &str = "kubernetes.io/service-name";

/// The API server.
pub(crate) struct Kubernetes {
    namespace: String,
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct State {
    slices: BTreeMap<String, Value>,
    version: u64,
    /// What happened, with its version.
    events: Vec<(u64, &'static str, Value)>,
    /// Versions below this one are gone.
    oldest: u64,
    /// The token that may list and watch; another one is expired.
    pub(crate) token: Option<String>,
    /// Whether it may only list other things.
    pub(crate) forbidden: bool,
    /// The most slices on a page, whatever is asked for.
    pub(crate) page: usize,
    /// How many of the next pages have expired when they are asked for.
    pub(crate) expired_pages: usize,
    pub(crate) instead: Option<Instead>,
    /// Sends this line in the next watch, before everything else.
    pub(crate) line: Option<Line>,
    pub(crate) refused: Vec<String>,
    pub(crate) lists: usize,
    /// The versions from which watches began.
    pub(crate) watches: Vec<String>,
    pub(crate) bookmarks: usize,
}

#[derive(Clone)]
pub(crate) enum Instead {
    Status(u16, &'static str),
    Body(Vec<u8>),
    Hang,
    /// Watches hang: they neither say something nor end.
    HangWatch,
}

#[derive(Clone)]
pub(crate) enum Line {
    /// A whole line.
    Whole(Value),
    /// What is no JSON.
    Raw(&'static str),
    /// Half a line, and then the connection is closed.
    Half(Value),
}

impl Kubernetes {
    pub(crate) fn new(namespace: &str, slices: Vec<Value>) -> Self {
        let api = Self {
            namespace: namespace.to_owned(),
            changed: Condvar::new(),
            state: Mutex::new(State {
                slices: BTreeMap::new(),
                version: 1000,
                events: Vec::new(),
                oldest: 0,
                token: None,
                forbidden: false,
                page: usize::MAX,
                expired_pages: 0,
                instead: None,
                line: None,
                refused: Vec::new(),
                lists: 0,
                watches: Vec::new(),
                bookmarks: 0,
            }),
        };
        for slice in slices {
            api.put(slice);
        }
        api
    }

    /// Creates or changes a slice.
    pub(crate) fn put(&self, mut slice: Value) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        slice["metadata"]["resourceVersion"] = version.to_string().into();
        let name = slice["metadata"]["name"].as_str().unwrap().to_owned();
        let before = state.slices.insert(name, slice.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        state.events.push((version, kind, slice));
        self.changed.notify_all();
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let version = state.version;
        let mut slice = state.slices.remove(name).unwrap();
        slice["metadata"]["resourceVersion"] = version.to_string().into();
        state.events.push((version, "DELETED", slice));
        self.changed.notify_all();
    }

    /// Other objects change: watches report only the new version.
    pub(crate) fn pass(&self, versions: u64) {
        self.state.lock().unwrap().version += versions;
    }

    /// Forgets what happened until now.
    pub(crate) fn compact(&self) {
        let mut state = self.state.lock().unwrap();
        state.oldest = state.version;
        state.events.clear();
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
        changed
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        self.state.lock().unwrap().refused.clone()
    }

    /// Why the API server would refuse a request, with the status.
    fn problem(&self, request: &Request, state: &State) -> Option<(u16, String)> {
        let given = request.headers.get("authorization").map(String::as_str);
        let wanted = state.token.as_ref().map(|token| format!("Bearer {token}"));
        if wanted.is_some() && given != wanted.as_deref() {
            return Some((401, "Unauthorized".to_owned()));
        }
        let path = [
            "apis",
            "discovery.k8s.io",
            "v1",
            "namespaces",
            &self.namespace,
            "endpointslices",
        ];
        if request.path != path {
            return Some((
                404,
                "the server could not find the requested resource".to_owned(),
            ));
        }
        if state.forbidden {
            let user = "User \"system:serviceaccount:lb:director\"";
            let why = format!(
                "endpointslices.discovery.k8s.io is forbidden: {user} cannot list resource"
            );
            return Some((403, why));
        }
        if request.method != "GET" {
            return Some((405, "the server does not allow this method".to_owned()));
        }
        let accepts = request.headers.get("accept").map_or("*/*", String::as_str);
        if !["*/*", "application/json"].contains(&accepts) {
            return Some((
                406,
                "only the following media types are accepted".to_owned(),
            ));
        }
        problem_of_query(request)
    }

    fn list(&self, request: &Request, answer: &mut Answer<'_>) {
        let mut state = self.state.lock().unwrap();
        state.lists += 1;
        let (from, version) = match request.value("continue") {
            None => (0, state.version),
            Some(token) => {
                let parts = token
                    .strip_prefix("page+/")
                    .and_then(|rest| rest.split_once('='));
                let Some((from, version)) = parts else {
                    answer.whole(
                        400,
                        &[],
                        &status(400, "BadRequest", "continue key is not valid"),
                    );
                    return;
                };
                (
                    from.parse::<usize>().unwrap(),
                    version.parse::<u64>().unwrap(),
                )
            }
        };
        if from > 0 && (state.expired_pages > 0 || version < state.oldest) {
            state.expired_pages = state.expired_pages.saturating_sub(1);
            let text =
                "The provided continue parameter is too old to display a consistent list result.";
            answer.whole(410, &[], &status(410, "Expired", text));
            return;
        }
        let limit = request
            .value("limit")
            .map_or(usize::MAX, |limit| limit.parse().unwrap());
        let limit = limit.min(state.page);
        let all = state.slices.values().filter(|slice| fits(slice, request));
        let all: Vec<&Value> = all.collect();
        let page: Vec<_> = all.iter().skip(from).take(limit).collect();
        let next = from.saturating_add(limit);
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if next < all.len() {
            metadata["continue"] = format!("page+/{next}={version}").into();
            metadata["remainingItemCount"] = (all.len() - next).into();
        }
        let list = json!({
            "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
            "metadata": metadata, "items": page,
        });
        drop(state);
        answer.whole(
            200,
            &[("content-type", "application/json")],
            list.to_string().as_bytes(),
        );
    }

    fn watch(&self, request: &Request, answer: &mut Answer<'_>) {
        let mut state = self.state.lock().unwrap();
        let from = request.value("resourceVersion").unwrap().to_owned();
        state.watches.push(from.clone());
        let mut seen: u64 = from.parse().unwrap();
        if matches!(state.instead, Some(Instead::HangWatch)) {
            drop(state);
            answer.begin(200);
            answer.hang();
            return;
        }
        let seconds = request
            .value("timeoutSeconds")
            .map_or(1800, |seconds| seconds.parse().unwrap());
        let end = Instant::now() + Duration::from_secs(seconds);
        let bookmarks = request.value("allowWatchBookmarks") == Some("true");
        answer.begin(200);
        if seen < state.oldest {
            let text = format!("too old resource version: {seen} ({})", state.oldest);
            let error = String::from_utf8(status(410, "Expired", &text)).unwrap();
            let error: Value = serde_json::from_str(&error).unwrap();
            answer.chunk(&line("ERROR", &error));
            answer.end();
            return;
        }
        if !say(state.line.take(), answer) {
            return;
        }
        loop {
            let new = state
                .events
                .iter()
                .filter(|(version, _, _)| *version > seen);
            let new: Vec<_> = new.cloned().collect();
            for (version, kind, slice) in new {
                seen = version;
                if fits(&slice, request) && !answer.chunk(&line(kind, &slice)) {
                    return;
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || answer.is_stopped() {
                break;
            }
            let piece = left.min(Duration::from_millis(50));
            state = self.changed.wait_timeout(state, piece).unwrap().0;
        }
        if bookmarks {
            state.bookmarks += 1;
            let bookmark = json!({
                "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
                "metadata": { "resourceVersion": state.version.to_string(), "creationTimestamp": null },
                "addressType": "", "endpoints": null, "ports": null,
            });
            answer.chunk(&line("BOOKMARK", &bookmark));
        }
        answer.end();
    }
}

impl Api for Kubernetes {
    fn answer(&self, request: Request, answer: &mut Answer<'_>) {
        let problem = {
            let mut state = self.state.lock().unwrap();
            let problem = self.problem(&request, &state);
            if let Some((code, why)) = &problem {
                state.refused.push(format!("{code} {why}"));
            }
            problem
        };
        if let Some((code, why)) = problem {
            answer.whole(
                code,
                &[("content-type", "application/json")],
                &status(code, "Failure", &why),
            );
            return;
        }
        let instead = self.state.lock().unwrap().instead.clone();
        match instead {
            Some(Instead::Status(code, why)) => {
                let headers: &[(&str, &str)] = match code {
                    429 => &[("retry-after", "3")],
                    _ => &[],
                };
                answer.whole(code, headers, &status(code, "Failure", why));
            }
            Some(Instead::Body(body)) => answer.whole(200, &[], &body),
            Some(Instead::Hang) => answer.hang(),
            _ if request.has("watch") => self.watch(&request, answer),
            _ => self.list(&request, answer),
        }
    }
}

/// What the API server would refuse of a query.
fn problem_of_query(request: &Request) -> Option<(u16, String)> {
    let selector = request
        .value("labelSelector")
        .and_then(|text| text.split_once('='));
    if selector.is_none_or(|(label, value)| label != LABEL || value.is_empty()) {
        return Some((400, "unable to parse the label selector".to_owned()));
    }
    let is_watch = match request.value("watch") {
        Some("true" | "1") => true,
        Some(_) => return Some((400, "`watch` is a boolean".to_owned())),
        None => false,
    };
    let keys: &[&str] = match is_watch {
        true => &[
            "labelSelector",
            "watch",
            "allowWatchBookmarks",
            "resourceVersion",
            "timeoutSeconds",
        ],
        false => &["labelSelector", "limit", "continue"],
    };
    if let Some(key) = request.wrong_key(keys, &[]) {
        return Some((400, format!("unexpected parameter {key}")));
    }
    for key in ["limit", "timeoutSeconds"] {
        if request.has(key)
            && request
                .value(key)
                .is_none_or(|text| text.parse::<u32>().is_err())
        {
            return Some((400, format!("`{key}` is a number")));
        }
    }
    if is_watch
        && request
            .value("resourceVersion")
            .is_none_or(|text| text.parse::<u64>().is_err())
    {
        return Some((400, "invalid resource version".to_owned()));
    }
    None
}

/// Sends a line; whether the watch goes on after it.
fn say(line: Option<Line>, answer: &mut Answer<'_>) -> bool {
    match line {
        None => true,
        Some(Line::Whole(line)) => answer.chunk(format!("{line}\n").as_bytes()),
        Some(Line::Raw(text)) => answer.chunk(format!("{text}\n").as_bytes()),
        Some(Line::Half(line)) => {
            let line = line.to_string();
            answer.chunk(&line.as_bytes()[..line.len() / 2]);
            false
        }
    }
}

fn fits(slice: &Value, request: &Request) -> bool {
    let selector = request
        .value("labelSelector")
        .and_then(|text| text.split_once('='));
    let label = slice["metadata"]["labels"][LABEL].as_str();
    selector.map(|(_, wanted)| wanted) == label
}

fn line(kind: &str, object: &Value) -> Vec<u8> {
    format!("{}\n", json!({ "type": kind, "object": object })).into_bytes()
}

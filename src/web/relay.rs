//! What is passed on from the view socket as it is: metrics, past events, plans, connections.

use std::collections::HashMap;
use std::ops::ControlFlow;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::routes::{Site, refused};
use super::rows;
use crate::control::operator::RefusalKind;
use crate::http::api::Line;
use crate::http::{ClientError, query};

/// The parameters of a request.
pub(super) type Asked = HashMap<String, String>;

/// The most rows of an answer.
pub(super) const ROWS: usize = 1000;
/// The most past events of an answer.
const EVENTS: u64 = 1000;

/// `GET /metrics`.
pub(super) async fn metrics(
    State(site): State<Site>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(permit) = permit(&site) else {
        return busy();
    };
    let path = asked.map_or("/metrics".to_owned(), |asked| format!("/metrics?{asked}"));
    let mut request = Request::get(path);
    for name in [header::ACCEPT, header::ACCEPT_ENCODING] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = match site.asker.send(request, Bytes::new()).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    let (head, body) = answer.into_parts();
    let body = body.map_frame(move |frame| {
        // Held until the body is sent or dropped.
        let _ = &permit;
        frame
    });
    let mut response = Response::new(Body::new(body));
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::VARY] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// `GET /api/events`: past events, the oldest first, with the director's own filters.
pub(super) async fn events(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let last = asked.get("last").and_then(|last| last.parse().ok());
    let last = last.unwrap_or(EVENTS).min(EVENTS).to_string();
    let mut parameters = vec![("last", last.as_str())];
    for name in ["service", "server", "kind"] {
        let word = asked.get(name).filter(|word| !word.is_empty());
        parameters.extend(word.map(|word| (name, word.as_str())));
    }
    let mut events: Vec<Value> = Vec::new();
    let path = format!("/v1/events{}", query(&parameters));
    let read = site.asker.lines(&path, |line: Line| {
        if let Line::Event(event) = line {
            events.push(rows::visible(&event));
        }
        ControlFlow::Continue(())
    });
    match read.await {
        Ok(()) => Json(events).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /api/plan`: what a reload would change.
pub(super) async fn plan(State(site): State<Site>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    match site.asker.get::<Value>("/v1/plan").await {
        Ok(plan) => Json(rows::visible(&cut(plan))).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /api/why`: which server a client gets, and why.
pub(super) async fn why(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let path = format!("/v1/why{}", chosen(&asked, &["service", "client", "to"]));
    match site.asker.get::<Value>(&path).await {
        Ok(answer) => Json(rows::visible(&answer)).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /api/connections`: rows and what is left out; with `top`, the first ones.
pub(super) async fn connections(State(site): State<Site>, Query(asked): Query<Asked>) -> Response {
    let Some(_permit) = permit(&site) else {
        return busy();
    };
    let names = ["service", "server", "client", "state", "top"];
    let is_top = asked.get("top").is_some_and(|top| !top.is_empty());
    let path = format!("/v1/connections{}", chosen(&asked, &names));
    if is_top {
        let path = format!("{path}&n={ROWS}");
        return match site.asker.get::<Value>(&path).await {
            Ok(answer) => Json(rows::visible(&answer)).into_response(),
            Err(error) => failed(&error),
        };
    }
    let mut found: Vec<Value> = Vec::new();
    let read = site.asker.lines(&path, |line: Value| {
        found.push(rows::visible(&line));
        ControlFlow::Continue(())
    });
    if let Err(error) = read.await {
        return failed(&error);
    }
    // An answer without a last line was cut off.
    let is_end = |line: &Value| line.get("entries").is_some();
    let end = found.pop_if(|line| is_end(line));
    Json(json!({ "rows": found, "end": end })).into_response()
}

/// A plan without the steps beyond the first ones, and how many these are.
pub(super) fn cut(mut plan: Value) -> Value {
    let steps = plan.get_mut("steps").and_then(Value::as_array_mut);
    let more = steps.map_or(0, |steps| {
        let more = steps.len().saturating_sub(ROWS);
        steps.truncate(ROWS);
        more
    });
    plan["left_out"] = more.into();
    plan
}

/// The query of a request that is passed on, with those of its parameters that are not empty.
pub(super) fn chosen(asked: &Asked, names: &[&str]) -> String {
    let value = |name: &&str| asked.get(*name).filter(|value| !value.is_empty());
    let words = names
        .iter()
        .filter_map(|name| Some((*name, value(name)?.as_str())));
    query(&words.collect::<Vec<_>>())
}

pub(super) fn permit(site: &Site) -> Option<OwnedSemaphorePermit> {
    site.relayed.clone().try_acquire_owned().ok()
}

pub(super) fn busy() -> Response {
    let mut response = refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests at a time",
    );
    let seconds = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

pub(super) fn failed(error: &ClientError) -> Response {
    let status = match error {
        ClientError::Refused(refusal) => match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        },
        _ => StatusCode::BAD_GATEWAY,
    };
    refused(status, &error.to_string())
}

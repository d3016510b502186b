//! What is passed on from the view socket as it is: metrics, and past events.

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
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::routes::{Site, refused};
use super::rows;
use crate::control::operator::RefusalKind;
use crate::http::api::Line;
use crate::http::{ClientError, query};

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
pub(super) async fn events(
    State(site): State<Site>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
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

fn permit(site: &Site) -> Option<OwnedSemaphorePermit> {
    site.relayed.clone().try_acquire_owned().ok()
}

fn busy() -> Response {
    let mut response = refused(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests at a time",
    );
    let seconds = HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn failed(error: &ClientError) -> Response {
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

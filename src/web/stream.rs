//! The stream of a page: server-sent events.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ipvs::ServiceKey;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::hub::{Seat, VIEWERS};
use super::model::Topic;
use super::routes::{Site, refused};
use crate::http::Sink;

/// A stream ends after this time, so that it does not outlive its session by much. The browser comes
/// back by itself.
const LONGEST: Duration = Duration::from_secs(3600);

/// `GET /api/stream?of=overview`, `?service=tcp://192.0.2.10:80`; without either, the director only.
pub(super) async fn stream(
    State(site): State<Site>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let topic = match (query.get("service"), query.get("of").map(String::as_str)) {
        (Some(key), None) => match key.parse::<ServiceKey>() {
            Ok(key) => Topic::Service(key),
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (None, Some("overview")) => Topic::Overview,
        (None, None) => Topic::All,
        _ => return refused(StatusCode::BAD_REQUEST, "unknown `of`"),
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let Some(seat) = site.hub.join(topic, last) else {
        return full();
    };
    let (sink, body) = Sink::new();
    tokio::spawn(async move {
        // However it ends, the browser comes back if it wants more.
        let _ = tokio::time::timeout(LONGEST, send(seat, &sink)).await;
    });
    let mut response = Body::into_response(body);
    let head = response.headers_mut();
    let media_type = HeaderValue::from_static("text/event-stream");
    head.insert(header::CONTENT_TYPE, media_type);
    // Otherwise nginx collects before it passes on.
    head.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn send(mut seat: Seat, sink: &Sink) {
    for frame in std::mem::take(&mut seat.first) {
        if sink.send_as_it_is(frame).await.is_err() {
            return;
        }
    }
    loop {
        let news = tokio::select! {
            news = seat.news.recv() => news,
            () = sink.closed() => return,
        };
        match news {
            Ok(message) if seat.wants(&message) => {
                if sink.send_as_it_is(message.frame.clone()).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // It does not read fast enough: it starts over.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}

fn full() -> Response {
    let message = format!("too many pages are open: at most {VIEWERS}, and 64 services; try again");
    let body = Json(json!({ "error": { "kind": "unavailable", "message": message } }));
    let retry = [(header::RETRY_AFTER, "10")];
    (StatusCode::SERVICE_UNAVAILABLE, retry, body).into_response()
}

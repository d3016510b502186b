//! The routes of the page.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::Semaphore;

use super::assets;
use super::guard::{Hosts, guard};
use super::hub::Hub;
use super::slow::Slow;
use super::token::{Sessions, Token};
use super::{login, past, relay, stream};
use crate::http::Asker;

/// The longest body, that of the form, in bytes.
const BODY: usize = 4096;
/// The most requests that are passed on to the director at a time.
const RELAYED: usize = 8;

/// What all routes share.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) asker: Asker,
    pub(super) hub: Arc<Hub>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) token: Option<Arc<Token>>,
    pub(super) sessions: Arc<Sessions>,
    slow: Arc<Mutex<Slow>>,
    pub(super) relayed: Arc<Semaphore>,
    /// Whether browsers come by TLS.
    pub(super) secure: bool,
}

impl Site {
    pub(super) fn new(asker: Asker, hosts: Hosts, token: Option<Token>, secure: bool) -> Self {
        Self {
            asker,
            hub: Arc::new(Hub::new()),
            hosts: Arc::new(hosts),
            token: token.map(Arc::new),
            sessions: Arc::default(),
            slow: Arc::new(Mutex::new(Slow::new(Instant::now()))),
            relayed: Arc::new(Semaphore::new(RELAYED)),
            secure,
        }
    }

    pub(super) fn has_session(&self, headers: &HeaderMap) -> bool {
        let id = login::session(headers);
        id.is_some_and(|id| self.sessions.has(id, Instant::now()))
    }

    /// Whether a token is the right one; an error if its sender has to wait so long first.
    pub(super) fn try_token(
        &self,
        token: &str,
        from: IpAddr,
        now: Instant,
    ) -> Result<bool, Duration> {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = slow.wait(from, now) {
            return Err(wait);
        }
        let is_right = self.token.as_ref().is_some_and(|right| right.is(token));
        slow.note(from, is_right, now);
        Ok(is_right)
    }
}

pub(super) fn router(site: Site) -> Router {
    let mut routes = Router::new()
        .route("/", get(page))
        .route("/service/{service}", get(page))
        .route("/events", get(page))
        .route("/directors", get(page))
        .route("/history", get(page))
        .route("/connections", get(page))
        .route("/plan", get(page))
        .route("/assets/{name}", get(asset))
        .route("/api/stream", get(stream::stream))
        .route("/api/events", get(relay::events))
        .route("/api/connections", get(relay::connections))
        .route("/api/why", get(relay::why))
        .route("/api/plan", get(relay::plan))
        .route("/api/history", get(past::changes))
        .route("/api/history/span", get(past::span))
        .route("/api/history/at", get(past::at))
        .route("/api/history/diff", get(past::diff))
        .route("/metrics", get(relay::metrics));
    routes = match site.token {
        Some(_) => routes
            .route("/login", get(login::form).post(login::enter))
            .route("/logout", post(login::leave)),
        None => routes.route("/login", get(|| async { Redirect::to("/") })),
    };
    routes
        .fallback(unknown)
        .method_not_allowed_fallback(read_only)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

/// All views are one page, which looks at its own address.
async fn page(headers: HeaderMap) -> Response {
    assets::answer(&assets::PAGE, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match assets::ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => assets::answer(asset, &headers),
        None => refused(StatusCode::NOT_FOUND, "no such asset"),
    }
}

async fn unknown() -> Response {
    refused(StatusCode::NOT_FOUND, "no such page")
}

async fn read_only() -> Response {
    refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "the page only shows; `director` on the machine acts",
    )
}

/// An error, in the form of the director's own.
pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    let kind = match status {
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
            "refused"
        }
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::BAD_GATEWAY => "unavailable",
        _ => "invalid",
    };
    let body = json!({ "error": { "kind": kind, "message": message } });
    (status, Json(body)).into_response()
}

//! The routes and their handlers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, Path, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use ipvs::ServiceKey;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::api;
use super::asked::{Asked, Parameters, SELECTION};
use super::caller::Caller;
use super::events::{self, From as Start};
use super::failure::Failure;
use super::metrics::metrics;
use super::permits::Permits;
use super::plan::{Planner, plan};
use super::{connections, history, request, stats, stream, view};
use crate::apply::boot_time;
use crate::control::operator::{Answer, Refusal, RefusalKind, Request};
use crate::control::select::{Selected, Selection, Word};
use crate::control::snapshot::Snapshot;
use crate::control::{Counted, Director, Reply};
use crate::state::is_private;

/// The most followers of events.
const FOLLOWERS: u32 = 32;
/// Additional followers for root and the director's own user.
const KEPT_FOLLOWERS: u32 = 4;
/// The most requests that wait for the kernel's counters; they are read for one at a time.
const READERS: u32 = 8;
const KEPT_READERS: u32 = 2;
/// The most readers of the connection table, which is the kernel's largest.
const TABLE_READERS: u32 = 2;
const KEPT_TABLE_READERS: u32 = 1;
/// The most plans that are made at a time, with the whole tables.
const PLANNERS: u32 = 1;
const KEPT_PLANNERS: u32 = 1;
/// The most services whose counters are read one by one.
const FEW: usize = 64;
/// How long the core may take to answer, and the worker to read the kernel.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a reload, which may change thousands of services.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// The state shared by all routes.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) director: Arc<dyn Director>,
    followers: Permits,
    readers: Permits,
    reading: Arc<Semaphore>,
    table_readers: Permits,
    pub(super) planners: Permits,
    pub(super) planner: Arc<dyn Planner>,
}

/// What a socket lets its callers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// See and change: the control socket.
    Operate,
    /// See: the view socket.
    View,
}

pub(super) fn router(
    director: Arc<dyn Director>,
    planner: Arc<dyn Planner>,
    access: Access,
) -> Router {
    let desk = Desk {
        director,
        followers: Permits::new(FOLLOWERS, KEPT_FOLLOWERS),
        readers: Permits::new(READERS, KEPT_READERS),
        reading: Arc::new(Semaphore::new(1)),
        table_readers: Permits::new(TABLE_READERS, KEPT_TABLE_READERS),
        planners: Permits::new(PLANNERS, KEPT_PLANNERS),
        planner,
    };
    let routes = match access {
        Access::Operate => operating(viewing())
            .method_not_allowed_fallback(wrong_method)
            .fallback(unknown),
        Access::View => viewing()
            .method_not_allowed_fallback(read_only)
            .fallback(not_viewed),
    };
    routes
        .layer(from_fn_with_state(desk.clone(), here))
        .with_state(desk)
}

/// The routes that change nothing.
fn viewing() -> Router<Desk> {
    Router::new()
        .route("/v1/version", get(version))
        .route("/v1/status", get(status))
        .route("/v1/services/{*service}", get(services))
        .route("/v1/events", get(follow))
        .route("/v1/stats", get(counters))
        .route("/v1/connections", get(connections::connections))
        .route("/v1/why", get(connections::why))
        .route("/v1/overlay", get(overlay))
        .route("/v1/plan", get(plan))
        .route("/v1/history", get(history::rows))
        .route("/v1/history/span", get(history::span))
        .route("/v1/history/at", get(history::at))
        .route("/v1/history/diff", get(history::diff))
        .route("/metrics", get(metrics))
}

/// The routes of operators.
fn operating(routes: Router<Desk>) -> Router<Desk> {
    routes
        .route("/v1/files", get(files))
        .route("/v1/history/files", get(history::files))
        .route("/v1/drain", post(drain))
        .route("/v1/undrain", post(undrain))
        .route("/v1/weight", post(weight))
        .route("/v1/disable", post(disable))
        .route("/v1/enable", post(enable))
        .route("/v1/failover", post(failover))
        .route("/v1/announce", post(announce))
        .route("/v1/reload", post(reload))
}

async fn version(State(desk): State<Desk>, query: Parameters) -> Result<Response, Failure> {
    Asked::take(query, &[])?;
    let identity = desk.director.identity();
    let snapshot = desk.director.published().snapshot();
    Ok(stream::whole(&api::Version {
        api: "v1".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        boot: identity.incarnation.boot,
        namespace: identity.incarnation.namespace,
        state_dir: identity.state_dir.display().to_string(),
        file: snapshot.file.to_string(),
        started: snapshot.started.map(api::unix),
    }))
}

async fn status(State(desk): State<Desk>, query: Parameters) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&SELECTION, &["brief"]])?;
    let selection = asked.selection()?;
    let show = match asked.flag("brief")? {
        true => view::brief,
        false => view::service,
    };
    let snapshot = desk.director.published().snapshot();
    let date = snapshot.date(boot_time());
    let head = view::head(&snapshot, date.unwrap_or_else(SystemTime::now));
    Ok(send(&head, selection.of(&snapshot)?, show))
}

async fn services(
    State(desk): State<Desk>,
    service: Result<Path<String>, PathRejection>,
    query: Parameters,
) -> Result<Response, Failure> {
    Asked::take(query, &[])?;
    let Path(service) = service.map_err(|error| Failure::invalid(error.body_text()))?;
    let snapshot = desk.director.published().snapshot();
    let selection = Selection {
        services: vec![Word::new(&service)],
        ..Selection::default()
    };
    Ok(send(&Nothing {}, selection.of(&snapshot)?, view::service))
}

async fn overlay(State(desk): State<Desk>, query: Parameters) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Head {
        revision: u64,
        disabled: Vec<std::net::IpAddr>,
        private_marks: (u32, u32),
    }
    Asked::take(query, &[])?;
    let snapshot = desk.director.published().snapshot();
    let marks = desk.director.private_marks();
    let head = Head {
        revision: snapshot.revision,
        disabled: snapshot.disabled.keys().copied().collect(),
        private_marks: (marks.first, marks.last),
    };
    Ok(send(
        &head,
        Selection::default().of(&snapshot)?,
        view::overlay,
    ))
}

async fn files(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    Asked::take(query, &[])?;
    may_read_files(caller)?;
    let (reply, answer) = Reply::new();
    desk.director.files(reply);
    Ok(stream::whole(&view::files(
        &answered(answer, PATIENCE).await?,
    )))
}

/// The files themselves are often readable for root only, because of the passwords in them.
pub(super) fn may_read_files(caller: Caller) -> Result<(), Failure> {
    if caller.is_trusted() {
        return Ok(());
    }
    let why = "only root and the director's own user may read the service files: there may be \
               passwords in them";
    Err(Failure::from(Refusal::new(RefusalKind::Refused, why)).status(StatusCode::FORBIDDEN))
}

async fn follow(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let known = [
        "from", "last", "follow", "since", "service", "server", "kind",
    ];
    let asked = Asked::take(query, &[&known])?;
    let filter = asked.events()?;
    let from = match (asked.number("from")?, asked.number("last")?) {
        (Some(_), Some(_)) => return Err(Failure::invalid("either `from` or `last`")),
        (None, Some(last)) => Start::Last(last),
        (from, None) => Start::Number(from.unwrap_or(0)),
    };
    let permit = match asked.flag("follow")? {
        false => None,
        true => {
            let busy = || Failure::unavailable("too many followers of events; try again");
            Some(desk.followers.take(caller).ok_or_else(busy)?)
        }
    };
    let lines = events::lines(desk.director, from, filter, permit);
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], lines).into_response())
}

async fn counters(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&SELECTION, &["brief"]])?;
    let (is_brief, selection) = (asked.flag("brief")?, asked.selection()?);
    let before = desk.director.published().snapshot();
    let Counted { table, .. } = desk.counted(caller, few(&selection, &before)).await?;
    let snapshot = desk.director.published().snapshot();
    let marks = desk.director.private_marks();
    let is_foreign = |key: &ServiceKey| {
        !snapshot.services.contains_key(key)
            && !is_private(key, &marks)
            && selection.has_foreign(key)
    };
    let foreign: BTreeSet<ServiceKey> = table
        .services
        .iter()
        .map(|service| service.entry.service.key)
        .filter(is_foreign)
        .collect();
    let ours = match selection.of(&snapshot) {
        Ok(ours) => ours,
        // The words mean services that are not the director's.
        Err(_) if !foreign.is_empty() => Vec::new(),
        Err(unmatched) => return Err(unmatched.into()),
    };
    let ours = ours.into_iter().map(|one| (one.key, one)).collect();
    let services = stats::services(table, ours, foreign, is_brief);
    Ok(json(stream::with_services(&Nothing {}, services)))
}

async fn drain(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::server(request::read(body).await?, caller, Request::Drain);
    desk.request(request.await?, PATIENCE).await
}

async fn undrain(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::server(request::read(body).await?, caller, Request::Undrain);
    desk.request(request.await?, PATIENCE).await
}

async fn weight(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::weight(request::read(body).await?, caller);
    desk.request(request.await?, PATIENCE).await
}

async fn disable(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::host(request::read(body).await?, caller, Request::Disable);
    desk.request(request.await?, PATIENCE).await
}

async fn enable(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::host(request::read(body).await?, caller, Request::Enable);
    desk.request(request.await?, PATIENCE).await
}

async fn failover(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::failover(request::read(body).await?, caller);
    desk.request(request.await?, PATIENCE).await
}

async fn announce(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Response, Failure> {
    let request = request::announce(request::read(body).await?, caller);
    desk.request(request.await?, PATIENCE).await
}

async fn reload(State(desk): State<Desk>, body: Body) -> Result<Response, Failure> {
    let request = request::reload(request::read(body).await?);
    desk.request(request, RELOAD_PATIENCE).await
}

impl Desk {
    /// A place among those who read much at a time.
    pub(super) fn reader(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Failure> {
        let busy = || Failure::unavailable("too many readers; try again");
        self.readers.take(caller).ok_or_else(busy)
    }

    /// A place among those who read the connection table.
    pub(super) fn table_reader(&self, caller: Caller) -> Result<OwnedSemaphorePermit, Failure> {
        let busy = || Failure::unavailable("too many readers of the connection table; try again");
        self.table_readers.take(caller).ok_or_else(busy)
    }

    /// The kernel's tables, read for one caller at a time.
    pub(super) async fn counted(
        &self,
        caller: Caller,
        of: Option<Vec<ServiceKey>>,
    ) -> Result<Counted, Failure> {
        let busy = || Failure::unavailable("too many readers of counters; try again");
        let _reader = self.readers.take(caller).ok_or_else(busy)?;
        // The semaphore is never closed.
        let _turn = self.reading.acquire().await;
        let (reply, answer) = Reply::new();
        self.director.table(of, reply);
        answered(answer, PATIENCE).await
    }

    async fn request(&self, request: Request, patience: Duration) -> Result<Response, Failure> {
        let (reply, answer) = Reply::<Answer>::new();
        self.director.request(request, reply);
        Ok(stream::whole(&answered(answer, patience).await?))
    }
}

pub(super) async fn answered<T>(
    answer: oneshot::Receiver<Result<T, Refusal>>,
    patience: Duration,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer?),
        Ok(Err(_)) => Err(Failure::unavailable("the director is stopping")),
        Err(_) => Err(Failure::unavailable(format!(
            "the director did not answer in {}s; `director status` shows whether it was carried \
             out",
            patience.as_secs()
        ))),
    }
}

async fn unknown(uri: Uri) -> Failure {
    Failure::not_found(format!(
        "no route {} in director {}; see docs/api.md",
        uri.path(),
        env!("CARGO_PKG_VERSION")
    ))
}

/// The view socket does not tell which routes operators have.
async fn not_viewed(method: Method, uri: Uri) -> Failure {
    if method == Method::GET || method == Method::HEAD {
        unknown(uri).await
    } else {
        read_only(method, uri).await
    }
}

async fn read_only(method: Method, uri: Uri) -> Failure {
    Failure::invalid(format!(
        "{method} {}: this socket is read-only; the control socket is for operators",
        uri.path()
    ))
    .status(StatusCode::METHOD_NOT_ALLOWED)
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    Failure::invalid(format!("{} does not support {method}", uri.path()))
        .status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Adds the director's identity to every answer, and refuses requests meant for another network
/// namespace: since this director started, the namespace's name, and the socket named after it, may
/// have passed to another namespace.
async fn here(State(desk): State<Desk>, request: extract::Request, next: Next) -> Response {
    let own = api::in_header(desk.director.identity().incarnation.namespace);
    let meant = request.headers().get(api::NAMESPACE_HEADER);
    let is_meant = meant.is_none_or(|meant| meant.as_bytes() == own.as_bytes());
    let mut response = if is_meant {
        next.run(request).await
    } else {
        let pid = std::process::id();
        Failure::not_found(format!(
            "the director on this socket (process {pid}) is in another one, net:[{}]; stop it if \
             its namespace was deleted, or select the right namespace (--netns) or socket \
             (--socket)",
            desk.director.identity().incarnation.namespace.1
        ))
        .status(StatusCode::MISDIRECTED_REQUEST)
        .into_response()
    };
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(api::VERSION_HEADER), version);
    if let Ok(own) = HeaderValue::try_from(own) {
        headers.insert(HeaderName::from_static(api::NAMESPACE_HEADER), own);
    }
    response
}

/// The services to read if these are few: all tables of a large director take the kernel long.
fn few(selection: &Selection, snapshot: &Snapshot) -> Option<Vec<ServiceKey>> {
    if selection.is_all() {
        return None;
    }
    let ours = selection.of(snapshot).ok()?.into_iter().map(|one| one.key);
    let foreign = snapshot.foreign.iter().copied();
    let foreign = foreign.filter(|key| selection.has_foreign(key));
    let keys: Vec<ServiceKey> = ours.chain(foreign).take(FEW + 1).collect();
    (keys.len() <= FEW).then_some(keys)
}

/// The head of an answer without one.
#[derive(Serialize)]
struct Nothing {}

fn send<H: Serialize, T: Serialize + Send + 'static>(
    head: &H,
    chosen: Vec<Selected>,
    show: fn(&Selected) -> T,
) -> Response {
    let parts = chosen.into_iter().map(move |one| show(&one));
    json(stream::with_services(head, parts))
}

fn json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

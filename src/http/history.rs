//! The history, read from the disk on threads of its own: the runtime of the sockets never waits for
//! a disk.

use std::time::SystemTime;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use super::api::{HistoryLine, HistorySpan as Span, unix};
use super::asked::{Asked, Parameters};
use super::caller::Caller;
use super::failure::Failure;
use super::routes::{Desk, may_read_files};
use super::stream::{self, Sink};
use crate::history::{At, Filter, Reader, plan};
use crate::state::BootTime;
use crate::words::calendar;

/// `GET /v1/history`: what changed, as lines.
pub(super) async fn rows(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["since", "until", "service", "server"]])?;
    let filter = asked.history()?;
    let permit = desk.reader(caller)?;
    let reader = open(&desk)?;
    let (sink, body) = Sink::new();
    tokio::task::spawn_blocking(move || {
        send_rows(&reader, &filter, &sink);
        drop(permit);
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
}

/// Sends the rows; a client that is gone ends it.
fn send_rows(reader: &Reader, filter: &Filter, sink: &Sink) {
    let line = |line: &HistoryLine| {
        // Strings and numbers: this cannot fail.
        let mut bytes = serde_json::to_vec(line).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    };
    let sent = reader.rows(filter, |row| {
        sink.send_blocking(line(&HistoryLine::Row(row))).is_ok()
    });
    let lost = sent.unwrap_or_else(|error| vec![error.to_string()]);
    for lost in lost {
        if sink
            .send_blocking(line(&HistoryLine::Lost { lost }))
            .is_err()
        {
            return;
        }
    }
}

/// `GET /v1/history/span`: from when to when it is kept.
pub(super) async fn span(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    Asked::take(query, &[])?;
    read(&desk, caller, |reader| {
        let begins = reader.begins().ok_or_else(|| begins(reader))?;
        // A picture is that of the end of a second: the first one that has something.
        Ok(Span {
            begins: begins / 1000,
            now: unix(SystemTime::now()),
        })
    })
    .await
}

/// `GET /v1/history/at`: the tables and states at a time.
pub(super) async fn at(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["at"]])?;
    let at = time(&asked, "at")?;
    read(&desk, caller, move |reader| {
        reader.at(at).map_err(broken)?.ok_or_else(|| begins(reader))
    })
    .await
}

/// `GET /v1/history/diff`: the difference between two times as a plan.
pub(super) async fn diff(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["from", "to"]])?;
    let [from, to] = [time(&asked, "from")?, time(&asked, "to")?];
    read(&desk, caller, move |reader| {
        let [before, after] = reader.between(from, to).map_err(broken)?;
        let found = |found: Option<At>| found.ok_or_else(|| begins(reader));
        let [mut before, mut after] = [found(before)?, found(after)?];
        let plan = plan(&before.picture, &after.picture);
        let mut plan = plan.to_json(BootTime::default());
        before.lost.append(&mut after.lost);
        plan["lost"] = Value::from(before.lost);
        Ok(plan)
    })
    .await
}

/// `GET /v1/history/files`: the service files at a time, for operators.
pub(super) async fn files(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["at"]])?;
    let at = time(&asked, "at")?;
    may_read_files(caller)?;
    read(&desk, caller, move |reader| {
        reader
            .files_at(at)
            .map_err(broken)?
            .ok_or_else(|| begins(reader))
    })
    .await
}

/// The end of a second, in milliseconds since 1970.
fn time(asked: &Asked, key: &str) -> Result<u64, Failure> {
    let missing = || Failure::invalid(format!("`{key}` is missing: a time in seconds since 1970"));
    let seconds = asked.number(key)?.ok_or_else(missing)?;
    Ok(seconds.saturating_mul(1000).saturating_add(999))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: std::io::Error) -> Failure {
    Failure::unavailable(format!("cannot read the history: {error}"))
}

fn begins(reader: &Reader) -> Failure {
    Failure::not_found(match reader.begins() {
        Some(begins) => format!("the history begins {}", calendar(begins / 1000)),
        None => "there is no history yet, or `history_size` is off".to_owned(),
    })
}

fn open(desk: &Desk) -> Result<Reader, Failure> {
    Reader::open(&desk.director.identity().state_dir).map_err(broken)
}

/// Answers with what `make` reads.
async fn read<T: Serialize + Send + 'static>(
    desk: &Desk,
    caller: Caller,
    make: impl FnOnce(&Reader) -> Result<T, Failure> + Send + 'static,
) -> Result<Response, Failure> {
    let permit = desk.reader(caller)?;
    let state = desk.director.identity().state_dir;
    let made = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&state).map_err(broken)?;
        let made = make(&reader)?;
        drop(permit);
        // As text: it is smaller than the tables themselves, which go here.
        Ok::<_, Failure>(serde_json::to_vec(&made).unwrap_or_default())
    });
    let text = made
        .await
        .map_err(|_| Failure::unavailable("the director is stopping"))??;
    Ok(stream::bytes(Body::from(crate::words::json_bytes(text))))
}

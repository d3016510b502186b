//! The kernel's connection table: what it has, and why a client lands on a server.
//!
//! It is read line by line on threads of its own, by two clients at a time, and for no longer than
//! [`PATIENCE`]: a table of millions of entries takes the kernel seconds, and a client that reads
//! slowly is not waited for.

use std::io;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use ipvs::{Connection, Family, ServiceKey};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::asked::{Asked, Parameters};
use super::caller::Caller;
use super::failure::Failure;
use super::routes::Desk;
use super::stream::{self, Sink};
use crate::connections::{
    Counts, Filter, Names, NotFound, Question, Top, Wanted, Who, explain, object, page, quiescent,
};
use crate::control::Entries;
use crate::control::operator::{Refusal, RefusalKind};

/// How long a reading may take, with the client that takes it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Rows, unless the client says otherwise, and at most.
const ROWS: (u64, u64) = (1000, 100_000);
/// The same for the first ones.
const FIRST: (u64, u64) = (10, 1000);
/// The most listen addresses that `why` explains at a time.
const LISTENS: usize = 64;
/// The size up to which rows are collected, in bytes.
const PIECE: usize = 32 * 1024;

/// `GET /v1/connections`.
pub(super) async fn connections(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let known = ["service", "server", "client", "state", "limit", "top", "n"];
    let asked = Asked::take(query, &[&known])?;
    let top = asked.one("top")?.map(top).transpose()?;
    let wrong = |key, other| Failure::invalid(format!("`{key}` is for an answer {other} `top`"));
    let (first, rows) = (asked.number("n")?, asked.number("limit")?);
    match top {
        Some(_) if rows.is_some() => return Err(wrong("limit", "without")),
        None if first.is_some() => return Err(wrong("n", "with")),
        _ => {}
    }
    let first = within("n", first, FIRST)?;
    let limit = within("limit", rows, ROWS)?;
    let wanted = wanted(&asked)?;
    let permit = desk.table_reader(caller)?;
    let table = Reading::new(&desk, permit);
    match top {
        Some(top) => {
            let page = table.run(move |reading| reading.busiest(top, first, wanted));
            Ok(stream::whole(&page.await?))
        }
        None => {
            // The words are understood before the answer begins.
            let (table, names, filter, entries) = table
                .run(move |reading| {
                    let names = reading.names();
                    let filter = Filter::new(wanted, &names)?;
                    let entries = reading.open()?;
                    Ok((reading, names, filter, entries))
                })
                .await?;
            let (sink, body) = Sink::new();
            tokio::task::spawn_blocking(move || {
                table.send_rows(entries, limit, &filter, &names, &sink);
            });
            Ok(([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
        }
    }
}

/// `GET /v1/why`.
pub(super) async fn why(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    query: Parameters,
) -> Result<Response, Failure> {
    let asked = Asked::take(query, &[&["service", "client", "to"]])?;
    let missing = |key| Failure::invalid(format!("`{key}` is missing"));
    let word = asked.one("service")?.ok_or_else(|| missing("service"))?;
    let client = asked.one("client")?.ok_or_else(|| missing("client"))?;
    let client: Who = client.parse().map_err(wrong("client"))?;
    let to = asked.one("to")?.map(str::parse).transpose();
    let to = to.map_err(|_| Failure::invalid("`to` must be ADDRESS:PORT"))?;
    let permit = desk.table_reader(caller)?;
    let reading = Reading::new(&desk, permit);
    let word = word.to_owned();
    let (reading, names, keys) = reading
        .run(move |reading| {
            let names = reading.names();
            let keys = keys(&word, client, &names)?;
            Ok((reading, names, keys))
        })
        .await?;
    let counted = desk.counted(caller, Some(keys.clone())).await?;
    let found = |key: &ServiceKey| {
        let mut services = counted.table.services.iter();
        services.any(|it| it.entry.service.key == *key)
    };
    if let Some(missing) = keys.iter().find(|key| !found(key)) {
        let text = format!("the kernel has no service {missing}");
        return Err(Failure::not_found(text));
    }
    let answer = reading.run(move |reading| {
        let question = Question {
            client,
            to,
            // A kernel without the setting has it off.
            quiescent: quiescent().unwrap_or(false),
        };
        let tables = counted.table.services.iter();
        let tables = tables.map(|it| (&it.entry.service, &it.servers[..]));
        let entries = Timed(reading.open()?, reading.deadline);
        let explained = explain(question, tables, entries, &names).map_err(unreadable)?;
        let objects = explained.iter().map(|one| one.object(&names));
        Ok(Value::from_iter(objects))
    });
    Ok(stream::whole(&answer.await?))
}

/// The listen addresses that a word means, of the client's family.
fn keys(word: &str, client: Who, names: &Names) -> Result<Vec<ServiceKey>, Failure> {
    let mut keys: Vec<ServiceKey> = names.services(word).collect();
    keys.extend(word.parse::<ServiceKey>().ok().filter(|_| keys.is_empty()));
    if keys.is_empty() {
        let text = format!("no service `{word}`; `director status` lists them");
        return Err(Failure::not_found(text));
    }
    let client = client.ip();
    keys.retain(|key| Family::of(client) == key.family());
    match keys.len() {
        0 => Err(Failure::not_found(format!(
            "`{word}` has no listen address of the family of {client}"
        ))),
        1..=LISTENS => Ok(keys),
        many => Err(Failure::invalid(format!(
            "`{word}` has {many} listen addresses; name one"
        ))),
    }
}

fn top(word: &str) -> Result<Top, Failure> {
    let mut all = Top::ALL.into_iter();
    all.find(|top| top.words() == word).ok_or_else(|| {
        Failure::invalid(format!(
            "`top` must be {}",
            Top::ALL.map(Top::words).join(", ")
        ))
    })
}

fn within(key: &str, number: Option<u64>, (usual, most): (u64, u64)) -> Result<u64, Failure> {
    match number.unwrap_or(usual) {
        number if number <= most => Ok(number),
        _ => Err(Failure::invalid(format!("`{key}` must be at most {most}"))),
    }
}

fn wanted(asked: &Asked) -> Result<Wanted, Failure> {
    let words = |key| asked.all(key).map(str::to_owned).collect();
    let clients = asked.all("client").map(str::parse);
    Ok(Wanted {
        services: words("service"),
        servers: words("server"),
        clients: clients.collect::<Result<_, _>>().map_err(wrong("client"))?,
        states: words("state"),
    })
}

/// A mistake in the value of a parameter.
fn wrong(key: &'static str) -> impl Fn(String) -> Failure {
    move |error| Failure::invalid(format!("`{key}`: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: ipvs::Error) -> Failure {
    let is_late = matches!(&error, ipvs::Error::Connections { source, .. }
        if source.kind() == io::ErrorKind::TimedOut);
    match is_late {
        true => Failure::unavailable(error.to_string()),
        false => Refusal::new(RefusalKind::Kernel, error.to_string()).into(),
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        match error {
            NotFound::Word { .. } => Self::not_found(error.to_string()),
            NotFound::Mark { .. } => Self::invalid(error.to_string()),
        }
    }
}

/// A client's turn at the table; it ends with this.
struct Reading {
    desk: Desk,
    deadline: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    fn new(desk: &Desk, permit: OwnedSemaphorePermit) -> Self {
        Self {
            desk: desk.clone(),
            deadline: Instant::now() + PATIENCE,
            _permit: permit,
        }
    }

    /// Runs on a thread that may block.
    async fn run<T: Send + 'static>(
        self,
        make: impl FnOnce(Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let made = tokio::task::spawn_blocking(move || make(self)).await;
        made.map_err(|_| Failure::unavailable("the director is stopping"))?
    }

    fn names(&self) -> Names {
        Names::of_snapshot(&self.desk.director.published().snapshot())
    }

    fn open(&self) -> Result<Entries, Failure> {
        self.desk.director.connections().map_err(unreadable)
    }

    fn busiest(self, top: Top, first: u64, wanted: Wanted) -> Result<Value, Failure> {
        let names = self.names();
        let filter = Filter::new(wanted, &names)?;
        let mut counts = Counts::bounded(top);
        let mut read = 0;
        for connection in Timed(self.open()?, self.deadline) {
            let connection = connection.map_err(unreadable)?;
            read += 1;
            if filter.lets_through(&connection) {
                counts.add(&connection);
            }
        }
        let limit = usize::try_from(first).unwrap_or(usize::MAX);
        Ok(page(top, read, &counts.most(limit, &names)))
    }

    /// Sends rows, and at the end what was left out. A client that is gone, or too slow, ends it.
    fn send_rows(self, entries: Entries, limit: u64, filter: &Filter, names: &Names, sink: &Sink) {
        let (mut read, mut shown, mut left_out) = (0_u64, 0_u64, 0_u64);
        let mut incomplete = None;
        let mut piece = Vec::new();
        for connection in Timed(entries, self.deadline) {
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => {
                    incomplete = Some(error.to_string());
                    break;
                }
            };
            read += 1;
            if !filter.lets_through(&connection) {
                continue;
            }
            if shown == limit {
                left_out += 1;
                continue;
            }
            shown += 1;
            add_line(&mut piece, &object(&connection, names));
            if piece.len() >= PIECE
                && sink
                    .send_until(std::mem::take(&mut piece), self.deadline)
                    .is_err()
            {
                return;
            }
        }
        let end = json!({
            "entries": read, "shown": shown, "left_out": left_out, "incomplete": incomplete,
        });
        add_line(&mut piece, &end);
        // A client that is gone is no error.
        let _ = sink.send_until(piece, self.deadline);
    }
}

fn add_line(piece: &mut Vec<u8>, value: &Value) {
    piece.extend_from_slice(value.to_string().as_bytes());
    piece.push(b'\n');
}

/// The entries up to a deadline, and then an error.
struct Timed(Entries, Instant);

impl Iterator for Timed {
    type Item = ipvs::Result<Connection>;

    fn next(&mut self) -> Option<Self::Item> {
        if Instant::now() < self.1 {
            return self.0.next();
        }
        let text = format!(
            "it takes longer than {}s; use the command",
            PATIENCE.as_secs()
        );
        Some(Err(ipvs::Error::Connections {
            path: "/proc/net/ip_vs_conn",
            source: io::Error::new(io::ErrorKind::TimedOut, text),
        }))
    }
}

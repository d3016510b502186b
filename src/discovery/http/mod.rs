//! Asks servers over HTTP/1.1, with a limit for every wait and every answer.
//!
//! ```text
//!   Http ─► ask: one answer, over a connection that is kept; the next server if one fails
//!     └───► open: a connection of its own ─► Lines, as they come
//! ```
//!
//! Blocks the thread that calls, which is one of a pool's own. The runtime runs only within calls.

mod connect;
mod lines;

pub(super) use lines::{Lines, Next};

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

use self::connect::{Connection, connect};
use crate::check::tls;
use crate::state::discovery::{HttpServers, HttpUrl};
use crate::words::printable;

/// The longest answer, and the longest line of a stream, in bytes.
const LONGEST: usize = 64 << 20;
/// How long the head of a stream may take.
const OPENING: Duration = Duration::from_secs(10);
/// How much of an error's text is shown, in characters.
const SHOWN: usize = 300;
const CUT_OFF: &str = "the connection ended in the middle of an answer";

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    /// The path and query, which follow the path of the server's URL.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

/// A whole answer, whatever its status is.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What files hold that the settings of TLS name, but that are not on disk.
pub(super) type Contents = HashMap<PathBuf, Vec<u8>>;

/// A stream, or the answer in place of one.
pub(super) enum Opened {
    Lines(Lines),
    Refused(Reply),
}

/// A client of servers that give the same answers.
pub(super) struct Http {
    servers: HttpServers,
    contents: Contents,
    /// The index of the server that answered last.
    current: usize,
    kept: Option<Connection>,
    /// The last field: connections end while there is one.
    runtime: Arc<Runtime>,
}

impl Http {
    /// A client. Does not connect yet.
    pub(super) fn new(servers: &HttpServers) -> Result<Self, String> {
        Self::with_contents(servers, Contents::new())
    }

    /// A client whose TLS settings name files with these contents.
    pub(super) fn with_contents(servers: &HttpServers, contents: Contents) -> Result<Self, String> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start an HTTP client: {error}"))?;
        Ok(Self {
            servers: servers.clone(),
            contents,
            current: 0,
            kept: None,
            runtime: Arc::new(runtime),
        })
    }

    /// The URL of the server that is asked next.
    pub(super) fn url(&self) -> &HttpUrl {
        &self.servers.urls[self.current]
    }

    /// Asks; if a server fails or answers with a status of 500 and more, also the next ones, each
    /// with this limit.
    pub(super) fn ask(&mut self, question: &Question, limit: Duration) -> Result<Reply, String> {
        let runtime = Arc::clone(&self.runtime);
        let mut poor = None;
        let asked = self.each(|http| {
            let reply = runtime.block_on(http.ask_one(question, limit))?;
            if !reply.status.is_server_error() {
                return Ok(reply);
            }
            let why = refusal(reply.status, &reply.body);
            poor = Some(reply);
            Err(why)
        });
        // If none answers better, an answer says more than an error.
        asked.or_else(|why| poor.ok_or(why))
    }

    /// Opens a stream of lines, on a connection of its own. Every status but 200 is an error.
    pub(super) fn open(&mut self, question: &Question) -> Result<Lines, String> {
        match self.open_any(question)? {
            Opened::Lines(lines) => Ok(lines),
            Opened::Refused(reply) => {
                let why = refusal(reply.status, &reply.body);
                Err(format!("{}: {why}", self.url()))
            }
        }
    }

    /// The same, for callers to whom the status matters.
    pub(super) fn open_any(&mut self, question: &Question) -> Result<Opened, String> {
        let runtime = Arc::clone(&self.runtime);
        let mut poor = None;
        let opened = self.each(|http| match runtime.block_on(http.open_one(question))? {
            Ok((connection, body)) => {
                let url = http.url().to_string();
                let lines = Lines::new(Arc::clone(&runtime), connection, body, url);
                Ok(Opened::Lines(lines))
            }
            Err(reply) if reply.status.is_server_error() => {
                let why = refusal(reply.status, &reply.body);
                poor = Some(reply);
                Err(why)
            }
            Err(reply) => Ok(Opened::Refused(reply)),
        });
        opened.or_else(|why| poor.map(Opened::Refused).ok_or(why))
    }

    /// Tries the servers, beginning with the current one, until one answers well.
    fn each<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut said = Vec::new();
        for _ in 0..self.servers.urls.len() {
            match attempt(self) {
                Ok(reply) => return Ok(reply),
                Err(why) => said.push(format!("{}: {why}", self.url())),
            }
            self.kept = None;
            self.current = (self.current + 1) % self.servers.urls.len();
        }
        Err(said.join("; "))
    }

    async fn ask_one(&mut self, question: &Question, limit: Duration) -> Result<Reply, String> {
        let asked = timeout(limit, async {
            // A server may have closed a connection that was kept: then it never saw the question.
            if let Some(mut kept) = self.kept.take()
                && let Ok(response) = kept.sender.send_request(self.request(question)?).await
            {
                return self.collect(kept, response).await;
            }
            let mut fresh = connect(self.url(), &self.servers.tls, &self.contents).await?;
            let response = fresh.send(self.request(question)?).await?;
            self.collect(fresh, response).await
        });
        let no_answer = |_| format!("no answer within {}", shown(limit));
        asked.await.map_err(no_answer)?
    }

    async fn collect(
        &mut self,
        connection: Connection,
        response: Response<Incoming>,
    ) -> Result<Reply, String> {
        let (head, body) = response.into_parts();
        let body = whole(body, LONGEST).await?;
        self.kept = Some(connection);
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn open_one(
        &self,
        question: &Question,
    ) -> Result<Result<(Connection, Incoming), Reply>, String> {
        let opened = timeout(OPENING, async {
            let mut connection = connect(self.url(), &self.servers.tls, &self.contents).await?;
            let response = connection.send(self.request(question)?).await?;
            if response.status() == StatusCode::OK {
                return Ok(Ok((connection, response.into_body())));
            }
            let (head, body) = response.into_parts();
            Ok(Err(Reply {
                status: head.status,
                headers: head.headers,
                body: whole(body, LONGEST).await?,
            }))
        });
        let no_answer = |_| format!("no answer within {}", shown(OPENING));
        opened.await.map_err(no_answer)?
    }

    fn request(&self, question: &Question) -> Result<Request<Full<Bytes>>, String> {
        let url = self.url();
        let mut request = Request::builder()
            .method(&question.method)
            .uri(format!("{}{}", url.prefix, question.path))
            .header(HOST, url.authority());
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(question.body.clone()));
        request.map_err(|error| format!("cannot ask: {error}"))
    }
}

/// A body; an error if it is longer than the limit, in bytes.
async fn whole(mut body: Incoming, most: usize) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| why(&error))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > most {
                return Err(format!("its answer is longer than {} MiB", most >> 20));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes.into())
}

/// An answer that is none: its status, and what the server says.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
    let text: String = text.trim().chars().take(SHOWN).collect();
    match text.is_empty() {
        true => format!("HTTP {status}"),
        false => format!("HTTP {status}: {}", printable(&text)),
    }
}

/// Why a connection ended: the innermost cause.
fn why(error: &hyper::Error) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        match cause.downcast_ref::<io::Error>() {
            Some(end) if end.kind() == io::ErrorKind::UnexpectedEof => return CUT_OFF.to_owned(),
            Some(error) => return tls::describe(error),
            None => {}
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    match () {
        () if error.is_incomplete_message() => CUT_OFF.to_owned(),
        () if error.is_canceled() || error.is_closed() => "the connection was closed".to_owned(),
        () if error.is_parse() => format!("no HTTP: {cause}"),
        () => cause.to_string(),
    }
}

fn shown(limit: Duration) -> String {
    format!("{}s", limit.as_secs_f32())
}

#[cfg(test)]
mod tests;

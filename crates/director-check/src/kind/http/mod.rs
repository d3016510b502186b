//! The server answers an HTTP/1.1 request, with or without TLS.
//!
//! ```text
//!   request.rs ──bytes──► socket ──bytes──► response.rs ──► judge ──► Passed or Failure
//! ```
//!
//! Each check has a connection of its own, so that a server that accepts no new ones is detected.
//! The answer is read to its end, at most a mebibyte, even if nothing is expected of the body: a
//! server that cannot finish its answers is not up.
//!
//! - **Two drivers, one exchange.** Most checks run in `check/exchange.rs`, on the thread that
//!   connects, with one system call per step; those with TLS, through the forwarding path or with a
//!   regular expression run here.
//! - **Received bytes are the answer**, whatever happened to the request: a server that answers
//!   without having read it (a script behind xinetd or socat) resets the connection when it closes.
//! - **Waiting needs no buffer**: bytes are read onto the stack and kept only if they are examined.

mod request;
mod response;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Driver;
use super::attempt::Attempt;
use super::expect::{self, Patterns};
use super::tls::{self, Protocol};
use super::words::percent;
use crate::Advice;
use crate::failure::{Failure, Passed};
use crate::net::quote;
use director_config::state::health::{
    CheckAt, CheckKind, CheckSpec, Expect, HttpCheck, WeightFrom,
};

pub(crate) use request::request;
pub(super) use request::{authority, without_port};
pub(crate) use response::Response;

/// The size of a read, in bytes.
const PIECE: usize = 8 << 10;

/// A request needs no task without TLS and without a regular expression, which may take long on a
/// large body.
pub(super) fn driver(spec: &HttpCheck, at: &CheckAt) -> Driver {
    match spec.tls.is_none() && !at.through && !matches!(spec.body, Some(Expect::Matches(_))) {
        true => Driver::Connects,
        false => Driver::Task,
    }
}

/// The request of a check that needs no task.
pub(crate) fn simple(spec: &CheckSpec) -> Option<&HttpCheck> {
    match &spec.kind {
        CheckKind::Http(http) if driver(http, &spec.at) == Driver::Connects => Some(http),
        _ => None,
    }
}

pub(super) async fn run(spec: &HttpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let request = request(spec, attempt.way.to)?;
    let stream = attempt.connect().await?;
    let answer = match &spec.tls {
        None => exchange(spec, attempt, stream, request).await?,
        Some(tls) => {
            let host = spec.host.as_deref().map(without_port);
            let configurations = &attempt.means.tls;
            let stream = configurations
                .connect(tls, Protocol::Http1, host, attempt, stream)
                .await?;
            exchange(spec, attempt, stream, request).await?
        }
    };
    answer.judge(spec, &attempt.means.patterns)
}

async fn exchange(
    spec: &HttpCheck,
    attempt: &Attempt<'_>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Vec<u8>,
) -> Result<Response, Failure> {
    let mut answer = Response::default();
    let mut sending = Sending {
        request,
        sent: 0,
        broken: None,
    };
    while !answer.is_complete() {
        attempt.stage(answer.stage());
        poll_fn(|context| {
            sending.poll(context, Pin::new(&mut stream));
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            let result = ready!(Pin::new(&mut stream).poll_read(context, &mut piece));
            Poll::Ready(match result {
                Ok(()) if !piece.filled().is_empty() => {
                    answer.hear(spec, piece.filled()).map_err(Failure::new)
                }
                Ok(()) => answer.ended(spec, None, sending.broken.take()),
                // TLS without close_notify: the length, if given, shows whether the body is
                // truncated.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    answer.ended(spec, None, sending.broken.take())
                }
                Err(error) => answer.ended(spec, Some(error), sending.broken.take()),
            })
        })
        .await?;
    }
    Ok(answer)
}

/// A request being sent.
struct Sending {
    request: Vec<u8>,
    sent: usize,
    /// The error of sending.
    broken: Option<io::Error>,
}

impl Sending {
    /// Sends as much as possible now.
    fn poll(&mut self, context: &mut Context<'_>, mut stream: Pin<&mut (impl AsyncWrite + Unpin)>) {
        while self.sent < self.request.len() {
            match stream
                .as_mut()
                .poll_write(context, &self.request[self.sent..])
            {
                Poll::Pending => return,
                Poll::Ready(Ok(number @ 1..)) => self.sent += number,
                Poll::Ready(Ok(0)) => return self.breaks(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return self.breaks(error),
            }
        }
        // TLS buffers what it could not write yet.
        match stream.as_mut().poll_flush(context) {
            Poll::Ready(Err(error)) => self.breaks(error),
            Poll::Ready(Ok(())) => self.breaks_off(),
            Poll::Pending => {}
        }
    }

    fn breaks(&mut self, error: io::Error) {
        self.broken.get_or_insert(error);
        self.breaks_off();
    }

    /// Drops what was sent, or cannot be.
    fn breaks_off(&mut self) {
        self.request = Vec::new();
        self.sent = 0;
    }
}

impl Response {
    /// The current stage.
    pub(crate) fn stage(&self) -> &'static str {
        if self.is_awaited() {
            "waiting for the answer"
        } else {
            "reading the answer"
        }
    }

    /// Handles the end of the connection: by `error`, or closed by the server. `broken` is the
    /// error of sending the request. If the answer is complete without more, a reset is an end like
    /// any other.
    pub(crate) fn ended(
        &mut self,
        spec: &HttpCheck,
        error: Option<io::Error>,
        broken: Option<io::Error>,
    ) -> Result<(), Failure> {
        let is_close = error.as_ref().is_none_or(|error| {
            use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
            matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
        });
        let cause = if self.is_empty() {
            // The error of sending came first, and is what is wrong with the connection.
            broken.or(error)
        } else {
            let closed = is_close.then(|| self.closed(spec));
            match (closed, error) {
                (Some(Ok(())), _) => return Ok(()),
                (Some(Err(text)), None) => return Err(Failure::new(text)),
                (_, error) => error,
            }
        };
        match cause {
            Some(error) => Err(tls::failure(&error)),
            None => self.closed(spec).map_err(Failure::new),
        }
    }

    /// Judges a complete answer.
    pub(crate) fn judge(&self, spec: &HttpCheck, patterns: &Patterns) -> Result<Passed, Failure> {
        let status = self.status();
        let well = |(low, high): &(u16, u16)| (*low..=*high).contains(&status);
        if !spec.status.iter().any(well) {
            let expected = ranges(&spec.status);
            return Err(Failure::new(format_args!(
                "status {status}, expected {expected}"
            )));
        }
        if let Some(expect) = &spec.body
            && !patterns.get(expect)?.is_match(self.body())
        {
            return Err(Failure::new(format_args!(
                "status {status}, unexpected body: {}, expected one that {}",
                quote(self.body()),
                expect::words(expect)
            )));
        }
        let Some(from) = &spec.weight else {
            return Ok(Passed {
                text: Some(format!("status {status}").into()),
                advice: None,
            });
        };
        let word = match from {
            WeightFrom::Header(_) => self.weight(),
            WeightFrom::Body => self
                .body()
                .split(u8::is_ascii_whitespace)
                .find(|word| !word.is_empty()),
        };
        let weight = word.and_then(|word| percent(str::from_utf8(word).ok()?.trim()));
        let text = match (weight, word) {
            (Some(weight), _) => format!("status {status}, weight {weight} %"),
            (None, Some(word)) => format!("status {status}, no weight: {}", quote(word)),
            (None, None) => format!("status {status}, no weight"),
        };
        Ok(Passed {
            text: Some(text.into()),
            advice: weight.map(|weight| Advice {
                weight: Some(weight),
                ..Advice::default()
            }),
        })
    }
}

/// Status codes for people: `200-299 or 401`.
fn ranges(status: &[(u16, u16)]) -> String {
    let range = |(low, high): &(u16, u16)| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    };
    let all: Vec<_> = status.iter().map(range).collect();
    all.join(" or ")
}

/// Parses `bytes` as an answer to various requests: in one piece, and byte by byte.
///
/// # Panics
/// If the two differ.
pub(super) fn endure(bytes: &[u8]) {
    for method in ["GET", "HEAD"] {
        let spec = HttpCheck {
            method: method.to_owned(),
            weight: Some(WeightFrom::Header("x-weight".to_owned())),
            body: Some(Expect::Contains(b"ok".to_vec())),
            ..HttpCheck::default()
        };
        let read = |piece: usize| {
            let mut answer = Response::default();
            for piece in bytes.chunks(piece) {
                answer.hear(&spec, piece).ok()?;
            }
            answer.closed(&spec).ok()?;
            let weight = answer.weight().map(<[u8]>::to_vec);
            Some((answer.status(), weight, answer.body().to_vec()))
        };
        let whole = read(bytes.len().max(1));
        assert_eq!(whole, read(1), "the pieces change nothing");
    }
}

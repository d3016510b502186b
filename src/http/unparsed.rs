//! Answers to data that never became a request: a head that is too long, no HTTP, or nothing in
//! time. hyper answers some of these itself, without a body, and closes the others without an
//! answer; this module turns each into the usual error.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::failure::Failure;

/// A connection that suppresses answers until a route was called, except those made here.
pub(super) struct Unparsed<S> {
    stream: S,
    /// A request was parsed and passed to a route: from then on every byte passes.
    asked: Arc<AtomicBool>,
    /// The replacement answer, and how much of it has been written.
    own: Option<(Vec<u8>, usize)>,
    head_size: usize,
}

impl<S: AsyncWrite + Unpin> Unparsed<S> {
    /// `asked` is set when a request is passed to a route.
    pub(super) const fn new(stream: S, asked: Arc<AtomicBool>, head_size: usize) -> Self {
        Self {
            stream,
            asked,
            own: None,
            head_size,
        }
    }

    /// The connection has ended; if nothing was answered, says why.
    pub(super) async fn end(mut self, error: Option<&hyper::Error>) -> io::Result<()> {
        let silent = self.own.is_none() && !self.asked.load(Ordering::Relaxed);
        if let Some(error) = error.filter(|_| silent) {
            let failure = if error.is_timeout() {
                Failure::invalid("the head of the request did not arrive in time")
                    .status(StatusCode::REQUEST_TIMEOUT)
            } else if error.is_parse() {
                Failure::invalid("not an HTTP/1 request")
            } else {
                return Ok(());
            };
            self.stream.write_all(&failure.whole()).await?;
        }
        self.stream.shutdown().await
    }

    /// The replacement for an answer of hyper's own.
    fn reworded(&self, head: &[u8]) -> Vec<u8> {
        let size = self.head_size;
        let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let status = StatusCode::from_bytes(status).unwrap_or(StatusCode::BAD_REQUEST);
        let failure = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Failure::invalid(format!(
                "the head of a request is limited to {size} bytes and 100 lines"
            )),
            StatusCode::URI_TOO_LONG => Failure::invalid("the path is too long"),
            _ => Failure::invalid("not an HTTP/1 request"),
        };
        failure.status(status).whole()
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unparsed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.asked.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        let (answer, mut sent) = match self.own.take() {
            Some(own) => own,
            None => (self.reworded(bytes), 0),
        };
        let mut written = Poll::Ready(Ok(bytes.len()));
        while sent < answer.len() {
            match Pin::new(&mut self.stream).poll_write(context, &answer[sent..]) {
                Poll::Ready(Ok(0)) => written = Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => {
                    sent += more;
                    continue;
                }
                Poll::Ready(Err(error)) => written = Poll::Ready(Err(error)),
                Poll::Pending => written = Poll::Pending,
            }
            break;
        }
        self.own = Some((answer, sent));
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unparsed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

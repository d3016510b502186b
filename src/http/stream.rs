//! Answers that are generated while they are sent: a status of forty thousand servers is never in
//! memory as text, and a slow client slows down only its own answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::words::json_bytes;

/// The most pieces waiting to be sent.
const PIECES: usize = 2;
/// The size up to which items are collected, in bytes.
const PIECE: usize = 32 * 1024;

/// Where the pieces go.
pub(crate) struct Sink(mpsc::Sender<io::Result<Bytes>>);

/// The client has stopped reading.
#[derive(Debug)]
pub(crate) struct Gone;

impl Sink {
    /// A body, and the sink for its pieces.
    pub(crate) fn new() -> (Self, Body) {
        let (sender, receiver) = mpsc::channel(PIECES);
        (Self(sender), Body::new(Pieces(receiver)))
    }

    /// Sends a piece of JSON once there is room for it.
    pub(crate) async fn send(&self, piece: Vec<u8>) -> Result<(), Gone> {
        self.send_as_it_is(json_bytes(piece)).await
    }

    /// Sends a piece of any form once there is room for it.
    pub(crate) async fn send_as_it_is(&self, piece: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send(Ok(piece.into())).await.map_err(|_| Gone)
    }

    /// The same for a thread that may block.
    pub(super) fn send_blocking(&self, piece: Vec<u8>) -> Result<(), Gone> {
        let piece = json_bytes(piece).into();
        self.0.blocking_send(Ok(piece)).map_err(|_| Gone)
    }

    /// The same, until a time at most: a client that reads slowly does not hold the thread up.
    pub(super) fn send_until(&self, piece: Vec<u8>, deadline: Instant) -> Result<(), Gone> {
        let sent = tokio::time::timeout_at(deadline.into(), self.send(piece));
        let sent = tokio::runtime::Handle::current().block_on(sent);
        sent.map_err(|_| Gone)?
    }

    /// Ends the body so that the client knows it is incomplete.
    async fn abort(&self, error: serde_json::Error) {
        let _ = self.0.send(Err(error.into())).await;
    }

    /// Returns when the client has stopped reading.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A small answer.
pub(super) fn whole(answer: &impl Serialize) -> Response {
    // The director's own data: strings, numbers and string keys.
    let body = json_bytes(serde_json::to_vec(answer).unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// JSON that is there already.
pub(super) fn bytes(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An object with the fields of `head` and a list `services`, generated item by item.
pub(super) fn with_services<H, I>(head: &H, items: I) -> Body
where
    H: Serialize,
    I: Iterator<Item: Serialize + Send> + Send + 'static,
{
    let (sink, body) = Sink::new();
    let head = serde_json::to_vec(head);
    tokio::spawn(async move {
        let sent = match head {
            Ok(head) => send_all(&sink, head, items).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            sink.abort(error).await;
        }
    });
    body
}

async fn send_all<I>(sink: &Sink, head: Vec<u8>, items: I) -> serde_json::Result<()>
where
    I: Iterator<Item: Serialize + Send> + Send,
{
    let mut piece = head;
    // Reopen the object.
    piece.pop();
    if piece.len() > 1 {
        piece.push(b',');
    }
    piece.extend_from_slice(br#""services":["#);
    for (index, item) in items.enumerate() {
        if index > 0 {
            piece.push(b',');
        }
        serde_json::to_writer(&mut piece, &item)?;
        if piece.len() >= PIECE && sink.send(std::mem::take(&mut piece)).await.is_err() {
            return Ok(());
        }
    }
    piece.extend_from_slice(b"]}\n");
    // A client that is gone is no error.
    let _ = sink.send(piece).await;
    Ok(())
}

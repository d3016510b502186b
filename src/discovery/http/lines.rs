//! A stream of lines.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::connect::Connection;
use super::{LONGEST, why};

/// Lines as a server sends them.
pub(in crate::discovery) struct Lines {
    body: Incoming,
    /// What came and is no whole line yet.
    rest: Vec<u8>,
    /// How much of it has no line feed.
    searched: usize,
    /// The server, for errors.
    url: String,
    /// Open as long as the stream is.
    _connection: Connection,
    runtime: Arc<Runtime>,
}

/// What comes of waiting for a line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::discovery) enum Next {
    /// A line, without its end.
    Line(Vec<u8>),
    /// Nothing yet.
    Silence,
    /// The stream ended after a whole line.
    End,
}

impl Lines {
    pub(super) fn new(
        runtime: Arc<Runtime>,
        connection: Connection,
        body: Incoming,
        url: String,
    ) -> Self {
        Self {
            body,
            rest: Vec::new(),
            searched: 0,
            url,
            _connection: connection,
            runtime,
        }
    }

    /// The next line, if it comes within this time. After an error or the end there is none.
    pub(in crate::discovery) fn next(&mut self, limit: Duration) -> Result<Next, String> {
        let runtime = Arc::clone(&self.runtime);
        let next = runtime.block_on(async { timeout(limit, self.read()).await });
        match next {
            Err(_) => Ok(Next::Silence),
            Ok(next) => next.map_err(|why| format!("{}: {why}", self.url)),
        }
    }

    /// Can be dropped at any await: what came is in `rest`.
    async fn read(&mut self) -> Result<Next, String> {
        loop {
            let end = self.rest[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.rest.split_off(self.searched + end + 1);
                let mut line = std::mem::replace(&mut self.rest, rest);
                self.searched = 0;
                line.pop();
                return Ok(Next::Line(line));
            }
            self.searched = self.rest.len();
            let Some(frame) = self.body.frame().await else {
                return match self.rest.is_empty() {
                    true => Ok(Next::End),
                    false => Err("the stream ended in the middle of a line".to_owned()),
                };
            };
            let frame = frame.map_err(|error| why(&error))?;
            if let Some(data) = frame.data_ref() {
                if self.rest.len() + data.len() > LONGEST {
                    return Err(format!("a line is longer than {} MiB", LONGEST >> 20));
                }
                self.rest.extend_from_slice(data);
            }
        }
    }
}

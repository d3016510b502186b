//! Sends and receives on a connection at the same time.
//!
//! A server may answer before it has read the request, and close: a script behind xinetd or socat
//! does, and so does a server that refuses a client. Sending then fails with EPIPE or ECONNRESET
//! although the answer is in this machine's receive queue, where it survives even a reset
//! (`tcp_recvmsg` reads the queue before it reports the socket's error). Received data therefore
//! counts, whatever happened to the request.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use tokio::time::timeout;

use super::attempt::Attempt;
use crate::failure::{self, Failure};

/// How long to listen to a server that closed without sending, in case it speaks first.
const SPEAKS_FIRST: Duration = Duration::from_millis(500);

/// An answer is examined after each piece until this many times its limit was examined: a server
/// that sends single bytes must not keep the checks' thread busy. After that it is examined when it
/// has doubled, when it pauses, and at its end.
const LOOKS: usize = 16;

/// The silence that counts as a pause.
const PAUSE: Duration = Duration::from_millis(50);

/// Connects, sends, and reads until `enough` accepts, the server is done, or `limit` bytes were
/// received. Returns whether `enough` accepted; `answer` has what was received, whatever happened
/// to the request.
///
/// Listens again without sending to a server that closes without an answer. A script behind socat
/// that answers without reading loses its answer when the request comes too early, because socat
/// gives up when it cannot write to the script.
pub(crate) async fn ask(
    attempt: &Attempt<'_>,
    send: &[u8],
    waiting: &'static str,
    answer: &mut Vec<u8>,
    limit: usize,
    enough: impl Fn(&[u8]) -> bool,
) -> Result<bool, Failure> {
    let mut duplex = Duplex::new(attempt.connect().await?);
    duplex.say(send);
    attempt.stage(waiting);
    let first = duplex.hear_until(answer, limit, &enough).await;
    let first = first.map_err(|error| Failure::io(&error));
    drop(duplex);
    // If the source port is fixed, it is still in use.
    if !answer.is_empty() || send.is_empty() || attempt.way.source_port != 0 {
        return first;
    }
    let Ok(stream) = attempt.connect().await else {
        return first;
    };
    attempt.stage(waiting);
    let mut duplex = Duplex::new(stream);
    let again = duplex.hear_until(answer, limit, &enough);
    match timeout(SPEAKS_FIRST, again).await {
        Ok(Ok(found)) if !answer.is_empty() => Ok(found),
        _ => first,
    }
}

/// A connection and the bytes still to be sent.
#[derive(Debug)]
pub(crate) struct Duplex<S> {
    from: ReadHalf<S>,
    to: WriteHalf<S>,
    unsent: Vec<u8>,
    /// The error after which nothing more can be sent.
    deaf: Option<io::Error>,
}

impl<S: AsyncRead + AsyncWrite> Duplex<S> {
    pub(crate) fn new(stream: S) -> Self {
        let (from, to) = split(stream);
        Self {
            from,
            to,
            unsent: Vec::new(),
            deaf: None,
        }
    }

    /// Queues these bytes for the next [`hear`](Self::hear) or [`finish`](Self::finish).
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        if self.deaf.is_none() {
            self.unsent.extend_from_slice(bytes);
        }
    }

    /// Reads the next bytes, at most `room`, and sends at the same time. 0 is the end.
    ///
    /// # Errors
    /// Errors of reading. An error of sending is returned only if it is this machine's own fault
    /// and nothing was received.
    pub(crate) async fn hear(&mut self, into: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        into.reserve(room.min(2048));
        loop {
            let mut from = (&mut self.from).take(room as u64);
            let sent = tokio::select! {
                biased;
                read = from.read_buf(into) => {
                    return match (read, self.deaf.take()) {
                        (Ok(0), Some(error)) if failure::is_ours(&error) => Err(error),
                        (read, deaf) => {
                            self.deaf = deaf;
                            read
                        }
                    };
                }
                sent = self.to.write(&self.unsent), if !self.unsent.is_empty() => sent,
            };
            self.note(sent);
        }
    }

    /// Sends the rest. The other side need not listen any more.
    pub(crate) async fn finish(&mut self) {
        while !self.unsent.is_empty() {
            let sent = self.to.write(&self.unsent).await;
            self.note(sent);
        }
        let _ = self.to.flush().await;
    }

    /// The error of sending, if any.
    pub(crate) fn deaf(&mut self) -> Option<io::Error> {
        self.deaf.take()
    }

    fn note(&mut self, sent: io::Result<usize>) {
        match sent {
            Ok(number @ 1..) => drop(self.unsent.drain(..number)),
            Ok(_) => self.stop(io::ErrorKind::WriteZero.into()),
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, why: io::Error) {
        self.unsent.clear();
        self.deaf = Some(why);
    }

    /// Reads until `enough` accepts everything received, the other side is done, or `limit` bytes
    /// were received. Returns whether `enough` accepted. A connection that breaks after some bytes
    /// has ended; they are the answer.
    ///
    /// # Errors
    /// Those of [`hear`](Self::hear) if nothing was received.
    pub(crate) async fn hear_until(
        &mut self,
        into: &mut Vec<u8>,
        limit: usize,
        mut enough: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        // The bytes examined in total, and the last time.
        let (mut spent, mut seen) = (0, 0);
        let mut over = false;
        loop {
            let new = into.len() != seen || spent == 0;
            let due = over || spent <= LOOKS * limit || into.len() >= 2 * seen;
            if new && due {
                seen = into.len();
                spent += seen.max(1);
                if enough(into) {
                    return Ok(true);
                }
            }
            if over {
                return Ok(false);
            }
            if into.len() >= limit {
                over = true;
                continue;
            }
            let room = limit - into.len();
            let heard = if into.len() == seen {
                self.hear(into, room).await
            } else {
                match timeout(PAUSE, self.hear(into, room)).await {
                    Ok(heard) => heard,
                    Err(_) => {
                        // In a pause, the received bytes may be complete.
                        seen = into.len();
                        if enough(into) {
                            return Ok(true);
                        }
                        continue;
                    }
                }
            };
            match heard {
                Ok(1..) => {}
                Err(error) if into.is_empty() => return Err(error),
                _ => over = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn reading_ends_at_the_limit_and_takes_no_byte_more() {
        let (ours, mut theirs) = duplex(1000);
        theirs.write_all(&[7; 100]).await.unwrap();
        let mut duplex = Duplex::new(ours);
        let mut into = Vec::new();
        let enough = duplex.hear_until(&mut into, 64, |_| false).await;
        assert!(!enough.unwrap());
        assert_eq!(into.len(), 64);
        duplex.hear(&mut into, 100).await.unwrap();
        assert_eq!(into.len(), 100);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn single_bytes_are_not_looked_at_again_with_each_of_them() {
        let (ours, mut theirs) = duplex(1);
        let server = tokio::spawn(async move {
            let _ = theirs.write_all(&[b'x'; 60_000]).await;
            let _ = theirs.write_all(b"!").await;
            // Keeps the connection open.
            theirs
        });
        let mut looked = 0;
        let mut into = Vec::new();
        let enough = Duplex::new(ours)
            .hear_until(&mut into, 64 << 10, |all| {
                looked += all.len();
                all.ends_with(b"!")
            })
            .await;
        assert!(enough.unwrap(), "the last byte is looked at after a pause");
        assert!(looked < 40 * (64 << 10), "{looked} bytes looked at");
        drop(server.await);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_came_is_the_answer_though_nothing_could_be_sent() {
        let (ours, mut theirs) = duplex(1000);
        theirs.write_all(b"up").await.unwrap();
        drop(theirs);
        let mut duplex = Duplex::new(ours);
        duplex.say(b"how are you?");
        duplex.finish().await;
        assert!(duplex.deaf().is_some(), "the other end is gone");
        let mut into = Vec::new();
        let enough = duplex.hear_until(&mut into, 64, |all| all == b"up").await;
        assert!(enough.unwrap());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_is_said_than_the_other_side_takes_before_it_speaks() {
        // Both sides have more to send than the connection holds.
        let (ours, theirs) = duplex(16);
        let much = [b'x'; 5000];
        let server = tokio::spawn(async move {
            let (mut from, mut to) = split(theirs);
            to.write_all(&[b'y'; 5000]).await.unwrap();
            let mut all = Vec::new();
            from.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        let mut duplex = Duplex::new(ours);
        duplex.say(&much);
        let mut into = Vec::new();
        let enough = duplex
            .hear_until(&mut into, 5000, |all| all.len() == 5000)
            .await;
        assert!(enough.unwrap());
        duplex.finish().await;
        drop(duplex);
        assert_eq!(server.await.unwrap(), 5000);
    }
}

//! A conversation without a socket: bytes in, bytes out, until it is over.
//!
//! ```text
//!   server ──bytes──► heard ──► Talk::hear ──► Turn::Say ──bytes──► server
//!                                         ├──► Turn::Think: the same, after some work elsewhere
//!                                         └──► Turn::Over: what the check found
//! ```
//!
//! The protocols of `smtp`, `redis`, `mysql` and `postgres` are values of [`Talk`]: tested and
//! fuzzed with bytes alone. Only [`hold`] uses a socket.
//!
//! - **No server makes it grow**: at most [`LIMIT`] received bytes wait to be parsed.
//! - **No server makes it last**: a conversation has at most [`TURNS`] turns, and a timeout set by
//!   the caller.

use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::Attempt;
use super::duplex::Duplex;
use crate::computing::Computing;
use crate::failure::{self, Failure, Passed};
use crate::net;

/// The result of a conversation: `Ok` with information for people, or what was wrong.
pub(super) type TalkResult = Result<Option<Box<str>>, Box<str>>;

/// The most bytes of an incomplete message that are kept.
pub(super) const LIMIT: usize = 64 * 1024;

/// The most turns of a conversation. A log-in takes fewer than ten; PostgreSQL then sends some
/// twenty parameters, each a turn.
pub(super) const TURNS: usize = 200;

/// One side of a conversation.
pub(super) trait Talk {
    /// The bytes sent before the server sends anything.
    fn open(&mut self) -> Vec<u8>;

    /// The reaction to received bytes that are not consumed yet; never called without any.
    fn hear(&mut self, heard: &[u8]) -> Turn;

    /// What it waits for now, for the message of a timeout: "waiting for the greeting".
    fn stage(&self) -> &'static str;
}

/// The reaction to received bytes.
pub(super) enum Turn {
    /// The message is incomplete.
    More,
    /// A message was parsed.
    Say {
        /// The length of the message, at least 1.
        used: usize,
        /// The answer; may be empty.
        bytes: Vec<u8>,
    },
    /// A message was parsed, and the answer takes so much work that other checks should not wait
    /// for it.
    Think {
        /// The length of the message, at least 1.
        used: usize,
        /// Computes the answer.
        work: Work,
    },
    /// The conversation is over.
    Over {
        /// A final message, so that the server does not log an error.
        bytes: Vec<u8>,
        /// The result.
        outcome: TalkResult,
    },
}

/// Work for the dedicated thread.
pub(super) type Work = Box<dyn FnOnce() -> Vec<u8> + Send>;

impl Turn {
    /// Ends without a final message.
    pub(super) fn fail(why: impl Into<Box<str>>) -> Self {
        Self::Over {
            bytes: Vec::new(),
            outcome: Err(why.into()),
        }
    }
}

/// Connects and holds a conversation.
pub(super) async fn run(
    talk: &mut (impl Talk + Send),
    attempt: &Attempt<'_>,
) -> Result<Passed, Failure> {
    let stream = attempt.connect().await?;
    let computing = &attempt.means.computing;
    hold(stream, talk, computing, |stage| attempt.stage(stage)).await
}

async fn hold(
    stream: impl AsyncRead + AsyncWrite,
    talk: &mut impl Talk,
    computing: &Computing,
    stage: impl Fn(&'static str),
) -> Result<Passed, Failure> {
    let mut duplex = Duplex::new(stream);
    duplex.say(&talk.open());
    let mut heard = Vec::new();
    for _ in 0..TURNS {
        let turn = loop {
            stage(talk.stage());
            if !heard.is_empty() {
                match talk.hear(&heard) {
                    Turn::More => {}
                    turn => break turn,
                }
            }
            listen(&mut duplex, &mut heard).await?;
        };
        let (used, answer) = match turn {
            Turn::More => (0, Vec::new()),
            Turn::Say { used, bytes } => (used, bytes),
            Turn::Think { used, work } => {
                stage("computing the answer to a challenge");
                (used, computing.run(work).await.map_err(Failure::ours)?)
            }
            Turn::Over { bytes, outcome } => {
                // The result is final, whether or not the server still listens.
                duplex.say(&bytes);
                duplex.finish().await;
                return match outcome {
                    Ok(text) => Ok(Passed { text, advice: None }),
                    Err(why) => Err(Failure::new(why)),
                };
            }
        };
        drop(heard.drain(..used.min(heard.len())));
        duplex.say(&answer);
    }
    Err(Failure::new(format_args!("no end after {TURNS} messages")))
}

async fn listen<S: AsyncRead + AsyncWrite>(
    duplex: &mut Duplex<S>,
    heard: &mut Vec<u8>,
) -> Result<(), Failure> {
    if heard.len() >= LIMIT {
        return Err(Failure::new(format_args!(
            "a message of more than {LIMIT} bytes"
        )));
    }
    match duplex.hear(heard, LIMIT - heard.len()).await {
        Ok(1..) => Ok(()),
        Ok(_) if heard.is_empty() => Err(Failure::new("the server closed the connection")),
        Ok(_) => {
            let words = net::quote(heard);
            Err(Failure::new(format_args!(
                "the server closed the connection after: {words}"
            )))
        }
        Err(error) if heard.is_empty() || failure::is_ours(&error) => Err(Failure::io(&error)),
        Err(error) => {
            let (why, words) = (failure::describe(&error), net::quote(heard));
            Err(Failure::new(format_args!("{why} after: {words}")))
        }
    }
}

/// A line without its ending, and its length with it; `None` if it is incomplete.
pub(super) fn line(heard: &[u8]) -> Option<(&[u8], usize)> {
    let end = heard.iter().position(|byte| *byte == b'\n')?;
    let line = &heard[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Whatever the server sends, in whatever pieces: no panic, and no more consumed than there is.
pub(super) fn endure(talk: &mut dyn Talk, server: &[u8]) {
    talk.open();
    let mut heard = server;
    for _ in 0..TURNS {
        if heard.is_empty() {
            return;
        }
        let (Turn::Say { used, .. } | Turn::Think { used, .. }) = talk.hear(heard) else {
            return;
        };
        assert!(used > 0 && used <= heard.len());
        heard = &heard[used..];
    }
}

/// Plays the server from a script, for tests of all conversations.
#[cfg(test)]
pub(crate) mod script {
    #![allow(clippy::panic, reason = "a test that fails")]

    use super::{Talk, TalkResult, Turn};

    /// `server` is sent at each of the server's turns; returns what the check sent, and the result.
    /// Bytes arrive one by one, so that no message is parsed before it is complete.
    pub(crate) fn play(talk: &mut dyn Talk, server: &[&[u8]]) -> (Vec<Vec<u8>>, TalkResult) {
        let mut said = vec![talk.open()];
        let mut heard = Vec::new();
        for piece in server {
            for byte in *piece {
                heard.push(*byte);
                match talk.hear(&heard) {
                    Turn::More => {}
                    Turn::Say { used, bytes } => {
                        assert!(used > 0 && used <= heard.len());
                        drop(heard.drain(..used));
                        said.push(bytes);
                    }
                    Turn::Think { used, work } => {
                        assert!(used > 0 && used <= heard.len());
                        drop(heard.drain(..used));
                        said.push(work());
                    }
                    Turn::Over { bytes, outcome } => {
                        said.push(bytes);
                        return (said, outcome);
                    }
                }
            }
        }
        panic!("the script ended before the conversation; it said {said:?}");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    struct Echo;

    impl Talk for Echo {
        fn open(&mut self) -> Vec<u8> {
            b"hello\n".to_vec()
        }

        fn hear(&mut self, heard: &[u8]) -> Turn {
            match line(heard) {
                None => Turn::More,
                Some((b"bye", _)) => Turn::Over {
                    bytes: Vec::new(),
                    outcome: Ok(None),
                },
                Some((line, used)) => Turn::Say {
                    used,
                    bytes: line.to_vec(),
                },
            }
        }

        fn stage(&self) -> &'static str {
            "waiting for an echo"
        }
    }

    async fn against(server: &[u8]) -> Result<Passed, Failure> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(server).await.unwrap();
        theirs.shutdown().await.unwrap();
        hold(ours, &mut Echo, &Computing::default(), |_| {}).await
    }

    #[tokio::test]
    async fn a_conversation_ends_well_or_says_why() {
        assert_eq!(against(b"a\r\nb\nbye\n").await, Ok(Passed::default()));
        for (server, why) in [
            (
                &b"a\nb"[..],
                r#"the server closed the connection after: "b""#,
            ),
            (b"", "the server closed the connection"),
            (&[b'x'; 2 * LIMIT], "a message of more than 65536 bytes"),
            (&b"\n".repeat(TURNS + 1), "no end after 200 messages"),
        ] {
            assert_eq!(against(server).await, Err(Failure::new(why)));
        }
    }
}

//! A conversation without its socket: bytes in, bytes out, until it is over.
//!
//! ```text
//!   server ──bytes──► heard ──► Talk::hear ──► Turn::Say ──bytes──► server
//!                                         ├──► Turn::Think: the same, after some work elsewhere
//!                                         └──► Turn::Over: what the check found
//! ```
//!
//! The protocols of `smtp`, `redis`, `mysql` and `postgres` are values of [`Talk`]: tested and
//! fuzzed with bytes alone. [`hold`] is the only thing here that knows a socket.
//!
//! - **No server makes it grow**: what is heard and not yet understood is at most [`LIMIT`] bytes.
//! - **No server makes it last**: a conversation has at most [`TURNS`] turns, and a time limit
//!   that the caller sets.

use tokio::io::{AsyncRead, AsyncWrite};

use super::attempt::Attempt;
use super::duplex::Duplex;
use crate::computing::Computing;
use crate::failure::{self, Failure, Passed};
use crate::net;

/// What a conversation came to: `Ok` with what is worth telling, or what was wrong.
pub(super) type Outcome = Result<Option<Box<str>>, Box<str>>;

/// So many bytes of a message that is not complete are kept.
pub(super) const LIMIT: usize = 64 * 1024;

/// So many turns a conversation has at most. A login takes fewer than ten; PostgreSQL tells some
/// twenty parameters after it, each a turn.
pub(super) const TURNS: usize = 200;

/// One side of a conversation.
pub(super) trait Talk {
    /// What is said before the server says anything.
    fn open(&mut self) -> Vec<u8>;

    /// What follows from what was heard and is not used up yet; never called with nothing.
    fn hear(&mut self, heard: &[u8]) -> Turn;

    /// What it waits for now, for the report when time runs out: "waiting for the greeting".
    fn stage(&self) -> &'static str;
}

/// What follows.
pub(super) enum Turn {
    /// Not a whole message yet.
    More,
    /// A message was understood.
    Say {
        /// It was so long, at least 1.
        used: usize,
        /// The answer; may be empty.
        bytes: Vec<u8>,
    },
    /// A message was understood, and the answer takes so much work that other checks should not
    /// wait for it.
    Think {
        /// It was so long, at least 1.
        used: usize,
        /// Makes the answer.
        work: Work,
    },
    /// The conversation is over.
    Over {
        /// A last word, so that the server need not take it for an accident.
        bytes: Vec<u8>,
        /// What came of it.
        outcome: Outcome,
    },
}

/// Work for a thread of its own.
pub(super) type Work = Box<dyn FnOnce() -> Vec<u8> + Send>;

impl Turn {
    /// Over without a last word.
    pub(super) fn fail(why: impl Into<Box<str>>) -> Self {
        Self::Over {
            bytes: Vec::new(),
            outcome: Err(why.into()),
        }
    }
}

/// Connects, and holds a conversation.
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
                // The verdict stands, whether the server still listens or not.
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
        Ok(_) if heard.is_empty() => Err(Failure::new("it closed the connection")),
        Ok(_) => {
            let words = net::quote(heard);
            Err(Failure::new(format_args!(
                "it closed the connection after: {words}"
            )))
        }
        Err(error) if heard.is_empty() || failure::is_ours(&error) => Err(Failure::io(&error)),
        Err(error) => {
            let (why, words) = (failure::describe(&error), net::quote(heard));
            Err(Failure::new(format_args!("{why} after: {words}")))
        }
    }
}

/// A line without its end, and how long it was with it; `None` if there is no whole one.
pub(super) fn line(heard: &[u8]) -> Option<(&[u8], usize)> {
    let end = heard.iter().position(|byte| *byte == b'\n')?;
    let line = &heard[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Whatever the server says, in whatever pieces: no panic, no use of more than there is.
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

/// Plays a server's part from a script: for tests of all conversations.
#[cfg(test)]
pub(crate) mod script {
    #![allow(clippy::panic, reason = "a test that fails")]

    use super::{Outcome, Talk, Turn};

    /// What the server says at each of its turns; what the check said is returned beside the
    /// outcome. Bytes come one by one, so that no message is understood before it is whole.
    pub(crate) fn play(talk: &mut dyn Talk, server: &[&[u8]]) -> (Vec<Vec<u8>>, Outcome) {
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
            (&b"a\nb"[..], r#"it closed the connection after: "b""#),
            (b"", "it closed the connection"),
            (&[b'x'; 2 * LIMIT], "a message of more than 65536 bytes"),
            (&b"\n".repeat(TURNS + 1), "no end after 200 messages"),
        ] {
            assert_eq!(against(server).await, Err(Failure::new(why)));
        }
    }
}

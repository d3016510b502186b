//! The start of a PostgreSQL session (protocol 3.0).
//!
//! ```text
//!   C: start-up: user, database
//!   S: how to authenticate │ ERROR     without a user that is all
//!   C: password │ md5 │ SCRAM-SHA-256
//!   S: ok, parameters, ready           57P03 starting up, 53300 too many connections
//!   C: terminate
//! ```
//!
//! Without a user, it does what `pg_isready` does: the start-up message names `postgres`, and both
//! the request for a password and "no such user" mean that the server accepts connections; any
//! other error means that it does not.
//!
//! **No check causes an error in the server's log**:
//!
//! - Terminate is for sessions. A server that asks for a password takes it as a wrong answer
//!   (FATAL: expected password response). Disconnecting at that point is normal, as `psql` does so
//!   before it prompts the user.
//! - A server that refuses `postgres` or this machine (`pg_hba.conf`) logs that. From then on, the
//!   check without a user requests encryption by GSSAPI instead, which the server answers with one
//!   byte before it refuses or logs anything, and disconnects. Because a server that is starting up
//!   or full also sends that byte, the start-up message is sent again after each failure and every
//!   [`REFUSED_FOR`].

mod message;
mod scram;

use std::time::{Duration, Instant};

use self::message::{Authentication, Message, ServerError};
use self::scram::Scram;
use super::attempt::Attempt;
use super::talk::{self, Talk, TalkResult, Turn};
use crate::failure::{Failure, Passed};
use crate::net;
use director_config::state::health::LoginCheck;

/// The user in the start-up message of a check without one.
const NOBODY: &str = "postgres";

/// How long a server that refused the start-up message is checked more quietly.
const REFUSED_FOR: Duration = Duration::from_secs(60);

pub(super) async fn run(spec: &LoginCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut nonce = [0; 18];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|_| Failure::ours("no random bytes for a nonce".to_owned()))?;
    let mut memory = attempt.memory.get();
    let before = memory.startup_refused.take();
    // A check that times out is a failure, after which the full check follows.
    attempt.memory.set(memory);
    if let Some(at) = before
        && at.elapsed() < REFUSED_FOR
        && spec.user.is_none()
    {
        let passed = talk::run(&mut Quiet, attempt).await?;
        memory.startup_refused = before;
        attempt.memory.set(memory);
        return Ok(passed);
    }
    let mut talk = Postgres::new(spec, nonce);
    let result = talk::run(&mut talk, attempt).await;
    if talk.refused {
        memory.startup_refused = Some(Instant::now());
        attempt.memory.set(memory);
    }
    result
}

/// The request to a server that refuses and logs all others: `GSSENCRequest`.
struct Quiet;

impl Talk for Quiet {
    fn open(&mut self) -> Vec<u8> {
        message::gss_request()
    }

    fn hear(&mut self, heard: &[u8]) -> Turn {
        match heard {
            // Yes or no. An error comes from a version before 12, which is alive.
            [b'G' | b'N' | b'E', ..] => Turn::Over {
                bytes: Vec::new(),
                outcome: Ok(Some(REFUSES_US.into())),
            },
            _ => Turn::fail(format!("this is not PostgreSQL: {}", net::quote(heard))),
        }
    }

    fn stage(&self) -> &'static str {
        "waiting for the answer to a request for encryption"
    }
}

/// The text for a server that is up but refuses the check's start-up message.
const REFUSES_US: &str = "accepts connections, but refuses the user `postgres` from here";

/// The check's side.
#[derive(Debug)]
pub(super) struct Postgres {
    login: LoginCheck,
    /// The client's part of the SCRAM nonce: printable, without a comma.
    nonce: Box<str>,
    scram: Option<Scram>,
    version: Option<Box<str>>,
    let_in: bool,
    /// Whether it refused the user or this machine, which it logs.
    refused: bool,
}

impl Postgres {
    /// Logs in if a user is given. `nonce` is 18 random bytes.
    pub(super) fn new(login: &LoginCheck, nonce: [u8; 18]) -> Self {
        Self {
            login: login.clone(),
            nonce: scram::encode_nonce(&nonce),
            scram: None,
            version: None,
            let_in: false,
            refused: false,
        }
    }

    /// Whether an error counts as an answer.
    fn is_well(&self, error: &ServerError) -> bool {
        // 28: the user is refused; 3D: the database does not exist.
        self.login.user.is_none() && (error.code.starts_with("28") || error.code.starts_with("3D"))
    }

    fn authenticate(&mut self, how: Authentication<'_>) -> Result<Next, Box<str>> {
        let user = match (&how, &self.login.user) {
            (_, Some(user)) => user.clone(),
            // Trusted. The session is ended once it has begun, so that the server is not in the
            // middle of a message.
            (Authentication::Ok, None) => NOBODY.to_owned(),
            (_, None) => return Ok(Next::Well(None)),
        };
        if matches!(how, Authentication::Ok) {
            if self.scram.as_ref().is_some_and(|scram| !scram.is_proved()) {
                return Err("it let the user in without proving that it knows the password".into());
            }
            self.let_in = true;
            return Ok(Next::Say(Vec::new()));
        }
        let Some(password) = self.login.password.clone() else {
            return Err("it asks for a password, and the check has none".into());
        };
        match how {
            Authentication::Cleartext => Ok(Next::Say(message::password(password.as_bytes()))),
            Authentication::Md5(salt) => {
                let proof = message::md5(&user, &password, salt);
                Ok(Next::Say(message::password(proof.as_bytes())))
            }
            Authentication::Sasl(mechanisms) => {
                if !mechanisms.contains(&&b"SCRAM-SHA-256"[..]) {
                    return Err("it does not offer SCRAM-SHA-256".into());
                }
                let scram = Scram::new(&self.nonce);
                let first = message::sasl_first("SCRAM-SHA-256", scram.first().as_bytes());
                self.scram = Some(scram);
                Ok(Next::Say(first))
            }
            Authentication::SaslContinue(data) => {
                let scram = self
                    .scram
                    .as_mut()
                    .ok_or("SCRAM continues without a start")?;
                let proving = scram.challenge(data)?;
                Ok(Next::Think(Box::new(move || {
                    message::sasl_next(proving.prove(password.as_bytes()).as_bytes())
                })))
            }
            Authentication::SaslFinal(data) => {
                let scram = self.scram.as_mut().ok_or("SCRAM ends without a start")?;
                scram.verify(data)?;
                Ok(Next::Say(Vec::new()))
            }
            Authentication::Other(number) => Err(format!(
                "it asks for authentication method {number}; director supports password, md5 and \
                 scram-sha-256"
            )
            .into()),
            Authentication::Ok => Ok(Next::Say(Vec::new())),
        }
    }

    fn hear_message(&mut self, message: Message<'_>) -> Result<Next, Box<str>> {
        match message {
            Message::Error(error) if self.is_well(&error) => {
                self.refused = true;
                Ok(Next::Well(Some(REFUSES_US.into())))
            }
            Message::Error(error) if self.login.user.is_none() => {
                Err(format!("{error} (expected to be asked for a password)").into())
            }
            Message::Error(error) => Err(format!("{error} (expected a session)").into()),
            Message::Authentication(how) => self.authenticate(how),
            Message::Parameter { name, value } if self.let_in => {
                if name == b"server_version" {
                    let version = net::message(value);
                    self.version = Some(format!("PostgreSQL {version}").into());
                }
                Ok(Next::Say(Vec::new()))
            }
            Message::Ready if self.let_in => Ok(Next::Ready(self.version.take())),
            Message::Notice => Ok(Next::Say(Vec::new())),
            Message::Ready | Message::Parameter { .. } => {
                Err("it continues without a log-in".into())
            }
        }
    }
}

/// The next step after a message.
enum Next {
    Say(Vec<u8>),
    Think(super::talk::Work),
    Well(Option<Box<str>>),
    /// The session is established.
    Ready(Option<Box<str>>),
}

impl Talk for Postgres {
    fn open(&mut self) -> Vec<u8> {
        let user = self.login.user.as_deref().unwrap_or(NOBODY);
        message::startup(user, self.login.database.as_deref())
    }

    fn hear(&mut self, heard: &[u8]) -> Turn {
        let (message, used) = match Message::decode(heard) {
            Ok(Some(found)) => found,
            Ok(None) => return Turn::More,
            Err(why) => return Turn::fail(why),
        };
        match self.hear_message(message) {
            Ok(Next::Say(bytes)) => Turn::Say { used, bytes },
            Ok(Next::Think(work)) => Turn::Think { used, work },
            Ok(Next::Well(text)) => over(Vec::new(), Ok(text)),
            Ok(Next::Ready(text)) => over(message::terminate(), Ok(text)),
            Err(why) => over(Vec::new(), Err(why)),
        }
    }

    fn stage(&self) -> &'static str {
        if self.let_in {
            "waiting to be ready for a query"
        } else {
            "waiting for the answer to the start-up message"
        }
    }
}

fn over(bytes: Vec<u8>, outcome: TalkResult) -> Turn {
    Turn::Over { bytes, outcome }
}

#[cfg(test)]
mod tests;

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
//! Without a user it asks what `pg_isready` asks: the start-up names `postgres`, and both the
//! request for a password and "no such user" mean that the server takes connections; any other
//! error that it does not.

mod message;
mod scram;

use self::message::{Authentication, Message, ServerError};
use self::scram::Scram;
use super::talk::{self, Outcome, Talk, Turn};
use super::{Attempt, Failure, Passed};
use crate::state::health::LoginCheck;

/// Whom the start-up message names when the check names nobody.
const NOBODY: &str = "postgres";

pub(super) async fn run(spec: &LoginCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut nonce = [0; 18];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|_| Failure::ours("no random bytes for a nonce".to_owned()))?;
    talk::run(Postgres::new(spec, nonce), attempt).await
}

/// The check's side.
#[derive(Debug)]
pub(super) struct Postgres {
    login: LoginCheck,
    /// The client's part of the SCRAM nonce: printable, without a comma.
    nonce: Box<str>,
    scram: Option<Scram>,
    version: Option<Box<str>>,
    let_in: bool,
}

impl Postgres {
    /// Logs in where a user is given. `nonce` are 18 random bytes.
    pub(super) fn new(login: &LoginCheck, nonce: [u8; 18]) -> Self {
        Self {
            login: login.clone(),
            nonce: scram::encode_nonce(&nonce),
            scram: None,
            version: None,
            let_in: false,
        }
    }

    /// Whether an error is as good as an answer.
    fn is_well(&self, error: &ServerError) -> bool {
        // 28: this user may not; 3D: there is no such database.
        self.login.user.is_none() && (error.code.starts_with("28") || error.code.starts_with("3D"))
    }

    fn authenticate(&mut self, how: Authentication<'_>) -> Result<Next, Box<str>> {
        let Some(user) = self.login.user.clone() else {
            return Ok(Next::Well(None));
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
                    return Err("it offers no SCRAM-SHA-256".into());
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
                    .ok_or("SCRAM goes on without a beginning")?;
                let proving = scram.challenge(data)?;
                Ok(Next::Think(Box::new(move || {
                    message::sasl_next(proving.prove(password.as_bytes()).as_bytes())
                })))
            }
            Authentication::SaslFinal(data) => {
                let scram = self
                    .scram
                    .as_mut()
                    .ok_or("SCRAM ends without a beginning")?;
                scram.verify(data)?;
                Ok(Next::Say(Vec::new()))
            }
            Authentication::Other(number) => Err(format!(
                "it asks for authentication method {number}; known here are password, md5 and \
                 scram-sha-256"
            )
            .into()),
            Authentication::Ok => Ok(Next::Say(Vec::new())),
        }
    }

    fn hear_message(&mut self, message: Message<'_>) -> Result<Next, Box<str>> {
        match message {
            Message::Error(error) if self.is_well(&error) => Ok(Next::Well(None)),
            Message::Error(error) => Err(error.to_string().into()),
            Message::Authentication(how) => self.authenticate(how),
            Message::Parameter { name, value } if self.let_in => {
                if name == b"server_version" {
                    let version = super::talk::printable(value);
                    self.version = Some(format!("PostgreSQL {version}").into());
                }
                Ok(Next::Say(Vec::new()))
            }
            Message::Ready if self.let_in => Ok(Next::Well(self.version.take())),
            Message::Notice => Ok(Next::Say(Vec::new())),
            Message::Ready | Message::Parameter { .. } => {
                Err("it let nobody in and goes on".into())
            }
        }
    }
}

/// What follows from a message.
enum Next {
    Say(Vec<u8>),
    Think(super::talk::Work),
    Well(Option<Box<str>>),
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
            Ok(Next::Well(text)) => over(Ok(text)),
            Err(why) => over(Err(why)),
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

fn over(outcome: Outcome) -> Turn {
    Turn::Over {
        bytes: message::terminate(),
        outcome,
    }
}

#[cfg(test)]
mod tests;

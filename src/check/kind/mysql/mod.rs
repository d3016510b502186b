//! The handshake of MySQL and MariaDB (protocol version 10).
//!
//! ```text
//!   S: greeting                          without a user that is all; ERR 1040 Too many connections
//!   C: user, scrambled password, database
//!   S: OK │ ERR │ use another plugin │ more
//!   C: COM_QUIT
//! ```
//!
//! - `mysql_native_password` and `caching_sha2_password`. When the server has no cached hash of
//!   the password (it was restarted, say) the latter wants the password itself: it gets it under
//!   its public key, as most clients do it without TLS. Give the check a user of its own, without
//!   rights. A server that asks for the password in the clear does not get it.
//! - Without a user the server counts an interrupted handshake, and after `max_connect_errors` of
//!   them in a row it blocks the host (error 1129), unless it runs with `skip_name_resolve`. A
//!   user, even one without password and rights, avoids that.

mod auth;
mod packet;

use self::auth::{Nonce, Plugin};
use self::packet::{Answer, Greeting, ServerError, frame, unframe};
use super::talk::{self, Outcome, Talk, Turn, printable};
use super::{Attempt, Failure, Passed};
use crate::state::health::LoginCheck;

pub(super) async fn run(spec: &LoginCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    talk::run(Mysql::new(spec), attempt).await
}

/// The check's side.
#[derive(Debug)]
pub(super) struct Mysql {
    login: LoginCheck,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Start,
    /// The user and his answer to the nonce were sent.
    Login {
        server: Box<str>,
        plugin: Plugin,
        nonce: Nonce,
    },
    /// The server's public key was asked for.
    Key { server: Box<str>, nonce: Nonce },
    /// All is said.
    Last { server: Box<str> },
}

impl Mysql {
    /// Logs in where a user is given.
    pub(super) fn new(login: &LoginCheck) -> Self {
        Self {
            login: login.clone(),
            state: State::Start,
        }
    }

    fn password(&self) -> &[u8] {
        self.login
            .password
            .as_deref()
            .unwrap_or_default()
            .as_bytes()
    }

    /// The first packet: a greeting, or that there will be none.
    fn greeted(&mut self, payload: &[u8]) -> Result<Reply, Box<str>> {
        let greeting = Greeting::decode(payload)
            .ok_or_else(|| format!("this is not MySQL: {}", printable(payload)))?;
        let server = describe(greeting.version);
        let Some(user) = &self.login.user else {
            return Ok(Reply::Over(server));
        };
        // An unknown one is answered with the default; the server then asks for what it wants.
        let plugin = Plugin::named(greeting.plugin).unwrap_or(Plugin::Native);
        let proof = plugin.scramble(self.password(), &greeting.nonce);
        let database = self.login.database.as_deref();
        let response = packet::login(user, &proof, database, plugin.name())?;
        let nonce = greeting.nonce;
        self.state = State::Login {
            server,
            plugin,
            nonce,
        };
        Ok(Reply::Packet(response))
    }

    /// What the server says to the login.
    fn answered(&mut self, payload: &[u8]) -> Result<Reply, Box<str>> {
        let answer = Answer::decode(payload)
            .ok_or_else(|| format!("an answer that is none: {}", printable(payload)))?;
        let state = std::mem::replace(&mut self.state, State::Start);
        match (answer, state) {
            (
                Answer::Ok,
                State::Login { server, .. } | State::Key { server, .. } | State::Last { server },
            ) => Ok(Reply::Over(server)),
            (Answer::Switch { plugin, nonce }, State::Login { server, .. }) => {
                let Some(known) = Plugin::named(plugin) else {
                    let name = printable(plugin);
                    return Err(format!(
                        "its user has to log in by {name}, which is not known here"
                    )
                    .into());
                };
                let nonce = nonce.ok_or("a change of plugin without a nonce")?;
                let proof = known.scramble(self.password(), &nonce);
                self.state = State::Login {
                    server,
                    plugin: known,
                    nonce,
                };
                Ok(Reply::Packet(proof))
            }
            // Its cache has the password's hash, and it is right; OK follows.
            (
                Answer::More([3]),
                State::Login {
                    server,
                    plugin: Plugin::CachingSha2,
                    ..
                },
            ) => {
                self.state = State::Last { server };
                Ok(Reply::Nothing)
            }
            // Its cache has not.
            (
                Answer::More([4]),
                State::Login {
                    server,
                    plugin: Plugin::CachingSha2,
                    nonce,
                },
            ) => {
                self.state = State::Key { server, nonce };
                Ok(Reply::Packet(vec![2]))
            }
            (Answer::More(key), State::Key { server, nonce }) => {
                let sealed = auth::seal(self.password(), &nonce, key)?;
                self.state = State::Last { server };
                Ok(Reply::Packet(sealed))
            }
            (Answer::Ok | Answer::Switch { .. } | Answer::More(_), _) => {
                Err("it asks for more than a login takes".into())
            }
        }
    }
}

/// What follows from a packet.
enum Reply {
    Nothing,
    Packet(Vec<u8>),
    /// It is well.
    Over(Box<str>),
}

impl Talk for Mysql {
    fn open(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn hear(&mut self, heard: &[u8]) -> Turn {
        let Some((number, payload, used)) = unframe(heard) else {
            return Turn::More;
        };
        if let Some(error) = ServerError::decode(payload) {
            return Turn::fail(error.to_string());
        }
        let greeted = matches!(self.state, State::Start);
        let reply = if greeted {
            self.greeted(payload)
        } else {
            self.answered(payload)
        };
        match reply {
            Ok(Reply::Nothing) => Turn::Say {
                used,
                bytes: Vec::new(),
            },
            Ok(Reply::Packet(payload)) => Turn::Say {
                used,
                bytes: frame(number.wrapping_add(1), &payload),
            },
            Ok(Reply::Over(server)) => over(greeted, Ok(Some(server))),
            Err(why) => Turn::fail(why),
        }
    }

    fn stage(&self) -> &'static str {
        match self.state {
            State::Start => "waiting for the greeting",
            _ => "logging in",
        }
    }
}

/// `COM_QUIT` is for whoever is logged in.
fn over(greeted_only: bool, outcome: Outcome) -> Turn {
    let bytes = if greeted_only {
        Vec::new()
    } else {
        frame(0, &[1])
    };
    Turn::Over { bytes, outcome }
}

fn describe(version: &[u8]) -> Box<str> {
    // MariaDB before 11 pretends to be 5.5.5 first, for the sake of old replicas.
    let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
    printable(version).into()
}

#[cfg(test)]
mod tests;

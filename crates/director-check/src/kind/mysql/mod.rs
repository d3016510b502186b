//! The handshake of MySQL and MariaDB (protocol version 10).
//!
//! ```text
//!   S: greeting                          ERR 1040 Too many connections, 1129 blocked
//!   C: user, scrambled password, database
//!   S: OK │ ERR │ use another plugin │ more
//!   C: COM_QUIT
//! ```
//!
//! - Supports `mysql_native_password` and `caching_sha2_password`. If the server has no cached hash
//!   of the password (after a restart, for example), the latter asks for the password itself and
//!   gets it encrypted with its public key, as from most clients without TLS. Give the check a user
//!   of its own without privileges. A server that asks for the password in clear text does not get
//!   it.
//! - **The handshake always runs to its end.** A server counts an aborted one as a connection error
//!   of the client's address, and blocks the address after `max_connect_errors` of them (100; error
//!   1129), however far apart they are. An unknown user counts as a refusal instead. Without a
//!   user, [`NOBODY`] therefore logs in without a password, and the refusal shows that the server
//!   is alive; with a user, a check that cannot continue sends invalid proofs ([`auth::nothing`])
//!   until the server refuses it.
//! - Without a user, errors about the caller count as an answer ([`is_about_us`]); errors about the
//!   server (too many connections, shutting down) are failures.

mod auth;
mod packet;

use self::auth::{Nonce, Plugin};
use self::packet::{Greeting, LoginReply, ServerError, frame, unframe};
use super::attempt::Attempt;
use super::talk::{self, Talk, TalkResult, Turn};
use crate::failure::{Failure, Passed};
use crate::net;
use director_config::state::health::LoginCheck;

/// The user for a check without one: a name that no server has. It appears in the server's log if
/// that lists refused log-ins, and cannot be locked for wrong passwords.
const NOBODY: &str = "director-health-check";

pub(super) async fn run(spec: &LoginCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    talk::run(&mut Mysql::new(spec), attempt).await
}

/// The final message after a log-in.
const COM_QUIT: [u8; 1] = [1];

/// The check's side.
#[derive(Debug)]
pub(super) struct Mysql {
    login: LoginCheck,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing was sent yet.
    Start,
    /// The user and the answer to the nonce were sent.
    Login {
        server: Box<str>,
        plugin: Plugin,
        nonce: Nonce,
    },
    /// The server's public key was requested.
    Key { server: Box<str>, nonce: Nonce },
    /// Everything was sent.
    Last { server: Box<str> },
    /// The log-in cannot succeed: the server's refusal ends the handshake. `why` is then the
    /// check's result.
    Refused {
        server: Box<str>,
        why: Result<(), Box<str>>,
    },
}

impl Mysql {
    /// Logs in if a user is given.
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

    /// Handles the first packet: a greeting or an error.
    fn greeted(&mut self, payload: &[u8]) -> Result<Reply, Box<str>> {
        let greeting = Greeting::decode(payload)
            .ok_or_else(|| format!("this is not MySQL: {}", net::quote(payload)))?;
        let server = describe(greeting.version);
        // An unknown plugin is answered with the default; the server then asks for the one it
        // wants.
        let plugin = Plugin::named(greeting.plugin).unwrap_or(Plugin::Native);
        let Some(user) = &self.login.user else {
            let why = Ok(());
            self.state = State::Refused { server, why };
            let response = packet::login(NOBODY, &[], None, plugin.name())?;
            return Ok(Reply::Packet(response));
        };
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

    /// Continues until the server refuses the log-in, because the check cannot succeed.
    fn give_up(&mut self, server: Box<str>, plugin: &[u8], why: impl Into<Box<str>>) -> Reply {
        let why = Err(why.into());
        self.state = State::Refused { server, why };
        Reply::Packet(auth::nothing(plugin, &[]))
    }

    /// Handles an error packet, which ends every handshake.
    fn refused(&self, error: &ServerError<'_>) -> TalkResult {
        match &self.state {
            State::Refused { why: Err(why), .. } => Err(why.clone()),
            State::Refused {
                server,
                why: Ok(()),
            } if is_about_us(error.code) => Ok(Some(server.clone())),
            // The server sent this instead of its greeting.
            State::Start if self.login.user.is_none() && is_about_us(error.code) => {
                Ok(Some(error.to_string().into()))
            }
            // The server sent this instead of its greeting.
            State::Start => Err(format!("{error} (expected a greeting)").into()),
            _ => Err(format!("{error} (expected a log-in)").into()),
        }
    }

    /// Handles the answer to the log-in.
    fn answered(&mut self, payload: &[u8]) -> Result<Reply, Box<str>> {
        let state = std::mem::replace(&mut self.state, State::Start);
        let Some(answer) = LoginReply::decode(payload) else {
            // The plugin's request is answered in its form.
            if let State::Refused { .. } = &state {
                self.state = state;
                return Ok(Reply::Packet(auth::nothing(&[], payload)));
            }
            return Err(format!("an invalid answer: {}", net::quote(payload)).into());
        };
        let reply = match (answer, state) {
            (
                LoginReply::Ok,
                State::Login { server, .. }
                | State::Key { server, .. }
                | State::Last { server }
                | State::Refused { server, .. },
            ) => Reply::Over(server),
            (LoginReply::Switch { plugin, nonce }, State::Login { server, .. }) => {
                match (Plugin::named(plugin), nonce) {
                    (None, _) => {
                        let name = net::message(plugin);
                        let why = format!(
                            "its user must log in with {name}, which director does not \
                                     support"
                        );
                        self.give_up(server, plugin, why)
                    }
                    (_, None) => self.give_up(server, plugin, "a change of plugin without a nonce"),
                    (Some(plugin), Some(nonce)) => {
                        let proof = plugin.scramble(self.password(), &nonce);
                        self.state = State::Login {
                            server,
                            plugin,
                            nonce,
                        };
                        Reply::Packet(proof)
                    }
                }
            }
            // The server's cache has the password's hash, and it is correct; OK follows.
            (
                LoginReply::More([3]),
                State::Login {
                    server,
                    plugin: Plugin::CachingSha2,
                    ..
                },
            ) => {
                self.state = State::Last { server };
                Reply::Nothing
            }
            // The server's cache does not have it.
            (
                LoginReply::More([4]),
                State::Login {
                    server,
                    plugin: Plugin::CachingSha2,
                    nonce,
                },
            ) => {
                self.state = State::Key { server, nonce };
                Reply::Packet(vec![2])
            }
            (LoginReply::More(key), State::Key { server, nonce }) => {
                match auth::seal(self.password(), &nonce, key) {
                    Ok(sealed) => {
                        self.state = State::Last { server };
                        Reply::Packet(sealed)
                    }
                    Err(why) => self.give_up(server, &[], why),
                }
            }
            (LoginReply::Switch { plugin, .. }, state @ State::Refused { .. }) => {
                self.state = state;
                Reply::Packet(auth::nothing(plugin, &[]))
            }
            (LoginReply::More(data), state @ State::Refused { .. }) => {
                self.state = state;
                Reply::Packet(auth::nothing(&[], data))
            }
            (
                LoginReply::Switch { .. } | LoginReply::More(_),
                State::Login { server, .. } | State::Key { server, .. } | State::Last { server },
            ) => self.give_up(server, &[], "it asks for more than a log-in needs"),
            (LoginReply::Ok | LoginReply::Switch { .. } | LoginReply::More(_), State::Start) => {
                return Err("it continues without a greeting".into());
            }
        };
        Ok(reply)
    }
}

/// Errors about the caller, not the server: it refuses this user or address, and would serve
/// others.
const fn is_about_us(code: u16) -> bool {
    matches!(
        code,
        // ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR, ER_HOST_IS_BLOCKED,
        // ER_HOST_NOT_PRIVILEGED, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        1044 | 1045 | 1129 | 1130 | 1203 | 1226
        // ER_NOT_SUPPORTED_AUTH_MODE, ER_SERVER_IS_IN_SECURE_AUTH_MODE, ER_PLUGIN_IS_NOT_LOADED
            | 1251 | 1275 | 1524
        // ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_MUST_CHANGE_PASSWORD_LOGIN,
        // ER_ACCOUNT_HAS_BEEN_LOCKED (MySQL), ER_SECURE_TRANSPORT_REQUIRED
            | 1698 | 1862 | 3118 | 3159
        // The user is locked after wrong passwords (MySQL); ER_ACCOUNT_HAS_BEEN_LOCKED and
        // ER_USER_IS_BLOCKED (MariaDB)
            | 3955 | 4151 | 4150
    )
}

/// The next step after a packet.
enum Reply {
    Nothing,
    Packet(Vec<u8>),
    /// Success.
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
            return Turn::Over {
                bytes: Vec::new(),
                outcome: self.refused(&error),
            };
        }
        let reply = if matches!(self.state, State::Start) {
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
            Ok(Reply::Over(server)) => Turn::Over {
                bytes: frame(0, &COM_QUIT),
                outcome: Ok(Some(server)),
            },
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

fn describe(version: &[u8]) -> Box<str> {
    // MariaDB before 11 claims to be 5.5.5 first, for old replicas.
    let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
    net::message(version).into()
}

#[cfg(test)]
mod tests;

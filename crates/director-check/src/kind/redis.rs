//! Redis and compatible servers (RESP 2: Valkey, KeyDB, Dragonfly).
//!
//! ```text
//!   C: AUTH [user] password     where a password is given
//!   S: +OK                      -WRONGPASS ..., -ERR max number of clients reached
//!   C: SELECT 3                 where a database is given
//!   S: +OK
//!   C: PING
//!   S: +PONG                    -LOADING ..., -NOAUTH ..., -MASTERDOWN ...
//! ```
//!
//! `-NOAUTH` is a failure: the server sends it before it checks whether it is still loading, so it
//! does not show whether it can serve.

use super::attempt::Attempt;
use super::talk::{self, Talk, TalkResult, Turn, line};
use crate::failure::{Failure, Passed};
use crate::net;
use director_config::state::health::LoginCheck;

pub(super) async fn run(spec: &LoginCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    talk::run(&mut Redis::new(spec), attempt).await
}

/// The check's side.
#[derive(Debug)]
pub(super) struct Redis {
    /// The remaining commands, last first.
    ahead: Vec<Command>,
    /// The command that was sent and not answered yet.
    now: Command,
}

/// A command, and the name of its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Command {
    name: &'static str,
    words: Vec<String>,
    expected: &'static [u8],
}

impl Redis {
    /// Logs in and selects a database if given.
    pub(super) fn new(login: &LoginCheck) -> Self {
        let mut ahead = Vec::new();
        let command = |name, words: &[&str], expected| Command {
            name,
            words: words.iter().map(|&word| word.to_owned()).collect(),
            expected,
        };
        match (&login.user, &login.password) {
            (Some(user), password) => {
                let password = password.as_deref().unwrap_or_default();
                ahead.push(command("AUTH", &[user, password], b"+OK"));
            }
            (None, Some(password)) => ahead.push(command("AUTH", &[password], b"+OK")),
            (None, None) => {}
        }
        if let Some(database) = &login.database {
            ahead.push(command("SELECT", &[database], b"+OK"));
        }
        ahead.reverse();
        let ping = command("PING", &[], b"+PONG");
        let now = match ahead.pop() {
            Some(first) => {
                ahead.insert(0, ping);
                first
            }
            None => ping,
        };
        Self { ahead, now }
    }
}

impl Redis {
    /// The expected answer, for people.
    fn expected(&self) -> String {
        net::quote(self.now.expected)
    }
}

impl Talk for Redis {
    fn open(&mut self) -> Vec<u8> {
        encode(&self.now)
    }

    fn hear(&mut self, heard: &[u8]) -> Turn {
        let Some((reply, used)) = line(heard) else {
            return Turn::More;
        };
        let name = self.now.name;
        match reply.first() {
            Some(b'+') if reply == self.now.expected => match self.ahead.pop() {
                Some(next) => {
                    self.now = next;
                    Turn::Say {
                        used,
                        bytes: encode(&self.now),
                    }
                }
                None => over(Ok(None)),
            },
            Some(b'-') => {
                let (words, expected) = (net::message(&reply[1..]), self.expected());
                over(Err(format!("{name}: {words} (expected {expected})").into()))
            }
            Some(b'+' | b':' | b'$' | b'*') => {
                let (got, expected) = (net::quote(reply), self.expected());
                let words = format!("an unexpected answer to {name}: {got}, expected {expected}");
                over(Err(words.into()))
            }
            _ => Turn::fail(format!("this is not Redis: {}", net::quote(reply))),
        }
    }

    fn stage(&self) -> &'static str {
        match self.now.name {
            "AUTH" => "waiting for the answer to AUTH",
            "SELECT" => "waiting for the answer to SELECT",
            _ => "waiting for the answer to PING",
        }
    }
}

fn over(outcome: TalkResult) -> Turn {
    Turn::Over {
        bytes: b"*1\r\n$4\r\nQUIT\r\n".to_vec(),
        outcome,
    }
}

/// An array of bulk strings: a word may contain any byte.
fn encode(command: &Command) -> Vec<u8> {
    let words = std::iter::once(command.name).chain(command.words.iter().map(String::as_str));
    let mut text = format!("*{}\r\n", command.words.len() + 1);
    for word in words {
        text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::endure;
    use super::super::talk::script::play;
    use super::*;

    fn login(user: Option<&str>, password: Option<&str>, database: Option<&str>) -> LoginCheck {
        let owned = |word: Option<&str>| word.map(str::to_owned);
        LoginCheck {
            user: owned(user),
            password: owned(password),
            database: owned(database),
        }
    }

    #[test]
    fn a_ping_is_answered() {
        let (said, outcome) = play(&mut Redis::new(&LoginCheck::default()), &[b"+PONG\r\n"]);
        assert_eq!(
            said,
            [&b"*1\r\n$4\r\nPING\r\n"[..], b"*1\r\n$4\r\nQUIT\r\n"]
        );
        assert_eq!(outcome, Ok(None));
    }

    #[test]
    fn a_user_logs_in_and_selects() {
        let all = login(Some("lb"), Some("a\r\nb"), Some("3"));
        let (said, outcome) = play(
            &mut Redis::new(&all),
            &[b"+OK\r\n", b"+OK\r\n", b"+PONG\r\n"],
        );
        assert_eq!(said[0], b"*3\r\n$4\r\nAUTH\r\n$2\r\nlb\r\n$4\r\na\r\nb\r\n");
        assert_eq!(said[1], b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n");
        assert_eq!(said[2], b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(outcome, Ok(None));
        let (said, _) = play(
            &mut Redis::new(&login(None, Some("pw"), None)),
            &[b"+OK\r\n", b"+PONG\r\n"],
        );
        assert_eq!(said[0], b"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n");
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        // The replies of Redis 7.0.
        for (reply, words) in [
            (
                &b"-ERR max number of clients reached\r\n"[..],
                r#"PING: ERR max number of clients reached (expected "+PONG")"#,
            ),
            (
                b"-NOAUTH Authentication required.\r\n",
                r#"PING: NOAUTH Authentication required. (expected "+PONG")"#,
            ),
            (
                b"-LOADING Redis is loading the dataset in memory\r\n",
                r#"PING: LOADING Redis is loading the dataset in memory (expected "+PONG")"#,
            ),
            (
                b"+OK\r\n",
                r#"an unexpected answer to PING: "+OK", expected "+PONG""#,
            ),
            (b"220 mail\r\n", r#"this is not Redis: "220 mail""#),
            (b"\r\n", r#"this is not Redis: """#),
        ] {
            let (_, outcome) = play(&mut Redis::new(&LoginCheck::default()), &[reply]);
            assert_eq!(outcome, Err(words.into()));
        }
        let wrong = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        let (_, outcome) = play(&mut Redis::new(&login(None, Some("x"), None)), &[wrong]);
        let words = "AUTH: WRONGPASS invalid username-password pair or user is disabled. \
                     (expected \"+OK\")";
        assert_eq!(outcome, Err(words.into()));
    }

    proptest! {
        #[test]
        fn no_server_makes_it_panic(bytes: Vec<u8>, user: Option<String>, db: Option<String>) {
            let login = LoginCheck { user, password: None, database: db };
            endure(&mut Redis::new(&login), &bytes);
        }
    }
}

//! An SMTP greeting (RFC 5321, sections 3.1 and 4.2).
//!
//! ```text
//!   S: 220 mail.example.org ESMTP       what else it says first is a refusal: 421, 554
//!   C: HELO director.example.org
//!   S: 250 mail.example.org
//!   C: QUIT
//! ```

use super::attempt::Attempt;
use super::talk::{self, Talk, TalkResult, Turn, line};
use crate::failure::{Failure, Passed};
use crate::net;
use director_config::state::health::SmtpCheck;

pub(super) async fn run(spec: &SmtpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let hello = match &spec.hello {
        Some(name) => name.clone(),
        None => own_name(),
    };
    talk::run(&mut Smtp::new(&hello), attempt).await
}

/// This machine's name, or `localhost` if it has none.
fn own_name() -> String {
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The check's side.
#[derive(Debug)]
pub(super) struct Smtp {
    hello: Box<str>,
    greeted: bool,
}

impl Smtp {
    /// Sends `HELO` with this name.
    pub(super) fn new(hello: &str) -> Self {
        // A name with a line ending would be a second command.
        let hello = hello
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>();
        Self {
            hello: hello.into(),
            greeted: false,
        }
    }
}

impl Talk for Smtp {
    fn open(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn hear(&mut self, heard: &[u8]) -> Turn {
        let reply = match Reply::read(heard) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Turn::More,
            Err(line) => return Turn::fail(format!("this is not SMTP: {}", net::quote(line))),
        };
        match (self.greeted, reply.code) {
            (false, 220) => {
                self.greeted = true;
                Turn::Say {
                    used: reply.length,
                    bytes: format!("HELO {}\r\n", self.hello).into_bytes(),
                }
            }
            (true, 250) => over(Ok(Some(reply.text.into()))),
            (false, _) => over(Err(
                format!("greeting: {} (expected 220)", reply.text).into()
            )),
            (true, _) => over(Err(format!(
                "answer to HELO: {} (expected 250)",
                reply.text
            )
            .into())),
        }
    }

    fn stage(&self) -> &'static str {
        if self.greeted {
            "waiting for the answer to HELO"
        } else {
            "waiting for the greeting"
        }
    }
}

fn over(outcome: TalkResult) -> Turn {
    Turn::Over {
        bytes: b"QUIT\r\n".to_vec(),
        outcome,
    }
}

/// A reply with all its lines.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    code: u16,
    /// The last line.
    text: String,
    length: usize,
}

impl Reply {
    /// Parses a reply; `None` if its last line is missing, the line if it is invalid.
    fn read(heard: &[u8]) -> Result<Option<Self>, &[u8]> {
        let mut length = 0;
        while let Some((text, used)) = line(&heard[length..]) {
            length += used;
            let code = code(text).ok_or(text)?;
            // "250-" continues, "250 " and a bare "250" end it.
            if text.get(3) != Some(&b'-') {
                return Ok(Some(Self {
                    code,
                    text: net::message(text),
                    length,
                }));
            }
        }
        Ok(None)
    }
}

fn code(line: &[u8]) -> Option<u16> {
    let digits = line.get(..3)?;
    let follows = matches!(line.get(3), None | Some(b' ' | b'-'));
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|_| follows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::talk::endure;
    use super::super::talk::script::play;
    use super::*;

    /// The greeting of Postfix 3.7.
    const GREETING: &[u8] = b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n";

    #[test]
    fn it_greets_and_leaves() {
        let (said, outcome) = play(
            &mut Smtp::new("lb1"),
            &[b"220-hello\r\n", GREETING, b"250 mail.example.org\r\n"],
        );
        assert_eq!(said, [&b""[..], b"HELO lb1\r\n", b"QUIT\r\n"]);
        assert_eq!(outcome, Ok(Some("250 mail.example.org".into())));
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words() {
        let (_, outcome) = play(&mut Smtp::new("lb1"), &[b"421 4.3.2 too busy\r\n"]);
        assert_eq!(
            outcome,
            Err("greeting: 421 4.3.2 too busy (expected 220)".into())
        );
        let (_, outcome) = play(&mut Smtp::new("lb1"), &[GREETING, b"501 no name\r\n"]);
        assert_eq!(
            outcome,
            Err("answer to HELO: 501 no name (expected 250)".into())
        );
        let (_, outcome) = play(&mut Smtp::new("lb1"), &[b"SSH-2.0-OpenSSH_9.2\r\n"]);
        let words = r#"this is not SMTP: "SSH-2.0-OpenSSH_9.2""#;
        assert_eq!(outcome, Err(words.into()));
    }

    #[test]
    fn a_name_is_one_word_of_one_command() {
        let (said, _) = play(&mut Smtp::new("a\r\nDATA"), &[GREETING, b"250\r\n"]);
        assert_eq!(said[1], b"HELO aDATA\r\n");
    }

    proptest! {
        #[test]
        fn no_server_makes_it_panic(bytes: Vec<u8>) {
            endure(&mut Smtp::new("lb1"), &bytes);
        }
    }
}

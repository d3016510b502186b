//! An agent on the server reports its state, in HAProxy's agent-check protocol.
//!
//! HAProxy ignores an agent that does not answer, because it has another check as well. Here a
//! check without an answer fails: an agent may be the only check.

use super::attempt::Attempt;
use super::duplex;
use super::words::Words;
use crate::failure::{Failure, Passed};
use crate::net::quote;
use director_config::state::health::AgentCheck;

/// The longest line of an answer, in bytes.
const LIMIT: usize = 1024;

pub(super) async fn run(spec: &AgentCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut answer = Vec::new();
    let is_line = |all: &[u8]| {
        let begun = from_start(all);
        begun.iter().any(|byte| END.contains(byte))
    };
    let waiting = "waiting for the agent's answer";
    duplex::ask(attempt, &spec.send, waiting, &mut answer, LIMIT, is_line).await?;
    hear(attempt, &answer)
}

/// Line endings: agents are scripts and small programs of all systems.
const END: [u8; 3] = [b'\n', b'\r', 0];

/// An answer without what some programs write before it: empty lines, blanks, a byte order mark.
fn from_start(answer: &[u8]) -> &[u8] {
    let answer = answer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer);
    let blank = |byte: &u8| END.contains(byte) || matches!(byte, b' ' | b'\t');
    let start = answer.iter().position(|byte| !blank(byte));
    &answer[start.unwrap_or(answer.len())..]
}

/// The first line of an answer.
fn line(answer: &[u8]) -> &[u8] {
    let answer = from_start(answer);
    let end = answer.iter().position(|byte| END.contains(byte));
    &answer[..end.unwrap_or(answer.len())]
}

/// Interprets an answer, and updates the memory.
fn hear(attempt: &Attempt<'_>, answer: &[u8]) -> Result<Passed, Failure> {
    if answer.is_empty() {
        return Err(Failure::new(
            "closed without an answer, expected a line such as \"up\"",
        ));
    }
    let answer = line(answer);
    let text = String::from_utf8_lossy(answer);
    let words = Words::parse(&text);
    if words.is_empty() {
        return Err(Failure::new(format_args!(
            "the agent's answer contains no known word: {}, expected one such as \"up\" or \"75%\"",
            quote(answer)
        )));
    }
    let memory = words.after(attempt.memory.get());
    attempt.memory.set(memory);
    let advice = Some(memory.advice);
    let told = quote(answer);
    if memory.down {
        let text = format!("the agent says {told}, expected \"up\" or \"ready\"").into();
        let ours = false;
        return Err(Failure {
            text,
            ours,
            cut_off: false,
            advice,
        });
    }
    let text = Some(format!("the agent says {told}").into());
    Ok(Passed { text, advice })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_however_it_ends_and_whatever_stands_before_it() {
        for answer in [
            "up 75%\n",
            "up 75%\r\n",
            "up 75%\r",
            "up 75%\0",
            "up 75%",
            "  up 75%\n",
            "\r\n\nup 75%\n",
            "\u{feff}up 75%\n",
            "\u{feff}  up 75%\r",
            "\tup 75%\rdown\r",
            "up 75%\0\0garbage down",
            "up 75%\n\rdown",
        ] {
            let text = String::from_utf8_lossy(line(answer.as_bytes())).into_owned();
            assert_eq!(text, "up 75%", "{answer:?}");
        }
        assert_eq!(line(b"\r\n \0"), b"");
    }
}

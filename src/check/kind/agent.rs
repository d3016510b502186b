//! An agent on the server says how it is, in HAProxy's agent-check protocol.
//!
//! Unlike HAProxy, which ignores an agent that does not answer because it has another check
//! beside it, a check that gets no answer has failed: an agent may be the only check here.

use super::words::Words;
use super::{Attempt, Failure, Passed};
use crate::check::duplex;
use crate::check::net::quote;
use crate::state::health::AgentCheck;

/// An answer is a line of at most so many bytes.
const LIMIT: usize = 1024;

pub(super) async fn run(spec: &AgentCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut answer = Vec::new();
    let is_line = |all: &[u8]| all.contains(&b'\n');
    let waiting = "waiting for the agent's answer";
    duplex::ask(attempt, &spec.send, waiting, &mut answer, LIMIT, is_line).await?;
    hear(attempt, &answer)
}

/// What an answer means. It changes what is remembered.
fn hear(attempt: &Attempt<'_>, answer: &[u8]) -> Result<Passed, Failure> {
    if answer.is_empty() {
        return Err(Failure::new("closed without an answer"));
    }
    let text = String::from_utf8_lossy(answer);
    let words = Words::parse(&text);
    if words.is_empty() {
        return Err(Failure::new(format_args!(
            "the agent's answer has no known word: {}",
            quote(answer)
        )));
    }
    let memory = words.after(attempt.memory.get());
    attempt.memory.set(memory);
    let advice = Some(memory.advice);
    let told = quote(answer);
    if memory.down {
        let text = format!("the agent says {told}").into();
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

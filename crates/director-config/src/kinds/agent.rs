//! `type = "agent"`: an agent on the server reports its state.

use super::{CheckKind, CheckPort, Facts, Kind, Through, bytes};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::section;
use crate::vocabulary::word;

/// An agent on a port of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AgentCheck {
    /// The bytes sent once connected.
    pub send: Vec<u8>,
}

pub(super) static AGENT: Kind = Kind::new(
    word("agent", "An agent on the server reports it.").alias(&["agent-check", "feedbackd"]),
    &SECTION,
    decode,
)
.facts(Facts {
    port: CheckPort::Own {
        why: "an agent has a port of its own",
        usual: 9777,
    },
    through: Through::Never("listens on the server's own address"),
    ..Facts::CONNECTS
})
.instead(bytes::INSTEAD);

section!(
    SECTION,
    "an agent check",
    "An agent on the server reports its state, in HAProxy's agent-check protocol.",
    AGENT.keys({
        let mut keys = bytes::send_keys();
        keys[0].aliases = &["agent_send"];
        keys
    })
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    Some(CheckKind::Agent(AgentCheck {
        send: bytes::send(fields, findings),
    }))
}

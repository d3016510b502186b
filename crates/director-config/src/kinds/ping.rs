//! `type = "ping"`: the server answers an ICMP echo request.

use super::{CheckKind, CheckPort, Facts, Kind, Through};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{key, section, whole};
use crate::vocabulary::word;

/// An ICMP echo request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PingCheck {
    /// The size of its payload, 0 to 65,000 bytes.
    pub size: u16,
}

impl Default for PingCheck {
    fn default() -> Self {
        Self { size: 56 }
    }
}

pub(super) static PING: Kind = Kind::new(
    word("ping", "Answers an ICMP echo request.").alias(&["icmp", "ping_check"]),
    &SECTION,
    decode,
)
.facts(Facts {
    port: CheckPort::None,
    through: Through::Never("is not balanced by IPVS"),
    ..Facts::CONNECTS
});

section!(
    SECTION,
    "a ping check",
    "The server answers an ICMP echo request.",
    PING.keys([key(
        "size",
        whole(0, 65_000),
        "The size of the payload, in bytes.",
    )
    .default(56)])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    let size = fields.get("size").and_then(|field| field.whole(findings));
    let default = PingCheck::default();
    Some(CheckKind::Ping(
        size.map_or(default, |size| PingCheck { size: size.value }),
    ))
}

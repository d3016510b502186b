//! `type = "udp"`: the server answers a datagram, or at least does not refuse it.

use super::bytes::{self, Expect};
use super::{CheckKind, Checked, Facts, Kind, Through};
use crate::code::Code;
use crate::decode::fields::Fields;
use crate::diagnostic::{Diagnostic, Findings};
use crate::keys::section;
use crate::model::CheckDecl;
use crate::vocabulary::word;

/// A datagram, and the expected answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UdpCheck {
    /// The payload.
    pub send: Vec<u8>,
    /// The expected answer. Without one, silence is success and only an ICMP error is a failure.
    pub expect: Option<Expect>,
}

pub(super) static UDP: Kind = Kind::new(
    word("udp", "Answers a datagram, or does not refuse it.").alias(&["udp_check"]),
    &SECTION,
    decode,
)
.facts(Facts {
    through: Through::Datagram,
    ..Facts::CONNECTS
})
.verify(silent)
.instead(bytes::INSTEAD);

section!(
    SECTION,
    "a udp check",
    "The server answers a datagram; without `expect` (which gives a warning), it is enough that it \
     does not refuse it.",
    UDP.keys(bytes::send_and_expect())
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    Some(CheckKind::Udp(UdpCheck {
        send: bytes::send(fields, findings),
        expect: bytes::expect(fields, findings),
    }))
}

/// Reports a check that cannot distinguish a silent server from a missing one.
fn silent(check: &CheckDecl, _: &Checked<'_>, findings: &mut Findings) {
    let CheckKind::Udp(udp) = &check.spec.kind else {
        return;
    };
    if udp.expect.is_none() {
        let message = "without `expect`, silence counts as success";
        findings.push(
            Diagnostic::new(Code::SilentCheck, check.table.at, message)
                .label("no `expect`")
                .help(
                    "`send` a request that the service answers, and `expect` a part of the \
                       answer",
                )
                .reason(
                    "a server that is off is silent too, and refusals of closed ports (ICMP) are \
                     rate-limited or filtered",
                ),
        );
    }
}

//! `type = "grpc"`: `grpc.health.v1.Health/Check` says `SERVING`.

use super::tls::{self, TLS, TlsSpec};
use super::{CheckKind, Kind, http};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{Shape, key, section, text};
use crate::vocabulary::word;

/// The gRPC health protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GrpcCheck {
    /// The service to ask about; empty for the server as a whole.
    pub service: String,
    /// The `:authority`; by default the address checked.
    pub authority: Option<String>,
    /// The TLS settings; `None` for plain gRPC.
    pub tls: Option<TlsSpec>,
}

pub(super) static GRPC: Kind = Kind::new(
    word("grpc", "Says `SERVING` in the gRPC health protocol."),
    &SECTION,
    decode,
)
.tls(|kind| match kind {
    CheckKind::Grpc(grpc) => grpc.tls.as_ref(),
    _ => None,
});

section!(
    SECTION,
    "a grpc check",
    "`grpc.health.v1.Health/Check` says `SERVING`.",
    GRPC.keys([
        key(
            "service",
            text("shop.Orders"),
            "The service to ask about; by default the server as a whole.",
        ),
        key(
            "authority",
            text("orders.example.org"),
            "The `:authority`; the address by default.",
        ),
        key(
            "tls",
            Shape::Either(vec![Shape::Bool, Shape::Table(&TLS)]),
            "gRPC over TLS, and how the server is verified.",
        )
        .default(false),
    ])
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<CheckKind> {
    let service = fields.get("service");
    let service = service.and_then(|field| field.text(findings));
    let authority = fields.get("authority");
    Some(CheckKind::Grpc(GrpcCheck {
        service: service.map_or_else(String::new, |text| text.value.to_owned()),
        authority: authority.and_then(|field| http::authority(&field, findings)),
        tls: tls::grpc(fields, findings),
    }))
}

//! The other directors.

use std::path::PathBuf;
use std::time::Duration;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::super::model::PeerDecl;
use super::super::super::source::Span;
use super::super::super::tree::Entry;
use super::super::address;
use super::super::fields::{Field, Fields};
use super::super::name::named;
use super::super::time::{DAY, SECOND, within};
use crate::kinds::http::authority;
use crate::kinds::tls::absolute;
use crate::state::failover::{Peer, PeerCertificates, PeerProof};

/// `[peer.NAME]`.
pub(super) fn peer(entry: &Entry<'_>, findings: &mut Findings) -> Option<PeerDecl> {
    let fields = Fields::of(&entry.node, entry.key_span, &keys::PEER, findings);
    let name = named(&entry.key, entry.key_span, findings);
    let fields = fields?;
    let address = fields.require("address", findings);
    let address = address.and_then(|field| {
        let text = field.text(findings)?;
        let found = address::address(text, field.span(), findings)?;
        let value = found.value;
        if value.is_unspecified() || value.is_multicast() || value.is_loopback() {
            let message = format!("`{value}` is no address of another machine");
            findings.push(Diagnostic::new(Code::FailoverPeer, found.span, message));
            return None;
        }
        Some(found)
    });
    let port = fields.get("port");
    let port = port.and_then(|field| field.whole::<u16>(findings));
    let proof = proof(&fields, entry.key_span, findings);
    let mut resync = Some(Peer::DEFAULT_RESYNC);
    if let Some(field) = fields.get("resync") {
        if field.as_bool() == Some(false) {
            resync = None;
        } else if let Some(found) = within(&field, 5 * SECOND, DAY, findings) {
            resync = Some(found.value);
        }
    }
    let (name, address, (proof, proof_at)) = (name?, address?, proof?);
    Some(PeerDecl {
        address,
        proof_at,
        peer: Peer {
            name: name.value.as_str().into(),
            address: address.value,
            port: port.map_or(Peer::DEFAULT_PORT, |port| port.value),
            proof,
            resync,
        },
    })
}

/// One of `key_file` and `tls`, and where it is.
fn proof(fields: &Fields<'_>, at: Span, findings: &mut Findings) -> Option<(PeerProof, Span)> {
    match (fields.get("key_file"), fields.get("tls")) {
        (Some(key), Some(tls)) => {
            findings.push(
                Diagnostic::new(Code::EitherOr, tls.at, "a peer has a key or certificates")
                    .label("certificates")
                    .also(key.at, "a key"),
            );
            None
        }
        (Some(field), None) => {
            let key = absolute(&field, findings)?;
            Some((PeerProof::Key(key.into()), field.span()))
        }
        (None, Some(field)) => {
            let certificates = certificates(&field, findings)?;
            Some((PeerProof::Certificates(certificates), field.span()))
        }
        (None, None) => {
            findings.push(
                Diagnostic::new(Code::MissingKey, at, "a peer needs `key_file` or `tls`")
                    .label("neither is here")
                    .help("key_file = \"/etc/director/peer.key\""),
            );
            None
        }
    }
}

fn certificates(field: &Field<'_>, findings: &mut Findings) -> Option<PeerCertificates> {
    let fields = field.table(&keys::PEER_TLS, findings)?;
    let ca = fields.require("ca", findings);
    let ca = ca.and_then(|field| absolute(&field, findings));
    let certificate = fields.require("certificate", findings);
    let certificate = certificate.and_then(|field| absolute(&field, findings));
    let key = fields.get("key");
    let key = key.and_then(|field| absolute(&field, findings));
    let name = fields.get("name");
    let name = name.and_then(|field| authority(&field, findings));
    Some(PeerCertificates {
        ca: ca?.into(),
        certificate: certificate?.into(),
        key: key.map(PathBuf::from),
        name,
    })
}

/// The longest time for `deadline`.
pub(super) const LONGEST_DEADLINE: u64 = 60 * 60 * SECOND;

/// The default of `deadline`.
pub(super) const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

//! The other directors.

use std::time::Duration;

use super::super::super::code::Code;
use super::super::super::diagnostic::{Diagnostic, Findings};
use super::super::super::keys;
use super::super::super::model::PeerDecl;
use super::super::super::tree::Entry;
use super::super::address;
use super::super::fields::Fields;
use super::super::name::named;
use super::super::time::{DAY, SECOND, within};
use crate::kinds::tls::absolute;
use crate::state::failover::Peer;

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
    let key = fields.require("key_file", findings);
    let key = key.and_then(|field| Some((absolute(&field, findings)?, field.span())));
    let mut resync = Some(Peer::DEFAULT_RESYNC);
    if let Some(field) = fields.get("resync") {
        if field.as_bool() == Some(false) {
            resync = None;
        } else if let Some(found) = within(&field, 5 * SECOND, DAY, findings) {
            resync = Some(found.value);
        }
    }
    let (name, address, (key_file, key_at)) = (name?, address?, key?);
    Some(PeerDecl {
        address,
        key_at,
        peer: Peer {
            name: name.value.as_str().into(),
            address: address.value,
            port: port.map_or(Peer::DEFAULT_PORT, |port| port.value),
            key_file: key_file.into(),
            resync,
        },
    })
}

/// The longest time for `deadline`.
pub(super) const LONGEST_DEADLINE: u64 = 60 * 60 * SECOND;

/// The default of `deadline`.
pub(super) const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

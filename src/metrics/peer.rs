//! The families with a series for each other director; none without them.

use std::sync::Arc;

use super::text::{Each, Family, Text, labels};
use crate::control::peer::PeerStatus;
use crate::control::snapshot::Snapshot;

/// Another director, and its labels.
type Peer = (Arc<PeerStatus>, String);

/// The families, in the order of the exposition.
const FAMILIES: &[Each<Peer>] = &[
    (
        Family::gauge(
            "director_peer_up",
            "1 while this director is connected to it.",
        ),
        |family, (peer, labels), text| text.sample(family, labels, u8::from(peer.up)),
    ),
    (
        Family::gauge(
            "director_peer_differences",
            "In how many things it serves otherwise than this director.",
        ),
        |family, (peer, labels), text| text.sample(family, labels, peer.differs.len()),
    ),
    (
        Family::gauge(
            "director_peer_resync_failed",
            "1 if the last transfer of its connections failed.",
        ),
        |family, (peer, labels), text| {
            text.sample(family, labels, u8::from(peer.failed.is_some()));
        },
    ),
    (
        Family::gauge(
            "director_peer_resync_missing_entries",
            "Connections of its last transfer that are not in the own table; absent before the first.",
        ),
        |family, (peer, labels), text| {
            if let Some(resync) = &peer.resync {
                text.sample(family, labels, resync.missing);
            }
        },
    ),
    (
        Family::gauge(
            "director_peer_relay_up",
            "1 while it relays its new connections to this director; absent if it does not offer to.",
        ),
        |family, (peer, labels), text| {
            if let Some(relay) = &peer.relay {
                text.sample(family, labels, u8::from(relay.up));
            }
        },
    ),
];

/// Writes all families.
pub(super) fn write(snapshot: &Snapshot, text: &mut Text) {
    let peers = snapshot.peers.values();
    let peers = peers.map(|peer| (Arc::clone(peer), labels(&[("peer", &peer.name)])));
    text.each(FAMILIES, &peers.collect::<Vec<_>>());
}

//! The families with a series for each announce section; none without sections.

use std::sync::Arc;

use super::text::{Each, Family, Text, labels};
use crate::control::announce::{AnnounceState, AnnounceStatus};
use crate::control::snapshot::Snapshot;

/// All states, so that a state which the section does not have is 0 and not absent.
const STATES: [AnnounceState; 6] = [
    AnnounceState::Announced,
    AnnounceState::Fallback,
    AnnounceState::Withdrawn,
    AnnounceState::Damped,
    AnnounceState::TakenOut,
    AnnounceState::Waiting,
];

/// A section, and its labels.
type Section = (Arc<AnnounceStatus>, String);

/// The families, in the order of the exposition.
const FAMILIES: &[Each<Section>] = &[
    (
        Family::gauge(
            "director_announce_state",
            "1 for the present state of the section, 0 for the others.",
        ),
        |family, (section, labels), text| {
            for state in STATES {
                let labels = format!("{labels},state=\"{}\"", state.word());
                text.sample(family, &labels, u8::from(section.state == state));
            }
        },
    ),
    (
        Family::gauge(
            "director_announce_in_place",
            "1 if the kernel has its addresses or routes as the state says.",
        ),
        |family, (section, labels), text| {
            text.sample(family, labels, u8::from(section.in_place));
        },
    ),
    (
        Family::gauge(
            "director_announce_healthy",
            "How many of what it follows are healthy: services, or servers.",
        ),
        |family, (section, labels), text| text.sample(family, labels, section.healthy.healthy),
    ),
    (
        Family::gauge(
            "director_announce_needed",
            "How many have to be healthy for the addresses to be announced.",
        ),
        |family, (section, labels), text| text.sample(family, labels, section.healthy.needed),
    ),
];

/// Writes all families.
pub(super) fn write(snapshot: &Snapshot, text: &mut Text) {
    let sections = snapshot.announced.values();
    let sections =
        sections.map(|section| (Arc::clone(section), labels(&[("announce", &section.name)])));
    text.each(FAMILIES, &sections.collect::<Vec<_>>());
}

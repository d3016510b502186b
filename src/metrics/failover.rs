//! The families with a series for each failover section; none without sections.

use std::sync::Arc;
use std::time::Duration;

use super::text::{Each, Family, Text, labels};
use crate::control::failover::{FailoverCounts, FailoverRole, FailoverStatus};
use crate::control::snapshot::Snapshot;

/// All roles, so that a role which the section does not have is 0 and not absent.
const ROLES: [FailoverRole; 6] = [
    FailoverRole::Active,
    FailoverRole::HandingOver,
    FailoverRole::Backup,
    FailoverRole::Starting,
    FailoverRole::Fault,
    FailoverRole::Stopped,
];

/// A section.
struct Section {
    status: Arc<FailoverStatus>,
    counts: FailoverCounts,
    /// `failover="front"`
    labels: String,
}

/// The families, in the order of the exposition.
const FAMILIES: &[Each<Section>] = &[
    (
        Family::gauge(
            "director_failover_role",
            "1 for the role of this director, 0 for the others.",
        ),
        |family, section, text| {
            for role in ROLES {
                let is = u8::from(section.status.role == role);
                text.sample(family, &section.with("role", role.word()), is);
            }
        },
    ),
    (
        Family::gauge(
            "director_failover_priority",
            "The priority with which it claims the addresses now.",
        ),
        |family, section, text| text.sample(family, &section.labels, section.status.priority),
    ),
    (
        Family::gauge(
            "director_failover_declared_priority",
            "The priority in the service file.",
        ),
        |family, section, text| {
            text.sample(family, &section.labels, section.status.declared_priority);
        },
    ),
    (
        Family::counter(
            "director_failover_takeovers",
            "How often this director became active.",
        ),
        |family, section, text| text.sample(family, &section.labels, section.counts.became_active),
    ),
    (
        Family::counter(
            "director_failover_conflicts",
            "How often another router was active at the same time.",
        ),
        |family, section, text| text.sample(family, &section.labels, section.counts.conflicts),
    ),
    (
        Family::counter(
            "director_failover_adverts",
            "Adverts by what became of them; `discarded`: not valid, or not meant for this section.",
        ),
        |family, section, text| {
            let counts = &section.counts;
            for (result, number) in [
                ("sent", counts.sent),
                ("not_sent", counts.send_failures),
                ("received", counts.received),
                ("discarded", counts.discarded),
            ] {
                text.sample(family, &section.with("result", result), number);
            }
        },
    ),
    (
        Family::counter(
            "director_failover_late_adverts",
            "Own adverts more than half an interval late, and those of the active peer that came late.",
        ),
        |family, section, text| {
            for (of, number) in [
                ("own", section.counts.late),
                ("peer", section.counts.peer_late),
            ] {
                text.sample(family, &section.with("of", of), number);
            }
        },
    ),
    (
        Family::gauge(
            "director_failover_largest_lateness_seconds",
            "By how much the latest own advert was late.",
        ),
        |family, section, text| {
            let latest = Duration::from_micros(section.counts.latest_us);
            text.sample(family, &section.labels, latest.as_secs_f64());
        },
    ),
    (
        Family::counter(
            "director_failover_stalls",
            "How often this process did not run for so long that it had to listen again.",
        ),
        |family, section, text| text.sample(family, &section.labels, section.counts.stalls),
    ),
];

impl Section {
    /// Its labels and one more.
    fn with(&self, name: &str, value: &str) -> String {
        format!("{},{name}=\"{value}\"", self.labels)
    }
}

/// Writes all families.
pub(super) fn write(snapshot: &Snapshot, text: &mut Text) {
    let sections = snapshot.failovers.values().map(|status| Section {
        status: Arc::clone(status),
        counts: status.counters.read(),
        labels: labels(&[("failover", &status.name)]),
    });
    let sections: Vec<Section> = sections.collect();
    text.each(FAMILIES, &sections);
}

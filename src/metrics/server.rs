//! The families with a series for each server of each service.

use ipvs::ServerEntry;

use super::scrape::Row;
use super::service::{by_direction, by_state};
use super::text::{Family, Text, labels};
use crate::control::snapshot::{ServerState, ServerStatus};

/// A server of a service.
pub(super) struct One<'a> {
    status: &'a ServerStatus,
    counted: Option<&'a ServerEntry>,
    labels: String,
}

type Write = fn(&Family, &One<'_>, &mut Text);

/// The families, in the order of the exposition.
pub(super) const FAMILIES: &[(Family, Write)] = &[
    (
        Family::gauge(
            "director_server_up",
            "1 if the checks pass: in state `up` or `warming`.",
        ),
        |family, one, text| {
            let up = matches!(one.status.state, ServerState::Up | ServerState::Warming);
            text.sample(family, &one.labels, u8::from(up));
        },
    ),
    (
        Family::gauge(
            "director_server_state",
            "1 for the present state; the other states have no series.",
        ),
        |family, one, text| {
            let word = one.status.state.word();
            text.sample(family, &format!("{},state=\"{word}\"", one.labels), 1);
        },
    ),
    (
        Family::gauge(
            "director_server_weight",
            "The weight in the kernel; absent if the kernel does not have the server.",
        ),
        |family, one, text| {
            if let Some(counted) = one.counted {
                text.sample(family, &one.labels, counted.server.weight.get());
            }
        },
    ),
    (
        Family::gauge(
            "director_server_declared_weight",
            "The weight in the service file.",
        ),
        |family, one, text| text.sample(family, &one.labels, one.status.as_declared.weight.get()),
    ),
    (
        Family::gauge(
            "director_server_open_connections",
            "Entries of the connection table by the kernel's state.",
        ),
        |family, one, text| {
            if let Some(counted) = one.counted {
                let [active, inactive, persistent] =
                    [counted.active, counted.inactive, counted.persistent].map(u64::from);
                by_state(family, &one.labels, text, active, inactive, persistent);
            }
        },
    ),
    (
        Family::counter(
            "director_server_connections",
            "Connections scheduled since the kernel made the server.",
        ),
        |family, one, text| {
            if let Some(counted) = one.counted {
                text.sample(family, &one.labels, counted.stats.total.connections);
            }
        },
    ),
    (
        Family::counter(
            "director_server_packets",
            "Packets forwarded; `out` is to clients, and 0 under dr and tun.",
        ),
        |family, one, text| {
            if let Some(counted) = one.counted {
                let total = counted.stats.total;
                by_direction(
                    family,
                    &one.labels,
                    text,
                    total.packets_in,
                    total.packets_out,
                );
            }
        },
    ),
    (
        Family::counter(
            "director_server_bytes",
            "Bytes forwarded; `out` is to clients, and 0 under dr and tun.",
        ),
        |family, one, text| {
            if let Some(counted) = one.counted {
                let total = counted.stats.total;
                by_direction(family, &one.labels, text, total.bytes_in, total.bytes_out);
            }
        },
    ),
];

/// Visits each server of a service.
pub(super) fn each(row: &Row, mut visit: impl FnMut(&One<'_>)) {
    for status in &row.status.servers {
        let name = status.name.as_deref().unwrap_or_default();
        let own = labels(&[
            ("server", &status.key()),
            ("server_name", &name),
            ("role", &status.role.word()),
        ]);
        visit(&One {
            status,
            counted: row.counted(status.key()),
            labels: format!("{},{own}", row.labels),
        });
    }
}

/// The entries of the connection table for a server.
pub(super) fn open(entry: &ServerEntry) -> u64 {
    [entry.active, entry.inactive, entry.persistent]
        .map(u64::from)
        .iter()
        .sum()
}

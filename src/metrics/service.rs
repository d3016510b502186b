//! The families with a series for each service.

use super::scrape::Row;
use super::text::{Family, Text};
use crate::control::snapshot::ServerState;

type Write = fn(&Family, &Row, &mut Text);

/// The families, in the order of the exposition.
pub(super) const FAMILIES: &[(Family, Write)] = &[
    (
        Family::gauge(
            "director_service_servers",
            "Servers by state, with backup and sorry servers.",
        ),
        servers,
    ),
    (
        Family::gauge(
            "director_service_declared_servers",
            "Servers in the service file, without backup and sorry servers.",
        ),
        |family, row, text| text.sample(family, &row.labels, row.status.declared),
    ),
    (
        Family::gauge(
            "director_service_healthy_servers",
            "Declared servers that are up.",
        ),
        |family, row, text| text.sample(family, &row.labels, row.status.up),
    ),
    (
        Family::gauge(
            "director_service_min_healthy_servers",
            "Servers that stay in even if their checks fail.",
        ),
        |family, row, text| text.sample(family, &row.labels, row.status.min_healthy),
    ),
    (
        Family::gauge(
            "director_service_panic",
            "1 if servers that are down stay in because too few are up.",
        ),
        |family, row, text| text.sample(family, &row.labels, u8::from(row.status.panic)),
    ),
    (
        Family::gauge(
            "director_service_open_connections",
            "Entries of the connection table by the kernel's state.",
        ),
        open,
    ),
    (
        Family::counter(
            "director_service_connections",
            "Connections scheduled since the kernel made the service.",
        ),
        |family, row, text| {
            if let Some(counted) = &row.counted {
                text.sample(family, &row.labels, counted.entry.stats.total.connections);
            }
        },
    ),
    (
        Family::counter(
            "director_service_packets",
            "Packets forwarded; `out` is to clients, and 0 under dr and tun.",
        ),
        |family, row, text| {
            if let Some(counted) = &row.counted {
                let total = counted.entry.stats.total;
                by_direction(
                    family,
                    &row.labels,
                    text,
                    total.packets_in,
                    total.packets_out,
                );
            }
        },
    ),
    (
        Family::counter(
            "director_service_bytes",
            "Bytes forwarded; `out` is to clients, and 0 under dr and tun.",
        ),
        |family, row, text| {
            if let Some(counted) = &row.counted {
                let total = counted.entry.stats.total;
                by_direction(family, &row.labels, text, total.bytes_in, total.bytes_out);
            }
        },
    ),
];

/// All states, so that a state without servers is 0 and not absent.
fn servers(family: &Family, row: &Row, text: &mut Text) {
    for state in ServerState::ALL {
        let word = state.word();
        let servers = row.status.servers.iter();
        let number = servers.filter(|server| server.state == state).count();
        text.sample(family, &format!("{},state=\"{word}\"", row.labels), number);
    }
}

fn open(family: &Family, row: &Row, text: &mut Text) {
    let Some(counted) = &row.counted else {
        return;
    };
    let sum = |part: fn(&ipvs::ServerEntry) -> u32| -> u64 {
        counted
            .servers
            .iter()
            .map(|entry| u64::from(part(entry)))
            .sum()
    };
    by_state(
        family,
        &row.labels,
        text,
        sum(|it| it.active),
        sum(|it| it.inactive),
        sum(|it| it.persistent),
    );
}

/// A sample for each of the kernel's states of a connection.
pub(super) fn by_state(
    family: &Family,
    labels: &str,
    text: &mut Text,
    active: u64,
    inactive: u64,
    persistent: u64,
) {
    for (state, number) in [
        ("active", active),
        ("inactive", inactive),
        ("persistent", persistent),
    ] {
        text.sample(family, &format!("{labels},state=\"{state}\""), number);
    }
}

/// A sample for each direction.
pub(super) fn by_direction(
    family: &Family,
    labels: &str,
    text: &mut Text,
    inward: u64,
    outward: u64,
) {
    for (direction, number) in [("in", inward), ("out", outward)] {
        text.sample(
            family,
            &format!("{labels},direction=\"{direction}\""),
            number,
        );
    }
}

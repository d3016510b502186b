//! `drain --wait`.

use std::thread;
use std::time::{Duration, Instant};

use super::args::ServerOf;
use super::exit::Exit;
use super::output::say;
use crate::http::api::{ServerStats, Stats};
use crate::http::{Client, ClientError, query};

/// The interval between queries.
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until a server has no connections left in its service.
pub(crate) fn for_connections(
    client: &Client,
    of: &ServerOf,
    patience: Duration,
) -> anyhow::Result<Exit> {
    let end = Instant::now() + patience;
    let path = format!("/v1/stats{}", query(&[("service", &of.service)]));
    loop {
        let left = match client.get::<Stats>(&path) {
            Ok(stats) => Some(left(&stats, &of.server)),
            // The director may be restarting; the drain survives that.
            Err(ClientError::NotRunning { .. } | ClientError::Lost { .. })
                if Instant::now() < end =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        if left == Some(0) {
            say!("Drained.");
            return Ok(Exit::Done);
        }
        let time = end.saturating_duration_since(Instant::now());
        if time.is_zero() {
            let left = left.map_or("unknown".to_owned(), |left| left.to_string());
            let waited = patience.as_secs();
            say!(
                "director: timed out after {waited}s (connections left: {left}); the drain \
                  continues"
            );
            return Ok(Exit::TooLate);
        }
        thread::sleep(PAUSE.min(time));
    }
}

/// A server's connections over all listen addresses of the service. A server that is not in the
/// kernel has none.
fn left(stats: &Stats, server: &str) -> u64 {
    let servers = stats.services.iter().flat_map(|service| &service.servers);
    let meant = servers.filter(|found| is(found, server));
    meant
        .map(|found| u64::from(found.active) + u64::from(found.inactive))
        .sum()
}

fn is(found: &ServerStats, word: &str) -> bool {
    found.name.as_deref() == Some(word)
        || word.parse() == Ok(found.address)
        || word.parse() == Ok(found.address.address)
}

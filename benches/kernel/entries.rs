//! Open connections that no client made.

use std::net::SocketAddr;

use director::peers::inject::Injector;
use ipvs::SyncDaemon;
use ipvs_sync::{Encoder, Entry, Flags, tcp};

/// The number of entries that are encoded before they are sent.
const BATCH: u32 = 50_000;

/// Puts open connections into the own table by way of the own backup daemon, each of another client,
/// to these servers in turn. The daemon may lose some.
pub(crate) fn open(
    daemon: &SyncDaemon,
    virtual_service: SocketAddr,
    servers: &[SocketAddr],
    connections: u32,
) {
    let injector = Injector::open(daemon).unwrap();
    for first in (0..connections).step_by(BATCH as usize) {
        let mut encoder = Encoder::new(daemon.sync_id.0, Encoder::ETHERNET);
        let mut messages = Vec::new();
        for number in first..connections.min(first + BATCH) {
            let [_, high, middle, low] = number.to_be_bytes();
            let client = SocketAddr::from(([198, 18 + high, middle, low], 40_000));
            let entry = Entry {
                flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
                state: tcp::ESTABLISHED,
                timeout: 900,
                ..Entry::new(
                    6,
                    client,
                    virtual_service,
                    servers[number as usize % servers.len()],
                )
            };
            messages.extend(encoder.push(&entry).unwrap());
        }
        messages.extend(encoder.finish());
        injector.send(&messages).unwrap();
    }
}

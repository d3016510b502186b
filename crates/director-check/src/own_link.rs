//! Whether this machine's own interface towards a server is down.
//!
//! A switch that is off, or an unplugged cable, does not change the routes: checks time out as if
//! the servers were dead. The interface's state tells the difference (`IFF_RUNNING`: it is up and
//! has a carrier).

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use super::failure::is_cut_off;
use super::sources::own_address;

/// How long the interfaces' state is cached.
const FRESH: Duration = Duration::from_millis(200);

/// The interfaces of this network namespace, slightly cached.
#[derive(Debug, Default)]
pub(super) struct OwnLinks {
    read: Option<Instant>,
    /// Whether the interface with a local address is running.
    running: HashMap<IpAddr, bool>,
}

impl OwnLinks {
    /// Whether there is no way to an address now, because there is no route or the outgoing
    /// interface is not running.
    pub(super) fn is_cut_off(&mut self, address: IpAddr, now: Instant) -> bool {
        match own_address(address, None, 0) {
            Err(error) => is_cut_off(&error),
            Ok(own) => !self.runs(own, now).unwrap_or(true),
        }
    }

    /// Whether the interface with this address is running; `None` if unknown.
    fn runs(&mut self, own: IpAddr, now: Instant) -> Option<bool> {
        let is_fresh = |read: Instant| now.saturating_duration_since(read) < FRESH;
        if !self.read.is_some_and(is_fresh) {
            self.running = read().ok()?;
            self.read = Some(now);
        }
        self.running.get(&own).copied()
    }
}

fn read() -> io::Result<HashMap<IpAddr, bool>> {
    let mut running = HashMap::new();
    for interface in getifaddrs()? {
        let Some(address) = interface.address else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
        if let Some(address) = v4.or(v6) {
            // Several interfaces may have the same address.
            let runs = interface.flags.contains(InterfaceFlags::IFF_RUNNING);
            *running.entry(address).or_insert(false) |= runs;
        }
    }
    Ok(running)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_runs() {
        let mut links = OwnLinks::default();
        let localhost = IpAddr::from([127, 0, 0, 1]);
        assert!(!links.is_cut_off(localhost, Instant::now()));
        assert_eq!(links.runs(localhost, Instant::now()), Some(true));
    }
}

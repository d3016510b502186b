//! Two machines that hold a virtual address together, and a client, on one link.
//!
//! ```text
//!   client 10.0.0.9 ──┐
//!   a      10.0.0.1 ──┼── one bridge
//!   b      10.0.0.2 ──┘
//! ```

use std::net::IpAddr;

use super::{Drawing, Host, Sketch, Switch};

/// The network of failover.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) client: Host,
    pub(crate) switch: Switch,
}

impl Link {
    pub(crate) fn new() -> Self {
        let host = |name: &str, number: u8| {
            let addresses = [format!("10.0.0.{number}/24"), format!("fd00::{number}/64")];
            Sketch::new(name).plug("lan", &addresses)
        };
        let drawing = Drawing::new()
            .host(host("a", 1))
            .host(host("b", 2))
            .host(host("client", 9));
        let (hosts, switch) = drawing.build();
        let [a, b, client] = <[Host; 3]>::try_from(hosts).unwrap();
        Self {
            a,
            b,
            client,
            switch,
        }
    }
}

/// Whether a host has the address on an interface now. Starts no process: it does not disturb what
/// is measured.
pub(crate) fn has_now(host: &Host, address: IpAddr) -> bool {
    let all = host.enter(|| nix::ifaddrs::getifaddrs().unwrap().collect::<Vec<_>>());
    all.iter().filter_map(|one| one.address).any(|found| {
        let v4 = found.as_sockaddr_in().map(|found| IpAddr::V4(found.ip()));
        let v6 = || found.as_sockaddr_in6().map(|found| IpAddr::V6(found.ip()));
        v4.or_else(v6) == Some(address)
    })
}

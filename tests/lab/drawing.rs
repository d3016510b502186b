//! From a drawing to namespaces: hosts, and the bridges that they are plugged into.
//!
//! ```text
//!   Drawing::new()
//!       .host(Sketch::new("a").plug("lan", &["10.0.0.1/24"]))
//!       .host(Sketch::new("b").plug("lan", &["10.0.0.2/24", "fd00::2/64"]))
//!       .build()
//!
//!          namespace a        namespace switch        namespace b
//!          eth0 ────────────── a-eth0 [lan] b-eth0 ────────────── eth0
//! ```
//!
//! One `ip -batch` lays all cables, and one per host sets its addresses and routes: processes are
//! the most expensive part of a network.

use std::{fmt::Write as _, net::IpAddr};

use super::{host::Host, netns::Netns};

/// The sysctls of every host: no unsolicited traffic, no wait for duplicate addresses, no filter
/// for packets with another way back.
const QUIET: [(&str, &str); 6] = [
    ("net.ipv4.conf.all.rp_filter", "0"),
    ("net.ipv4.conf.default.rp_filter", "0"),
    ("net.ipv6.conf.all.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_dad", "0"),
    ("net.ipv6.conf.default.accept_ra", "0"),
    ("net.ipv6.conf.default.router_solicitations", "0"),
];

/// Hosts to build together, on common bridges.
#[derive(Debug, Default)]
pub(crate) struct Drawing {
    hosts: Vec<Sketch>,
}

/// A host that is not built yet.
#[derive(Debug)]
pub(crate) struct Sketch {
    name: String,
    /// The bridges of `eth0`, `eth1` and so on.
    bridges: Vec<String>,
    addresses: Vec<IpAddr>,
    lines: String,
    sysctls: Vec<(String, String)>,
}

impl Sketch {
    /// A host without cables.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            bridges: Vec::new(),
            addresses: Vec::new(),
            lines: String::new(),
            sysctls: Vec::new(),
        }
    }

    /// Plugs the next interface (`eth0` first) into `bridge`, with these addresses
    /// (`10.0.0.1/24`).
    pub(crate) fn plug<A: AsRef<str>>(mut self, bridge: &str, addresses: &[A]) -> Self {
        let device = format!("eth{}", self.bridges.len());
        self.bridges.push(bridge.to_owned());
        self = self.line(&format!("link set {device} up"));
        for address in addresses {
            self = self.address(address.as_ref(), &device);
        }
        self
    }

    /// Adds an address (`10.0.0.1/24`) to a device.
    pub(crate) fn address(mut self, address: &str, device: &str) -> Self {
        let (plain, _) = address
            .split_once('/')
            .expect("an address with its prefix length");
        let plain: IpAddr = plain.parse().expect("an IP address");
        self.addresses.push(plain);
        // Duplicate address detection would keep an IPv6 address unusable for a second or two.
        let nodad = if plain.is_ipv6() { "nodad" } else { "" };
        self.line(&format!("addr add {address} dev {device} {nodad}"))
    }

    /// Adds a virtual address to a device: see [`add_virtual`].
    pub(crate) fn virtual_address(mut self, address: IpAddr, device: &str) -> Self {
        self.addresses.push(address);
        self.line(&add_virtual(address, device))
    }

    /// Adds a line for `ip -batch`, carried out in order: `route add default via 10.0.0.1`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// Sets a sysctl before the host has any interface, so that `default` applies to all of them.
    pub(crate) fn sysctl(mut self, name: &str, value: &str) -> Self {
        self.sysctls.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Drawing {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a host. Names are unique and have at most 9 bytes.
    pub(crate) fn host(mut self, sketch: Sketch) -> Self {
        self.hosts.push(sketch);
        self
    }

    /// Builds everything: the hosts in order, and the switch that they depend on.
    pub(crate) fn build(self) -> (Vec<Host>, Switch) {
        let switch = Host::new("switch", Netns::new("switch"), Vec::new());
        // A bridge needs no address, and its ports need not look for a router.
        switch.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
        let hosts: Vec<Host> = self
            .hosts
            .iter()
            .map(|sketch| {
                let host = Host::new(
                    &sketch.name,
                    Netns::new(&sketch.name),
                    sketch.addresses.clone(),
                );
                let own = sketch
                    .sysctls
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                host.sysctls(&QUIET.into_iter().chain(own).collect::<Vec<_>>());
                host
            })
            .collect();
        switch.ip(&cables(&self.hosts, &hosts));
        for (host, sketch) in hosts.iter().zip(&self.hosts) {
            host.ip(&format!("link set lo up\n{}", sketch.lines));
        }
        (hosts, Switch { host: switch })
    }
}

/// The line that gives a device a virtual address: a host route, and for IPv6 deprecated from the
/// start, so that the host does not use it as a source unasked. Real servers, which have the
/// address themselves, would ignore a director whose tunnels came from the virtual address
/// (`ip6_tnl_rcv_ctl` in the kernel).
pub(super) fn add_virtual(address: IpAddr, device: &str) -> String {
    if address.is_ipv4() {
        format!("addr add {address}/32 dev {device}")
    } else {
        format!("addr add {address}/128 dev {device} nodad preferred_lft 0")
    }
}

/// The bridges, and the switch's end of every cable. The network lives as long as this.
#[derive(Debug)]
pub(crate) struct Switch {
    host: Host,
}

impl Switch {
    /// Turns a bridge or a port off, or on again.
    pub(crate) fn turn(&self, device: &str, on: bool) {
        let state = if on { "up" } else { "down" };
        self.host.ip(&format!("link set {device} {state}\n"));
    }

    /// Removes a port and its cable for good, as if the machine were gone.
    pub(crate) fn remove(&self, device: &str) {
        self.host.ip(&format!("link del {device}\n"));
    }
}

/// The batch that creates the bridges, and the cables to the hosts.
fn cables(sketches: &[Sketch], hosts: &[Host]) -> String {
    let mut bridges: Vec<&str> = sketches
        .iter()
        .flat_map(|s| &s.bridges)
        .map(String::as_str)
        .collect();
    bridges.sort_unstable();
    bridges.dedup();
    let mut batch = String::new();
    for bridge in bridges {
        // Snooping would hold back neighbour solicitations until it has learnt who listens.
        let line = format!("link add {bridge} up type bridge stp_state 0 mcast_snooping 0");
        batch.push_str(&line);
        batch.push('\n');
    }
    for (sketch, host) in sketches.iter().zip(hosts) {
        for (index, bridge) in sketch.bridges.iter().enumerate() {
            let (here, there) = (format!("{}-eth{index}", sketch.name), host.netns().name());
            writeln!(
                batch,
                "link add {here} up master {bridge} type veth peer name eth{index} netns {there}"
            )
            .expect("a string takes every write");
        }
    }
    batch
}

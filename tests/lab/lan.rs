//! The three topologies of IPVS, each drawn once.
//!
//! ```text
//!  Lan::nat()    client1 ─ front ─ director ─ back ─ real1      the way back leads through the
//!                client2 ┘       └ backup   ┘      └ real2      director: it is the default route
//!
//!  Lan::dr()     client1 ─ front ┬ director                     the way back is direct: each real
//!                client2 ┘       ├ backup                       server has the virtual addresses
//!                                ├ real1                        on lo and keeps quiet about them
//!                                └ real2
//!
//!  Lan::tun()    client1 ─ front ┬ director                     the real servers are one router
//!                client2 ┘       ├ backup                       away; the answer goes to the client
//!                                └ router ─ back ┬ real1        without passing the director
//!                                                └ real2
//! ```
//!
//! ```text
//!  client i, its k-th address          10.1.i.k/16       fd00:1::i:k/64
//!  director, backup, router in front   10.1.0.1 .2 .254  fd00:1::1 ::2 ::254
//!  virtual address n, from 0 on        10.1.0.(100 + n)  fd00:1::(100 + n)
//!  director, backup, router behind     10.2.0.1 .2 .254  fd00:2::1 ::2 ::254
//!  real server i with NAT, TUN         10.2.0.(10 + i)   fd00:2::(10 + i)
//!  real server i with DR               10.1.0.(10 + i)   fd00:1::(10 + i)
//! ```
//!
//! IPv6 addresses use the same decimal digits, so that both read alike.

use std::net::{IpAddr, SocketAddr};

use super::{
    drawing::{Drawing, Sketch, Switch, add_virtual},
    host::Host,
    serve::Server,
    traffic::{Family, Protocol},
    tunnel,
};

/// A network with a director.
#[derive(Debug)]
pub(crate) struct Lan {
    /// The director that holds the virtual addresses.
    pub(crate) director: Host,
    backup: Option<Host>,
    router: Option<Host>,
    clients: Vec<Host>,
    reals: Vec<Host>,
    switch: Switch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nat,
    Dr,
    Tun,
}

/// The parts of a [`Lan`]: by default one client with one address, three real servers, one virtual
/// address of each family, no backup.
#[derive(Debug, Clone)]
pub(crate) struct LanBuilder {
    shape: Shape,
    clients: u8,
    addresses: u8,
    reals: u8,
    virtuals: u8,
    backup: bool,
    gre_checksum: bool,
}

impl Lan {
    /// Network address translation (`ipvsadm -m`).
    pub(crate) fn nat() -> LanBuilder {
        LanBuilder::new(Shape::Nat)
    }

    /// Direct routing (`ipvsadm -g`).
    pub(crate) fn dr() -> LanBuilder {
        LanBuilder::new(Shape::Dr)
    }

    /// Tunnels of every type (`ipvsadm -i`).
    pub(crate) fn tun() -> LanBuilder {
        LanBuilder::new(Shape::Tun)
    }

    /// Client `number`, from 1 on.
    #[track_caller]
    pub(crate) fn client(&self, number: usize) -> &Host {
        self.clients
            .get(number.wrapping_sub(1))
            .expect("clients count from 1 to clients(n)")
    }

    /// Real server `number`, from 1 on.
    #[track_caller]
    pub(crate) fn real(&self, number: usize) -> &Host {
        self.reals
            .get(number.wrapping_sub(1))
            .expect("real servers count from 1 to real_servers(n)")
    }

    /// All real servers.
    pub(crate) fn reals(&self) -> &[Host] {
        &self.reals
    }

    /// The second director. It has no virtual address: [`Lan::move_virtual_addresses`].
    #[track_caller]
    pub(crate) fn backup(&self) -> &Host {
        self.backup
            .as_ref()
            .expect("the network was built with .backup()")
    }

    /// The router between the director and the real servers of a TUN network.
    #[track_caller]
    pub(crate) fn router(&self) -> &Host {
        self.router
            .as_ref()
            .expect("only a TUN network has a router")
    }

    /// Turns the bridge `front` or `back`, or a port of the switch (`director-eth1`), off or on again.
    pub(crate) fn turn(&self, device: &str, on: bool) {
        self.switch.turn(device, on);
    }

    /// The first virtual address of a family.
    pub(crate) fn virtual_address(&self, family: Family) -> IpAddr {
        virtual_address(family, 0)
    }

    /// A port on the first virtual address, printed as `ipvsadm` expects it: `10.1.0.100:80`,
    /// `[fd00:1::100]:80`.
    pub(crate) fn service(&self, family: Family, port: u16) -> SocketAddr {
        self.nth_service(family, 0, port)
    }

    /// A port on the `n`-th virtual address, from 0 on.
    pub(crate) fn nth_service(&self, family: Family, n: u8, port: u16) -> SocketAddr {
        (virtual_address(family, n), port).into()
    }

    /// A port of real server `number`, printed as `ipvsadm` expects it.
    #[track_caller]
    pub(crate) fn server(&self, family: Family, number: usize, port: u16) -> SocketAddr {
        (self.real(number).address(family), port).into()
    }

    /// Serves a port on every real server, until the servers are dropped.
    #[track_caller]
    pub(crate) fn serve(&self, protocol: Protocol, port: u16) -> Vec<Server> {
        self.reals
            .iter()
            .map(|real| real.serve(protocol, port))
            .collect()
    }

    /// Creates a virtual service on the director with every real server, weight 1 each, using
    /// Debian's program: `net.balance(Tcp, V4, 80, "-s rr", "-m")`. The first text is for the
    /// service, the second for each server.
    #[track_caller]
    pub(crate) fn balance(
        &self,
        protocol: Protocol,
        family: Family,
        port: u16,
        service: &str,
        server: &str,
    ) {
        self.director
            .ipvsadm(&self.balanced(protocol, family, port, service, server));
    }

    /// The lines for `ipvsadm -R` that [`Lan::balance`] runs.
    pub(crate) fn balanced(
        &self,
        protocol: Protocol,
        family: Family,
        port: u16,
        service: &str,
        server: &str,
    ) -> String {
        let (option, address) = (protocol.option(), self.service(family, port));
        let mut lines = format!("-A {option} {address} {service}\n");
        for number in 1..=self.reals.len() {
            let real = self.server(family, number, port);
            lines.push_str(&format!("-a {option} {address} -r {real} {server}\n"));
        }
        lines
    }

    /// Moves the virtual addresses to the backup, as in a fail-over, and tells the neighbours.
    pub(crate) fn move_virtual_addresses(&self) {
        let plain = self
            .director
            .addresses(Family::V4)
            .into_iter()
            .chain(self.director.addresses(Family::V6));
        let (mut off, mut on) = (String::new(), String::new());
        for address in plain.filter(is_virtual) {
            let length = if address.is_ipv4() { 32 } else { 128 };
            off.push_str(&format!("addr del {address}/{length} dev eth0\n"));
            on.push_str(&add_virtual(address, "eth0"));
            on.push('\n');
        }
        self.director.ip(&off);
        self.backup().ip(&on);
        // Instead of gratuitous ARP and unsolicited advertisements.
        for host in self.clients.iter().chain(&self.router) {
            host.ip("neigh flush dev eth0\n");
        }
    }
}

impl LanBuilder {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            clients: 1,
            addresses: 1,
            reals: 3,
            virtuals: 1,
            backup: false,
            gre_checksum: false,
        }
    }

    /// Sets the number of clients, 1 to 250.
    pub(crate) fn clients(mut self, number: u8) -> Self {
        self.clients = number;
        self
    }

    /// Sets the number of addresses per client, 1 to 250.
    pub(crate) fn addresses(mut self, number: u8) -> Self {
        self.addresses = number;
        self
    }

    /// Sets the number of real servers, up to 80.
    pub(crate) fn real_servers(mut self, number: u8) -> Self {
        self.reals = number;
        self
    }

    /// Sets the number of virtual addresses per family, up to 100.
    pub(crate) fn virtual_addresses(mut self, number: u8) -> Self {
        self.virtuals = number;
        self
    }

    /// Adds a second director, with the first one's cables.
    pub(crate) fn backup(mut self) -> Self {
        self.backup = true;
        self
    }

    /// Makes the real servers' GRE devices accept packets with a checksum instead of those without.
    pub(crate) fn gre_checksum(mut self) -> Self {
        self.gre_checksum = true;
        self
    }

    /// Builds the network.
    ///
    /// # Panics
    ///
    /// If that is not possible, with the reason.
    pub(crate) fn build(self) -> Lan {
        let mut drawing = Drawing::new().host(self.director("director", 1, self.virtuals));
        if self.backup {
            drawing = drawing.host(self.director("backup", 2, 0));
        }
        if self.shape == Shape::Tun {
            drawing = drawing.host(router());
        }
        for number in 1..=self.clients {
            drawing = drawing.host(self.client(number));
        }
        for number in 1..=self.reals {
            drawing = drawing.host(self.real(number));
        }
        let (hosts, switch) = drawing.build();
        let mut hosts = hosts.into_iter();
        let mut next = || hosts.next().expect("as many hosts as were drawn");
        Lan {
            director: next(),
            backup: self.backup.then(&mut next),
            router: (self.shape == Shape::Tun).then(&mut next),
            clients: (0..self.clients).map(|_| next()).collect(),
            reals: (0..self.reals).map(|_| next()).collect(),
            switch,
        }
    }

    fn director(&self, name: &str, last: u8, virtuals: u8) -> Sketch {
        let mut sketch = forwarding(Sketch::new(name)).plug("front", &front(last));
        for n in 0..virtuals {
            for family in Family::BOTH {
                sketch = sketch.virtual_address(virtual_address(family, n), "eth0");
            }
        }
        match self.shape {
            Shape::Nat => sketch.plug("back", &back(last)),
            Shape::Dr => sketch,
            Shape::Tun => sketch
                .line("route add 10.2.0.0/24 via 10.1.0.254")
                .line("route add fd00:2::/64 via fd00:1::254"),
        }
    }

    fn client(&self, number: u8) -> Sketch {
        let addresses: Vec<String> = (1..=self.addresses)
            .flat_map(|k| {
                [
                    format!("10.1.{number}.{k}/16"),
                    format!("fd00:1::{number}:{k}/64"),
                ]
            })
            .collect();
        Sketch::new(&format!("client{number}")).plug("front", &addresses)
    }

    fn real(&self, number: u8) -> Sketch {
        let (sketch, last) = (Sketch::new(&format!("real{number}")), 10 + number);
        match self.shape {
            Shape::Nat => gateway(sketch.plug("back", &back(last)), 1),
            Shape::Dr => self.silent(sketch.plug("front", &front(last))),
            Shape::Tun => {
                let sketch = gateway(sketch.plug("back", &back(last)), 254);
                let (v4, v6) = (format!("10.2.0.{last}"), format!("fd00:2::{last}"));
                self.silent(tunnel::unpack(sketch, &v4, &v6, self.gre_checksum))
            }
        }
    }

    /// Adds the virtual addresses to a real server that must neither answer for them (`arp_ignore`)
    /// nor use them in requests (`arp_announce`). IPv6 never answers on one device for another's
    /// address.
    fn silent(&self, sketch: Sketch) -> Sketch {
        let mut sketch = sketch
            .sysctl("net.ipv4.conf.all.arp_ignore", "1")
            .sysctl("net.ipv4.conf.all.arp_announce", "2");
        for n in 0..self.virtuals {
            for family in Family::BOTH {
                sketch = sketch.virtual_address(virtual_address(family, n), "lo");
            }
        }
        sketch
    }
}

fn router() -> Sketch {
    forwarding(Sketch::new("router"))
        .plug("front", &front(254))
        .plug("back", &back(254))
}

fn front(last: u8) -> [String; 2] {
    [format!("10.1.0.{last}/16"), format!("fd00:1::{last}/64")]
}

fn back(last: u8) -> [String; 2] {
    [format!("10.2.0.{last}/24"), format!("fd00:2::{last}/64")]
}

fn gateway(sketch: Sketch, last: u8) -> Sketch {
    sketch
        .line(&format!("route add default via 10.2.0.{last}"))
        .line(&format!("route add default via fd00:2::{last}"))
}

fn forwarding(sketch: Sketch) -> Sketch {
    sketch
        .sysctl("net.ipv4.ip_forward", "1")
        .sysctl("net.ipv6.conf.all.forwarding", "1")
        // Client and real server share a cable in some topologies: no redirects to shorter ways.
        .sysctl("net.ipv4.conf.all.send_redirects", "0")
        .sysctl("net.ipv4.conf.default.send_redirects", "0")
}

fn virtual_address(family: Family, n: u8) -> IpAddr {
    let last = 100 + u16::from(n);
    let text = match family {
        Family::V4 => format!("10.1.0.{last}"),
        Family::V6 => format!("fd00:1::{last}"),
    };
    text.parse().expect("a well-formed address")
}

fn is_virtual(address: &IpAddr) -> bool {
    let family = if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    (0..=100).any(|n| virtual_address(family, n) == *address)
}

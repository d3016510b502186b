//! A network whose director is configured through the library, ready for traffic.
//!
//! ```text
//!   let mut rig = Rig::dr();                                   // three real servers, port 80
//!   let web = rig.balance(Tcp, V4, "wrr", &[4, 2, 1]);         // real1 weighs 4, and so on
//!   rig.ask(&web).times(70).run()                              // from the client
//!   rig.weigh(&web, 2, 0);                                     // real2 is quiesced
//! ```
//!
//! Servers are added by ascending number, so the kernel's list starts with the last one
//! (`__ip_vs_update_dest` adds at the head): where an algorithm takes "the first", it is that one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be set up fails the test there and then"
)]

use std::net::SocketAddr;

use ipvs::{
    Client, Connections, ForwardMethod, Fwmark, Name, Server, ServerEntry, ServerKey, Service,
    ServiceKey, Weight,
};

use crate::lab::{self, Ask, Connection, Failure, Family, Lan, Protocol};

/// The port of every service and every real server here.
pub(crate) const PORT: u16 = 80;

/// A network, its director's IPVS, and real servers that answer TCP and UDP on [`PORT`].
pub(crate) struct Rig {
    pub(crate) net: Lan,
    pub(crate) ipvs: Client,
    forward: ForwardMethod,
    servers: Vec<lab::Server>,
}

impl Rig {
    /// Network address translation, one client, three real servers.
    pub(crate) fn nat() -> Self {
        Self::new(Lan::nat().build(), ForwardMethod::Masquerade)
    }

    /// Direct routing, one client, three real servers.
    pub(crate) fn dr() -> Self {
        Self::new(Lan::dr().build(), ForwardMethod::DirectRoute)
    }

    /// IPIP tunnels, one client, three real servers behind a router.
    pub(crate) fn tun() -> Self {
        Self::new(Lan::tun().build(), ForwardMethod::Tunnel)
    }

    /// Any network, with the forwarding method for which its real servers are laid out.
    pub(crate) fn new(net: Lan, forward: ForwardMethod) -> Self {
        let ipvs = net.director.enter(Client::connect).unwrap();
        // A refused client is told each time, rather than six times and then once a second.
        net.director.sysctls(&[
            ("net.ipv4.icmp_ratelimit", "0"),
            ("net.ipv6.icmp.ratelimit", "0"),
        ]);
        let servers = [Protocol::Tcp, Protocol::Udp]
            .into_iter()
            .flat_map(|protocol| net.serve(protocol, PORT))
            .collect();
        Self {
            net,
            ipvs,
            forward,
            servers,
        }
    }

    /// A service on the first virtual address with servers of these weights, `real1` first.
    pub(crate) fn balance(
        &mut self,
        protocol: Protocol,
        family: Family,
        scheduler: &str,
        weights: &[u32],
    ) -> Service {
        let service = service(protocol, self.net.service(family, PORT), scheduler);
        self.add(&service, weights);
        service
    }

    /// Adds a service with servers of these weights, `real1` first.
    #[track_caller]
    pub(crate) fn add(&mut self, service: &Service, weights: &[u32]) {
        let order: Vec<usize> = (1..=weights.len()).collect();
        self.add_in_order(service, &order, weights);
    }

    /// Adds a service with servers of these numbers in this order; `weights` are indexed by number.
    #[track_caller]
    pub(crate) fn add_in_order(&mut self, service: &Service, order: &[usize], weights: &[u32]) {
        self.ipvs.add_service(service).unwrap();
        for number in order {
            let server = self
                .server(service, *number)
                .weight(weight(weights[number - 1]));
            self.ipvs.add_server(&service.key, &server).unwrap();
        }
    }

    /// The configuration of a real server in a service as [`Rig::add`] makes it, at weight 1.
    pub(crate) fn server(&self, service: &Service, number: usize) -> Server {
        Server::new(self.key(service, number), self.forward)
    }

    /// The key of a real server in a service.
    pub(crate) fn key(&self, service: &Service, number: usize) -> ServerKey {
        let address = self.net.real(number).address(family(service));
        ServerKey::new(address, PORT)
    }

    /// Changes a server's weight, and nothing else.
    #[track_caller]
    pub(crate) fn weigh(&mut self, service: &Service, number: usize, to: u32) {
        let server = self.look(service, number).server.weight(weight(to));
        self.ipvs.update_server(&service.key, &server).unwrap();
    }

    /// Deletes a server.
    #[track_caller]
    pub(crate) fn remove(&mut self, service: &Service, number: usize) {
        let key = self.key(service, number);
        self.ipvs.delete_server(&service.key, &key).unwrap();
    }

    /// The current state of a server in the kernel.
    #[track_caller]
    pub(crate) fn look(&mut self, service: &Service, number: usize) -> ServerEntry {
        let key = self.key(service, number);
        let entries = self.ipvs.servers(&service.key).unwrap();
        let found = entries.into_iter().find(|entry| entry.server.key == key);
        found.unwrap_or_else(|| panic!("{} has no server {key}", service.key))
    }

    /// Active and inactive connections of a server.
    #[track_caller]
    pub(crate) fn load(&mut self, service: &Service, number: usize) -> (u32, u32) {
        let entry = self.look(service, number);
        (entry.active, entry.inactive)
    }

    /// The director's connection table, including templates.
    pub(crate) fn connections(&self) -> Vec<ipvs::Connection> {
        self.net
            .director
            .enter(|| Connections::open().unwrap().map(Result::unwrap).collect())
    }

    /// Requests of the first client to a service (for a firewall mark, to the first virtual
    /// address).
    pub(crate) fn ask(&self, service: &Service) -> Ask<'_> {
        let (protocol, at) = self.destination(service);
        self.net.client(1).ask(protocol, at)
    }

    /// A connection of the first client that stays open.
    #[track_caller]
    pub(crate) fn connect(&self, service: &Service) -> Connection {
        self.ask(service).connect().unwrap()
    }

    /// Opens this many connections one after the other and returns the server of each; they stay
    /// open.
    #[track_caller]
    pub(crate) fn hold(&self, service: &Service, times: usize) -> (Vec<Connection>, Vec<String>) {
        let mut open = self.ask(service).times(times).connect_all().unwrap();
        let names = open.iter_mut().map(|c| c.ask().unwrap()).collect();
        (open, names)
    }

    /// The number of requests that a real server has answered on a protocol.
    pub(crate) fn answered(&self, protocol: Protocol, number: usize) -> usize {
        let offset = match protocol {
            Protocol::Udp => self.net.reals().len(),
            _ => 0,
        };
        self.servers[offset + number - 1].answers()
    }

    fn destination(&self, service: &Service) -> (Protocol, SocketAddr) {
        match service.key {
            ServiceKey::Address {
                protocol,
                address,
                port,
            } => (lab_protocol(protocol), (address, port).into()),
            ServiceKey::Fwmark { .. } => (Protocol::Tcp, self.net.service(family(service), PORT)),
        }
    }
}

/// A service without servers, its key made from the lab's types.
pub(crate) fn service(protocol: Protocol, at: SocketAddr, scheduler: &str) -> Service {
    let key = match protocol {
        Protocol::Tcp => ServiceKey::tcp(at.ip(), at.port()),
        Protocol::Udp => ServiceKey::udp(at.ip(), at.port()),
        Protocol::Sctp => ServiceKey::sctp(at.ip(), at.port()),
    };
    Service::new(key, name(scheduler))
}

/// A firewall-mark service without servers.
pub(crate) fn marked(family: Family, mark: u32, scheduler: &str) -> Service {
    let family = match family {
        Family::V4 => ipvs::Family::V4,
        Family::V6 => ipvs::Family::V6,
    };
    let mark = Fwmark::new(mark).unwrap();
    Service::new(ServiceKey::fwmark(family, mark), name(scheduler))
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn weight(value: u32) -> Weight {
    Weight::new(value).unwrap()
}

/// The lab's type for the family of a service.
pub(crate) fn family(service: &Service) -> Family {
    match service.key.family() {
        ipvs::Family::V4 => Family::V4,
        ipvs::Family::V6 => Family::V6,
    }
}

fn lab_protocol(protocol: ipvs::Protocol) -> Protocol {
    match protocol {
        ipvs::Protocol::Tcp => Protocol::Tcp,
        ipvs::Protocol::Udp => Protocol::Udp,
        ipvs::Protocol::Sctp => Protocol::Sctp,
    }
}

/// `real1`, `real2`, ...
pub(crate) fn real(number: usize) -> String {
    format!("real{number}")
}

/// The word in [`lab::Answers::sequence`] for a client without a server.
pub(crate) fn refused() -> String {
    Failure::Refused.to_string()
}

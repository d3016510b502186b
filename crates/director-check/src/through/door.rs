//! What is checked through the forwarding path, and what cannot be.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipvs::{Family, ForwardMethod, Server, ServiceKey, Tunnel};

use crate::Target;
use director_config::state::health::Through;

/// A virtual address and port, on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Door {
    /// The virtual address and the port that is asked there.
    pub to: SocketAddr,
    /// The server's own address.
    pub server: IpAddr,
}

/// A check that wants to go through the forwarding path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Where to.
    pub door: Door,
    /// How packets get to the server.
    pub forward: ForwardMethod,
    /// How they are wrapped on their way.
    pub tunnel: Tunnel,
    /// The shortest time from one check to the next, where each leaves a source port unusable
    /// for a while (`TIME_WAIT`); `None` where it does not.
    pub every: Option<Duration>,
}

/// Why a check cannot go through the forwarding path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The answer of a NAT server comes back by way of the director.
    #[error(
        "checks through the forwarding path are for `dr` and `tun`; a NAT server has no virtual address"
    )]
    Method,
    /// IPVS does not forward these.
    #[error("a `{0}` check cannot go through the forwarding path")]
    Kind(&'static str),
    /// A service of a firewall mark has no address.
    #[error("the service has no address: say in the check which `address` the server should have")]
    NoAddress,
    /// The service takes every port.
    #[error("the service has no port: say in the check which `port` to ask")]
    NoPort,
    /// A packet has one mark.
    #[error("a check through the forwarding path has a mark of its own; leave `mark` out")]
    Marked,
    /// All ports of the range are taken at that virtual address.
    #[error(
        "{needed} source ports are needed for it and {free} are free at {to}: widen \
         `check_ports`, or check less often"
    )]
    NoPorts {
        /// The virtual address and port.
        to: SocketAddr,
        /// So many does this check need.
        needed: usize,
        /// So many are left, a block being 64.
        free: usize,
    },
    /// All marks are taken.
    #[error("no firewall mark is left for it: widen `check_marks`")]
    NoMark,
}

impl Door {
    /// The door that a target asks at.
    ///
    /// # Errors
    /// When there is none: no address, no port.
    pub fn of(target: &Target) -> Result<Self, Refused> {
        let at = &target.spec.at;
        let (address, port) = match target.service {
            Some(ServiceKey::Address { address, port, .. }) => (Some(address), port),
            Some(ServiceKey::Fwmark { .. }) | None => (None, 0),
        };
        let address = at.address.or(address).ok_or(Refused::NoAddress)?;
        let port = at.port.unwrap_or(port);
        if port == 0 {
            return Err(Refused::NoPort);
        }
        Ok(Self {
            to: SocketAddr::new(address, port),
            server: target.server.0,
        })
    }

    /// The family of the packets.
    pub(super) fn family(&self) -> Family {
        Family::of(self.to.ip())
    }
}

impl Wish {
    /// What a target with [`CheckAt::through`](director_config::state::health::CheckAt) needs, its server
    /// being configured so.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be.
    pub fn of(target: &Target, server: &Server) -> Result<Self, Refused> {
        let spec = &target.spec;
        if !matches!(
            server.forward,
            ForwardMethod::DirectRoute | ForwardMethod::Tunnel
        ) {
            return Err(Refused::Method);
        }
        if spec.at.mark.is_some() {
            return Err(Refused::Marked);
        }
        let leaves_port = match spec.kind.facts().through {
            Through::Never(_) => return Err(Refused::Kind(spec.kind.name())),
            Through::Connection => true,
            Through::Datagram => false,
            Through::Either { datagram } => !datagram(&spec.kind),
        };
        let pace = &spec.pace;
        let interval = pace.interval.min(pace.fast_interval);
        let shortest = interval * (100 - u32::from(pace.jitter.get())) / 100;
        Ok(Self {
            door: Door::of(target)?,
            forward: server.forward,
            tunnel: server.tunnel,
            every: leaves_port.then_some(shortest),
        })
    }
}

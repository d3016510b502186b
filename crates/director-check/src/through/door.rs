//! What can be checked through the forwarding path, and what cannot.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipvs::{Family, ForwardMethod, Server, ServiceKey, Tunnel};

use crate::Target;
use director_config::state::health::Through;

/// A virtual address and port, on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Door {
    /// The virtual address and the port to check there.
    pub to: SocketAddr,
    /// The server's own address.
    pub server: IpAddr,
}

/// A check to be made through the forwarding path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The door that it uses.
    pub door: Door,
    /// The forwarding method to the server.
    pub forward: ForwardMethod,
    /// The encapsulation on the way.
    pub tunnel: Tunnel,
    /// The shortest time between checks if each leaves a source port unusable for a while
    /// (`TIME_WAIT`); `None` otherwise.
    pub every: Option<Duration>,
}

/// Why a check cannot go through the forwarding path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The reply of a NAT server comes back through the director.
    #[error(
        "checks through the forwarding path are for `dr` and `tun`; a NAT server has no virtual address"
    )]
    Method,
    /// IPVS does not forward this kind.
    #[error("a `{0}` check cannot go through the forwarding path")]
    Kind(&'static str),
    /// A service of a firewall mark has no address.
    #[error("the service has no address: set the virtual `address` in the check")]
    NoAddress,
    /// The service accepts every port.
    #[error("the service has no port: set the `port` in the check")]
    NoPort,
    /// A packet can have only one mark.
    #[error("a check through the forwarding path uses a reserved mark; leave `mark` out")]
    Marked,
    /// All ports of the range are taken at this virtual address.
    #[error(
        "it needs {needed} source ports, but {free} are free at {to}: widen `check_ports`, or \
         check less often"
    )]
    NoPorts {
        /// The virtual address and port.
        to: SocketAddr,
        /// The number of ports that this check needs.
        needed: usize,
        /// The number of free ports, in blocks of 64.
        free: usize,
    },
    /// All marks are taken.
    #[error("no firewall mark is left: widen `check_marks`")]
    NoMark,
}

impl Door {
    /// The door for a target.
    ///
    /// # Errors
    /// If there is none, because of a missing address or port.
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
    /// What a target with [`CheckAt::through`](director_config::state::health::CheckAt) needs,
    /// given its server's configuration.
    ///
    /// # Errors
    /// [`Refused`] if that is impossible.
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

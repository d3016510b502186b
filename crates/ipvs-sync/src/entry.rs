//! An entry of the connection table, as messages carry it.

use std::net::SocketAddr;
use std::ops::{BitOr, BitOrAssign};

/// A connection or a persistence template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The protocol's number: 6 for TCP, 17 for UDP; 0 for a template of a firewall mark.
    pub protocol: u8,
    /// How it is forwarded, and what kind of entry it is.
    pub flags: Flags,
    /// The state of the protocol; see [`tcp`]. UDP and templates have 0.
    pub state: u16,
    /// The client. A template has port 0 and the masked address.
    pub client: SocketAddr,
    /// The virtual address and port. A template of a firewall mark has the mark in the first 32
    /// bits of the address.
    pub virtual_service: SocketAddr,
    /// The real server.
    pub server: SocketAddr,
    /// The mark of the service, 0 if the service has an address.
    pub mark: u32,
    /// Seconds until it expires; 0 for the receiver's own timeout.
    pub timeout: u32,
    /// Corrections of TCP sequence numbers, of a protocol helper such as FTP's.
    pub sequence: Option<Box<Sequence>>,
    /// What a persistence engine found in the packets.
    pub engine: Option<Box<Engine>>,
}

impl Entry {
    /// An entry without flags, state, mark, timeout and options. The kernel ignores the timeouts
    /// and states that it does not know.
    ///
    /// The three addresses have to be of one family for an [`Encoder`](crate::Encoder) to take it.
    #[must_use]
    pub const fn new(
        protocol: u8,
        client: SocketAddr,
        virtual_service: SocketAddr,
        server: SocketAddr,
    ) -> Self {
        Self {
            protocol,
            flags: Flags(0),
            state: 0,
            client,
            virtual_service,
            server,
            mark: 0,
            timeout: 0,
            sequence: None,
            engine: None,
        }
    }

    /// Whether it is a persistence template.
    #[must_use]
    pub const fn is_template(&self) -> bool {
        self.flags.has(Flags::TEMPLATE)
    }
}

/// Corrections of sequence numbers in both directions, as the kernel sends them (option 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sequence(pub [u8; 24]);

/// A persistence engine's finding, such as a SIP call id (options 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    /// The engine's name, 1 to 16 bytes, such as `sip`. The receiver has to have loaded it.
    pub name: Vec<u8>,
    /// Its data, 1 to 255 bytes.
    pub data: Vec<u8>,
}

/// `IP_VS_CONN_F_*` of `linux/ip_vs.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// The bits of the forwarding method.
    pub const FORWARDING: Self = Self(0x7);
    /// NAT.
    pub const MASQUERADE: Self = Self(0);
    /// The server is the director.
    pub const LOCAL: Self = Self(1);
    /// A tunnel.
    pub const TUNNEL: Self = Self(2);
    /// Direct routing.
    pub const DIRECT_ROUTE: Self = Self(3);
    /// Answers do not come through the director: of direct routing and tunnels.
    pub const NO_OUTPUT: Self = Self(0x80);
    /// Counted as inactive.
    pub const INACTIVE: Self = Self(0x100);
    /// The client's port is not known yet: the data connection of FTP.
    pub const NO_CLIENT_PORT: Self = Self(0x800);
    /// A persistence template.
    pub const TEMPLATE: Self = Self(0x1000);

    /// Whether all bits of the other one are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The states of TCP, `IP_VS_TCP_S_*` of the kernel's `net/ip_vs.h`, by the names of the connection
/// table.
pub mod tcp {
    /// An open connection.
    pub const ESTABLISHED: u16 = 1;

    const NAMES: [&str; 11] = [
        "NONE",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "SYNACK",
    ];

    /// The number of a state.
    #[must_use]
    pub fn state(name: &str) -> Option<u16> {
        let found = NAMES.iter().position(|known| *known == name)?;
        u16::try_from(found).ok()
    }

    /// Whether the kernel counts a connection in this state as active: `ESTABLISHED`, `SYN_SENT`,
    /// `SYN_RECV` and `SYNACK`.
    #[must_use]
    pub const fn is_active(state: u16) -> bool {
        matches!(state, 1..=3 | 10)
    }
}

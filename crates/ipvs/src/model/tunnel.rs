//! Encapsulation of packets to tunnelled real servers.

/// The encapsulation of packets to a server, `IPVS_DEST_ATTR_TUN_*`.
///
/// The three values are independent, as in the kernel: it stores what it is given and only checks
/// that GUE has a port (`EINVAL` without).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Tunnel {
    /// The type of encapsulation.
    pub kind: TunnelKind,
    /// The UDP port for GUE packets, 1 to 65535; 0 for other types.
    pub port: u16,
    /// Checksum options of the outer packet, for GUE and GRE.
    pub flags: TunnelFlags,
}

impl Tunnel {
    /// Plain IP in IP, the kernel's default.
    pub const IPIP: Self = Self {
        kind: TunnelKind::Ipip,
        port: 0,
        flags: TunnelFlags::NONE,
    };

    /// Generic UDP encapsulation to that port.
    #[must_use]
    pub const fn gue(port: u16, flags: TunnelFlags) -> Self {
        Self {
            kind: TunnelKind::Gue,
            port,
            flags,
        }
    }

    /// Generic routing encapsulation.
    #[must_use]
    pub const fn gre(flags: TunnelFlags) -> Self {
        Self {
            kind: TunnelKind::Gre,
            port: 0,
            flags,
        }
    }
}

impl Default for Tunnel {
    fn default() -> Self {
        Self::IPIP
    }
}

/// `IP_VS_CONN_F_TUNNEL_TYPE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TunnelKind {
    /// 0: IP in IP, either family in either.
    Ipip,
    /// 1: generic UDP encapsulation (`fou` on the real server).
    Gue,
    /// 2: generic routing encapsulation.
    Gre,
    /// A type unknown to this library.
    Other(u8),
}

impl TunnelKind {
    /// The number of the type.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Ipip => 0,
            Self::Gue => 1,
            Self::Gre => 2,
            Self::Other(number) => number,
        }
    }

    /// The type with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ipip,
            1 => Self::Gue,
            2 => Self::Gre,
            other => Self::Other(other),
        }
    }
}

bitflags::bitflags! {
    /// `IP_VS_TUNNEL_ENCAP_FLAG_*`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
    pub struct TunnelFlags: u16 {
        /// The outer packet carries a checksum.
        const CSUM = 0x1;
        /// GUE: remote checksum offload.
        const REMCSUM = 0x2;
        const _ = !0;
    }
}

impl TunnelFlags {
    /// No checksum on the outer packet (`IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM`, which is zero).
    pub const NONE: Self = Self::empty();
}

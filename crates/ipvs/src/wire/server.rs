//! `IPVS_DEST_ATTR_*`: the nest that describes a real server ("destination" to the kernel).

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, Raw, Unknown, attributes, emit_nest, nest_len};
use super::stats::{self, Nests, Width};
use crate::model::{
    Family, ForwardMethod, Server, ServerEntry, ServerKey, Stats, Tunnel, TunnelFlags, TunnelKind,
    Weight,
};

const ADDR: u16 = 1;
const PORT: u16 = 2;
const FWD_METHOD: u16 = 3;
const WEIGHT: u16 = 4;
const U_THRESH: u16 = 5;
const L_THRESH: u16 = 6;
const ACTIVE_CONNS: u16 = 7;
const INACT_CONNS: u16 = 8;
const PERSIST_CONNS: u16 = 9;
const STATS: u16 = 10;
const ADDR_FAMILY: u16 = 11;
const STATS64: u16 = 12;
const TUN_TYPE: u16 = 13;
const TUN_PORT: u16 = 14;
const TUN_FLAGS: u16 = 15;

const WHAT: &str = "a real server";

/// One attribute of a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerAttr {
    /// `union nf_inet_addr`, 16 bytes for either family.
    Address([u8; 16]),
    Port(u16),
    /// The forwarding method; the kernel decodes it from a whole word of connection flags.
    Forward(u32),
    Weight(u32),
    UpperThreshold(u32),
    LowerThreshold(u32),
    Active(u32),
    Inactive(u32),
    Persistent(u32),
    Family(Family),
    TunnelKind(u8),
    TunnelPort(u16),
    TunnelFlags(u16),
    Stats(Stats),
    Stats64(Stats),
    Other(Unknown),
}

impl ServerAttr {
    fn parse(raw: &Raw<'_>) -> Result<Self, DecodeError> {
        let value = raw.value;
        Ok(match raw.kind {
            ADDR => Self::Address(attribute::address_bytes(value, "the server's address")?),
            PORT => Self::Port(attribute::be16(value, "the server's port")?),
            FWD_METHOD => Self::Forward(attribute::u32(value, "the forwarding method")?),
            WEIGHT => Self::Weight(attribute::u32(value, "the weight")?),
            U_THRESH => Self::UpperThreshold(attribute::u32(value, "the upper threshold")?),
            L_THRESH => Self::LowerThreshold(attribute::u32(value, "the lower threshold")?),
            ACTIVE_CONNS => Self::Active(attribute::u32(value, "the active connections")?),
            INACT_CONNS => Self::Inactive(attribute::u32(value, "the inactive connections")?),
            PERSIST_CONNS => Self::Persistent(attribute::u32(value, "the persistent connections")?),
            ADDR_FAMILY => {
                let what = "the server's address family";
                Self::Family(attribute::family(attribute::u16(value, what)?, what)?)
            }
            TUN_TYPE => Self::TunnelKind(attribute::u8(value, "the tunnel type")?),
            TUN_PORT => Self::TunnelPort(attribute::be16(value, "the tunnel port")?),
            TUN_FLAGS => Self::TunnelFlags(attribute::u16(value, "the tunnel flags")?),
            STATS => Self::Stats(stats::decode(value, Width::Narrow)?),
            STATS64 => Self::Stats64(stats::decode(value, Width::Wide)?),
            _ => Self::Other(raw.unknown()),
        })
    }
}

impl Nla for ServerAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::TunnelKind(_) => 1,
            Self::Port(_) | Self::Family(_) | Self::TunnelPort(_) | Self::TunnelFlags(_) => 2,
            Self::Forward(_)
            | Self::Weight(_)
            | Self::UpperThreshold(_)
            | Self::LowerThreshold(_)
            | Self::Active(_)
            | Self::Inactive(_)
            | Self::Persistent(_) => 4,
            Self::Address(_) => 16,
            Self::Stats(stats) => nest_len(&stats::counters(*stats, Width::Narrow)),
            Self::Stats64(stats) => nest_len(&stats::counters(*stats, Width::Wide)),
            Self::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Address(_) => ADDR,
            Self::Port(_) => PORT,
            Self::Forward(_) => FWD_METHOD,
            Self::Weight(_) => WEIGHT,
            Self::UpperThreshold(_) => U_THRESH,
            Self::LowerThreshold(_) => L_THRESH,
            Self::Active(_) => ACTIVE_CONNS,
            Self::Inactive(_) => INACT_CONNS,
            Self::Persistent(_) => PERSIST_CONNS,
            Self::Family(_) => ADDR_FAMILY,
            Self::TunnelKind(_) => TUN_TYPE,
            Self::TunnelPort(_) => TUN_PORT,
            Self::TunnelFlags(_) => TUN_FLAGS,
            Self::Stats(_) => STATS,
            Self::Stats64(_) => STATS64,
            Self::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Address(bytes) => buffer.copy_from_slice(bytes),
            Self::Port(port) | Self::TunnelPort(port) => {
                buffer.copy_from_slice(&port.to_be_bytes());
            }
            Self::Forward(number)
            | Self::Weight(number)
            | Self::UpperThreshold(number)
            | Self::LowerThreshold(number)
            | Self::Active(number)
            | Self::Inactive(number)
            | Self::Persistent(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
            Self::Family(family) => {
                buffer.copy_from_slice(&attribute::family_number(*family).to_ne_bytes());
            }
            Self::TunnelKind(number) => buffer[0] = *number,
            Self::TunnelFlags(flags) => buffer.copy_from_slice(&flags.to_ne_bytes()),
            Self::Stats(stats) => emit_nest(&stats::counters(*stats, Width::Narrow), buffer),
            Self::Stats64(stats) => emit_nest(&stats::counters(*stats, Width::Wide), buffer),
            Self::Other(other) => other.emit_value(buffer),
        }
    }
}

/// The attributes that identify a server within its service.
pub(super) fn key_attrs(key: &ServerKey) -> Vec<ServerAttr> {
    // Room for a whole server, so that `attrs` does not reallocate.
    let mut attrs = Vec::with_capacity(10);
    attrs.push(ServerAttr::Address(attribute::union(key.address)));
    attrs.push(ServerAttr::Port(key.port));
    attrs.push(ServerAttr::Family(Family::of(key.address)));
    attrs
}

/// The attributes of a whole server.
pub(super) fn attrs(server: &Server) -> Vec<ServerAttr> {
    let mut attrs = key_attrs(&server.key);
    attrs.push(ServerAttr::Forward(server.forward.number()));
    attrs.push(ServerAttr::Weight(server.weight.get()));
    attrs.push(ServerAttr::UpperThreshold(server.upper_threshold));
    attrs.push(ServerAttr::LowerThreshold(server.lower_threshold));
    // Without these the kernel sets plain IPIP (`ip_vs_genl_parse_dest`), so an update from GUE to
    // IPIP needs no attribute.
    if server.tunnel != Tunnel::IPIP {
        attrs.push(ServerAttr::TunnelKind(server.tunnel.kind.number()));
        attrs.push(ServerAttr::TunnelPort(server.tunnel.port));
        attrs.push(ServerAttr::TunnelFlags(server.tunnel.flags.bits()));
    }
    attrs
}

/// Decodes a server from the contents of its nest (`IPVS_CMD_ATTR_DEST`), as `ip_vs_genl_dump_dest`
/// writes it. Kernels before 3.18 do not send the address's family: it is the service's.
///
/// # Errors
/// [`DecodeError`] if the key is incomplete or a value is truncated or impossible.
pub fn decode_server(nest: &[u8], service: Family) -> Result<ServerEntry, DecodeError> {
    let parts = parts(nest, service)?;
    let counts = parts.counts;
    Ok(ServerEntry {
        server: parts.server()?,
        active: counts[0],
        inactive: counts[1],
        persistent: counts[2],
        stats: parts.stats,
    })
}

/// The contents of a server's nest; only the key is mandatory.
pub(super) struct Parts {
    pub(super) key: ServerKey,
    pub(super) forward: Option<u32>,
    pub(super) weight: Option<u32>,
    pub(super) upper: Option<u32>,
    pub(super) lower: Option<u32>,
    pub(super) tunnel: Tunnel,
    counts: [u32; 3],
    stats: Stats,
}

pub(super) fn parts(nest: &[u8], service: Family) -> Result<Parts, DecodeError> {
    let (mut address, mut port, mut family) = (None, None, service);
    let (mut forward, mut weight, mut upper, mut lower) = (None, None, None, None);
    let mut tunnel = Tunnel::IPIP;
    let mut counts = [0; 3];
    let mut counters = Nests::default();
    for raw in attributes(nest, WHAT) {
        let raw = raw?;
        if counters.take(&raw, STATS, STATS64) {
            continue;
        }
        match ServerAttr::parse(&raw)? {
            ServerAttr::Address(value) => address = Some(value),
            ServerAttr::Port(value) => port = Some(value),
            ServerAttr::Forward(value) => forward = Some(value),
            ServerAttr::Weight(value) => weight = Some(value),
            ServerAttr::UpperThreshold(value) => upper = Some(value),
            ServerAttr::LowerThreshold(value) => lower = Some(value),
            ServerAttr::Active(value) => counts[0] = value,
            ServerAttr::Inactive(value) => counts[1] = value,
            ServerAttr::Persistent(value) => counts[2] = value,
            ServerAttr::Family(value) => family = value,
            ServerAttr::TunnelKind(value) => tunnel.kind = TunnelKind::from_number(value),
            ServerAttr::TunnelPort(value) => tunnel.port = value,
            ServerAttr::TunnelFlags(value) => tunnel.flags = TunnelFlags::from_bits_retain(value),
            ServerAttr::Stats(_) | ServerAttr::Stats64(_) | ServerAttr::Other(_) => {}
        }
    }
    let address = address.ok_or(DecodeError::Missing {
        what: "the server's address",
    })?;
    let port = port.ok_or(DecodeError::Missing {
        what: "the server's port",
    })?;
    let key = ServerKey {
        address: attribute::address(address, family),
        port,
    };
    let stats = counters.decode()?;
    Ok(Parts {
        key,
        forward,
        weight,
        upper,
        lower,
        tunnel,
        counts,
        stats,
    })
}

impl Parts {
    fn server(&self) -> Result<Server, DecodeError> {
        let weight = self.weight.unwrap_or(0);
        let weight = Weight::new(weight).ok_or(DecodeError::Value {
            what: "the weight",
            value: weight.into(),
        })?;
        Ok(Server {
            key: self.key,
            forward: ForwardMethod::from_number(self.forward.unwrap_or(0)),
            weight,
            upper_threshold: self.upper.unwrap_or(0),
            lower_threshold: self.lower.unwrap_or(0),
            tunnel: self.tunnel,
        })
    }

    /// The server of a request that describes one in full; `None` if a part is missing
    /// (`ip_vs_genl_parse_dest` with `full_entry`).
    #[cfg(feature = "fake")]
    pub(super) fn full(&self) -> Result<Option<Server>, DecodeError> {
        let complete = self.forward.is_some()
            && self.weight.is_some()
            && self.upper.is_some()
            && self.lower.is_some();
        if complete {
            self.server().map(Some)
        } else {
            Ok(None)
        }
    }
}

/// The attributes of a server in a reply.
#[cfg(feature = "fake")]
pub(crate) fn encode_server_reply(entry: &ServerEntry, out: &mut Vec<u8>) {
    let mut attrs = attrs(&entry.server);
    attrs.push(ServerAttr::Active(entry.active));
    attrs.push(ServerAttr::Inactive(entry.inactive));
    attrs.push(ServerAttr::Persistent(entry.persistent));
    attrs.push(ServerAttr::Stats(entry.stats));
    attrs.push(ServerAttr::Stats64(entry.stats));
    super::command::append(&[super::command::CommandAttr::Server(attrs)], out);
}

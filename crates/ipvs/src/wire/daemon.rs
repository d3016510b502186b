//! `IPVS_DAEMON_ATTR_*`: the nest that describes a sync daemon.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, Raw, Unknown, attributes};
use crate::model::{DaemonRole, Name, SyncDaemon, SyncId};

const STATE: u16 = 1;
const MCAST_IFN: u16 = 2;
const SYNC_ID: u16 = 3;
const SYNC_MAXLEN: u16 = 4;
const MCAST_GROUP: u16 = 5;
const MCAST_GROUP6: u16 = 6;
const MCAST_PORT: u16 = 7;
const MCAST_TTL: u16 = 8;

const WHAT: &str = "a sync daemon";

/// One attribute of a sync daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DaemonAttr {
    State(u32),
    Interface(Option<Name>),
    SyncId(u32),
    MaxLength(u16),
    Group(Ipv4Addr),
    Group6(Ipv6Addr),
    /// In host order, unlike the ports of services and servers.
    Port(u16),
    Ttl(u8),
    Other(Unknown),
}

impl DaemonAttr {
    fn parse(raw: &Raw<'_>) -> Result<Self, DecodeError> {
        let value = raw.value;
        Ok(match raw.kind {
            STATE => Self::State(attribute::u32(value, "the daemon's role")?),
            MCAST_IFN => Self::Interface(attribute::name(value, "the multicast interface")?),
            SYNC_ID => Self::SyncId(attribute::u32(value, "the sync id")?),
            SYNC_MAXLEN => Self::MaxLength(attribute::u16(value, "the sync message length")?),
            MCAST_GROUP => Self::Group(attribute::ipv4(value, "the IPv4 multicast group")?),
            MCAST_GROUP6 => Self::Group6(attribute::ipv6(value, "the IPv6 multicast group")?),
            MCAST_PORT => Self::Port(attribute::u16(value, "the multicast port")?),
            MCAST_TTL => Self::Ttl(attribute::u8(value, "the multicast TTL")?),
            _ => Self::Other(raw.unknown()),
        })
    }
}

impl Nla for DaemonAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::State(_) | Self::SyncId(_) | Self::Group(_) => 4,
            Self::Interface(name) => name.as_ref().map_or(1, attribute::name_len),
            Self::MaxLength(_) | Self::Port(_) => 2,
            Self::Group6(_) => 16,
            Self::Ttl(_) => 1,
            Self::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::State(_) => STATE,
            Self::Interface(_) => MCAST_IFN,
            Self::SyncId(_) => SYNC_ID,
            Self::MaxLength(_) => SYNC_MAXLEN,
            Self::Group(_) => MCAST_GROUP,
            Self::Group6(_) => MCAST_GROUP6,
            Self::Port(_) => MCAST_PORT,
            Self::Ttl(_) => MCAST_TTL,
            Self::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::State(number) | Self::SyncId(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Interface(name) => match name {
                Some(name) => attribute::emit_name(name, buffer),
                None => buffer[0] = 0,
            },
            Self::MaxLength(number) | Self::Port(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Group(group) => buffer.copy_from_slice(&group.octets()),
            Self::Group6(group) => buffer.copy_from_slice(&group.octets()),
            Self::Ttl(ttl) => buffer[0] = *ttl,
            Self::Other(other) => other.emit_value(buffer),
        }
    }
}

/// The attributes that start a daemon. Defaults are left out, so that kernels before 4.3, which
/// know only the first three attributes, start it too.
pub(super) fn attrs(daemon: &SyncDaemon) -> Vec<DaemonAttr> {
    let mut attrs = vec![
        DaemonAttr::State(daemon.role.number()),
        DaemonAttr::Interface(Some(daemon.interface)),
        DaemonAttr::SyncId(daemon.sync_id.0.into()),
    ];
    if daemon.max_length != 0 {
        attrs.push(DaemonAttr::MaxLength(daemon.max_length));
    }
    match daemon.group {
        Some(IpAddr::V4(group)) => attrs.push(DaemonAttr::Group(group)),
        Some(IpAddr::V6(group)) => attrs.push(DaemonAttr::Group6(group)),
        None => {}
    }
    if daemon.port != 0 {
        attrs.push(DaemonAttr::Port(daemon.port));
    }
    if daemon.ttl != 0 {
        attrs.push(DaemonAttr::Ttl(daemon.ttl));
    }
    attrs
}

/// The attribute that stops a daemon (the only one that `ip_vs_genl_del_daemon` reads).
pub(super) fn stop_attrs(role: DaemonRole) -> Vec<DaemonAttr> {
    vec![DaemonAttr::State(role.number())]
}

/// The contents of a daemon's nest; only the role is mandatory.
pub(super) struct Parts {
    pub(super) role: DaemonRole,
    pub(super) interface: Option<Name>,
    pub(super) sync_id: Option<u32>,
    max_length: u16,
    group: Option<IpAddr>,
    port: u16,
    ttl: u8,
}

pub(super) fn parts(nest: &[u8]) -> Result<Parts, DecodeError> {
    let (mut state, mut interface, mut sync_id, mut group) = (None, None, None, None);
    let (mut max_length, mut port, mut ttl) = (0, 0, 0);
    for raw in attributes(nest, WHAT) {
        match DaemonAttr::parse(&raw?)? {
            DaemonAttr::State(value) => state = Some(value),
            DaemonAttr::Interface(value) => interface = value,
            DaemonAttr::SyncId(value) => sync_id = Some(value),
            DaemonAttr::MaxLength(value) => max_length = value,
            DaemonAttr::Group(value) => group = Some(IpAddr::V4(value)),
            DaemonAttr::Group6(value) => group = Some(IpAddr::V6(value)),
            DaemonAttr::Port(value) => port = value,
            DaemonAttr::Ttl(value) => ttl = value,
            DaemonAttr::Other(_) => {}
        }
    }
    let what = "the daemon's role";
    let state = state.ok_or(DecodeError::Missing { what })?;
    let role = DaemonRole::from_number(state).ok_or(DecodeError::Value {
        what,
        value: state.into(),
    })?;
    Ok(Parts {
        role,
        interface,
        sync_id,
        max_length,
        group,
        port,
        ttl,
    })
}

impl Parts {
    pub(super) fn daemon(&self) -> Result<SyncDaemon, DecodeError> {
        let interface = self.interface.ok_or(DecodeError::Missing {
            what: "the multicast interface",
        })?;
        let what = "the sync id";
        let sync_id = self.sync_id.ok_or(DecodeError::Missing { what })?;
        let sync_id = u8::try_from(sync_id).map_err(|_| DecodeError::Value {
            what,
            value: sync_id.into(),
        })?;
        Ok(SyncDaemon {
            role: self.role,
            interface,
            sync_id: SyncId(sync_id),
            max_length: self.max_length,
            group: self.group,
            port: self.port,
            ttl: self.ttl,
        })
    }
}

/// Decodes a running daemon from the contents of its nest (`IPVS_CMD_ATTR_DAEMON`), as
/// `ip_vs_genl_fill_daemon` writes it.
///
/// # Errors
/// [`DecodeError`] if the role, the interface or the sync id is missing, or a value is truncated or
/// impossible.
pub fn decode_daemon(nest: &[u8]) -> Result<SyncDaemon, DecodeError> {
    parts(nest)?.daemon()
}

/// The attributes of a daemon in a reply.
#[cfg(feature = "fake")]
pub(crate) fn encode_daemon_reply(daemon: &SyncDaemon, out: &mut Vec<u8>) {
    super::command::append(&[super::command::CommandAttr::Daemon(attrs(daemon))], out);
}

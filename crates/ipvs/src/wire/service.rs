//! `IPVS_SVC_ATTR_*`: the nest that describes a virtual service.

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, Raw, Unknown, attributes, emit_nest, nest_len};
use super::stats::{self, Nests, Width};
use crate::model::{
    Family, Fwmark, Name, Netmask, Protocol, Service, ServiceEntry, ServiceFlags, ServiceKey, Stats,
};

const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

const WHAT: &str = "a service";

/// One attribute of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServiceAttr {
    Family(Family),
    Protocol(u16),
    /// `union nf_inet_addr`, 16 bytes for either family.
    Address([u8; 16]),
    Port(u16),
    Fwmark(u32),
    Scheduler(Option<Name>),
    Flags {
        flags: u32,
        mask: u32,
    },
    Timeout(u32),
    /// A mask in network order, or an IPv6 prefix length in host order.
    Netmask([u8; 4]),
    Engine(Option<Name>),
    Stats(Stats),
    Stats64(Stats),
    Other(Unknown),
}

impl ServiceAttr {
    fn parse(raw: &Raw<'_>) -> Result<Self, DecodeError> {
        let value = raw.value;
        Ok(match raw.kind {
            AF => {
                let what = "the service's address family";
                Self::Family(attribute::family(attribute::u16(value, what)?, what)?)
            }
            PROTOCOL => Self::Protocol(attribute::u16(value, "the service's protocol")?),
            ADDR => Self::Address(attribute::address_bytes(value, "the service's address")?),
            PORT => Self::Port(attribute::be16(value, "the service's port")?),
            FWMARK => Self::Fwmark(attribute::u32(value, "the service's firewall mark")?),
            SCHED_NAME => Self::Scheduler(attribute::name(value, "the scheduler's name")?),
            FLAGS => {
                let what = "the service's flags";
                let flags = attribute::u32(value, what)?;
                // struct ip_vs_flags has a mask behind the flags; a reply's mask has no meaning.
                let mask = value
                    .get(4..8)
                    .map_or(Ok(!0), |rest| attribute::u32(rest, what))?;
                Self::Flags { flags, mask }
            }
            TIMEOUT => Self::Timeout(attribute::u32(value, "the persistence time")?),
            NETMASK => Self::Netmask(attribute::bytes4(value, "the persistence mask")?),
            PE_NAME => Self::Engine(attribute::name(value, "the persistence engine's name")?),
            STATS => Self::Stats(stats::decode(value, Width::Narrow)?),
            STATS64 => Self::Stats64(stats::decode(value, Width::Wide)?),
            _ => Self::Other(raw.unknown()),
        })
    }
}

impl Nla for ServiceAttr {
    fn value_len(&self) -> usize {
        match self {
            Self::Family(_) | Self::Protocol(_) | Self::Port(_) => 2,
            Self::Address(_) => 16,
            Self::Fwmark(_) | Self::Timeout(_) | Self::Netmask(_) => 4,
            Self::Flags { .. } => 8,
            Self::Scheduler(name) | Self::Engine(name) => {
                name.as_ref().map_or(1, attribute::name_len)
            }
            Self::Stats(stats) => nest_len(&stats::counters(*stats, Width::Narrow)),
            Self::Stats64(stats) => nest_len(&stats::counters(*stats, Width::Wide)),
            Self::Other(other) => other.value_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Family(_) => AF,
            Self::Protocol(_) => PROTOCOL,
            Self::Address(_) => ADDR,
            Self::Port(_) => PORT,
            Self::Fwmark(_) => FWMARK,
            Self::Scheduler(_) => SCHED_NAME,
            Self::Flags { .. } => FLAGS,
            Self::Timeout(_) => TIMEOUT,
            Self::Netmask(_) => NETMASK,
            Self::Engine(_) => PE_NAME,
            Self::Stats(_) => STATS,
            Self::Stats64(_) => STATS64,
            Self::Other(other) => other.kind(),
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Family(family) => {
                buffer.copy_from_slice(&attribute::family_number(*family).to_ne_bytes());
            }
            Self::Protocol(number) => buffer.copy_from_slice(&number.to_ne_bytes()),
            Self::Address(bytes) => buffer.copy_from_slice(bytes),
            Self::Port(port) => buffer.copy_from_slice(&port.to_be_bytes()),
            Self::Fwmark(number) | Self::Timeout(number) => {
                buffer.copy_from_slice(&number.to_ne_bytes());
            }
            Self::Netmask(bytes) => buffer.copy_from_slice(bytes),
            Self::Flags { flags, mask } => {
                buffer[..4].copy_from_slice(&flags.to_ne_bytes());
                buffer[4..8].copy_from_slice(&mask.to_ne_bytes());
            }
            Self::Scheduler(name) | Self::Engine(name) => match name {
                Some(name) => attribute::emit_name(name, buffer),
                None => buffer[0] = 0,
            },
            Self::Stats(stats) => emit_nest(&stats::counters(*stats, Width::Narrow), buffer),
            Self::Stats64(stats) => emit_nest(&stats::counters(*stats, Width::Wide), buffer),
            Self::Other(other) => other.emit_value(buffer),
        }
    }
}

/// The attributes that identify a service (`ip_vs_genl_parse_service` needs no more).
pub(super) fn key_attrs(key: &ServiceKey) -> Vec<ServiceAttr> {
    // Room for a whole service, so that `attrs` does not reallocate.
    let mut attrs = Vec::with_capacity(9);
    attrs.push(ServiceAttr::Family(key.family()));
    match key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            attrs.push(ServiceAttr::Protocol(protocol.number()));
            attrs.push(ServiceAttr::Address(attribute::union(*address)));
            attrs.push(ServiceAttr::Port(*port));
        }
        ServiceKey::Fwmark { mark, .. } => attrs.push(ServiceAttr::Fwmark(mark.get())),
    }
    attrs
}

/// The attributes of a whole service.
pub(super) fn attrs(service: &Service) -> Vec<ServiceAttr> {
    let mut attrs = key_attrs(&service.key);
    attrs.push(ServiceAttr::Scheduler(Some(service.scheduler)));
    if service.engine.is_some() {
        attrs.push(ServiceAttr::Engine(service.engine));
    }
    attrs.push(ServiceAttr::Flags {
        flags: service.flags.bits() & !ServiceFlags::HASHED,
        mask: !ServiceFlags::HASHED,
    });
    attrs.push(ServiceAttr::Timeout(service.timeout));
    attrs.push(ServiceAttr::Netmask(match service.netmask {
        Netmask::V4(mask) => mask.octets(),
        Netmask::V6(prefix) => prefix.to_ne_bytes(),
    }));
    attrs
}

/// The contents of a service's nest; only the key is mandatory.
pub(super) struct Parts {
    pub(super) key: ServiceKey,
    pub(super) scheduler: Option<Name>,
    pub(super) flags: Option<(u32, u32)>,
    pub(super) timeout: Option<u32>,
    pub(super) netmask: Option<Netmask>,
    pub(super) engine: Option<Name>,
    pub(super) stats: Stats,
}

pub(super) fn parts(nest: &[u8]) -> Result<Parts, DecodeError> {
    let (mut family, mut protocol, mut address, mut port, mut fwmark) =
        (None, None, None, None, None);
    let (mut scheduler, mut flags, mut timeout, mut netmask, mut engine) =
        (None, None, None, None, None);
    let mut counters = Nests::default();
    for raw in attributes(nest, WHAT) {
        let raw = raw?;
        if counters.take(&raw, STATS, STATS64) {
            continue;
        }
        match ServiceAttr::parse(&raw)? {
            ServiceAttr::Family(value) => family = Some(value),
            ServiceAttr::Protocol(value) => protocol = Some(value),
            ServiceAttr::Address(value) => address = Some(value),
            ServiceAttr::Port(value) => port = Some(value),
            ServiceAttr::Fwmark(value) => fwmark = Fwmark::new(value),
            ServiceAttr::Scheduler(value) => scheduler = value,
            ServiceAttr::Flags { flags: value, mask } => flags = Some((value, mask)),
            ServiceAttr::Timeout(value) => timeout = Some(value),
            ServiceAttr::Netmask(value) => netmask = Some(value),
            ServiceAttr::Engine(value) => engine = value,
            ServiceAttr::Stats(_) | ServiceAttr::Stats64(_) | ServiceAttr::Other(_) => {}
        }
    }
    let missing = |what| DecodeError::Missing { what };
    let family = family.ok_or(missing("the service's address family"))?;
    let key = match fwmark {
        Some(mark) => ServiceKey::Fwmark { family, mark },
        None => {
            let number = protocol.ok_or(missing("the service's protocol"))?;
            let protocol = Protocol::from_number(number).ok_or(DecodeError::Value {
                what: "the service's protocol",
                value: number.into(),
            })?;
            let bytes = address.ok_or(missing("the service's address"))?;
            let port = port.ok_or(missing("the service's port"))?;
            ServiceKey::Address {
                protocol,
                address: attribute::address(bytes, family),
                port,
            }
        }
    };
    let netmask = netmask.map(|bytes| match family {
        Family::V4 => Netmask::V4(bytes.into()),
        Family::V6 => Netmask::V6(u32::from_ne_bytes(bytes)),
    });
    let stats = counters.decode()?;
    Ok(Parts {
        key,
        scheduler,
        flags,
        timeout,
        netmask,
        engine,
        stats,
    })
}

/// Decodes a service from the contents of its nest (`IPVS_CMD_ATTR_SERVICE`), as
/// `ip_vs_genl_fill_service` writes it.
///
/// Values that an old kernel does not send get neutral defaults: no scheduler, no flags, no
/// persistence.
///
/// # Errors
/// [`DecodeError`] if the key is incomplete or a value is truncated or impossible.
pub fn decode_service(nest: &[u8]) -> Result<ServiceEntry, DecodeError> {
    let parts = parts(nest)?;
    Ok(ServiceEntry {
        service: parts.service(),
        stats: parts.stats,
    })
}

impl Parts {
    fn service(&self) -> Service {
        Service {
            key: self.key,
            scheduler: self.scheduler.unwrap_or(Service::NO_SCHEDULER),
            flags: ServiceFlags::from_kernel(self.flags.map_or(0, |(flags, _)| flags)),
            timeout: self.timeout.unwrap_or(0),
            netmask: self.netmask.unwrap_or(Netmask::host(self.key.family())),
            engine: self.engine,
        }
    }

    /// The service of a request that describes one in full; `None` if a part is missing
    /// (`ip_vs_genl_parse_service` with `full_entry`).
    #[cfg(feature = "fake")]
    pub(super) fn full(&self) -> Option<Service> {
        self.scheduler?;
        self.flags?;
        self.timeout?;
        self.netmask?;
        Some(self.service())
    }
}

/// The attributes of a service in a reply.
#[cfg(feature = "fake")]
pub(crate) fn encode_service_reply(entry: &ServiceEntry, out: &mut Vec<u8>) {
    let mut attrs = attrs(&entry.service);
    attrs.push(ServiceAttr::Stats(entry.stats));
    attrs.push(ServiceAttr::Stats64(entry.stats));
    super::command::append(&[super::command::CommandAttr::Service(attrs)], out);
}

//! The first stage: applies the options from left to right.
//!
//! The order matters. `-6` turns an earlier mark into an IPv6 one and resets the mask; `-r` takes
//! over the port of an earlier service; an IPv6 address resets an earlier mask.

use std::net::{IpAddr, Ipv4Addr};

use ipvs::{
    DaemonRole, Family, ForwardMethod, Fwmark, Name, Netmask, Protocol, ServerKey, ServiceKey,
    SyncId, Timeouts, TunnelKind, Weight,
};

use super::address;
use super::matrix::{Slot, Slots, Verb};
use super::options::Opt;
use super::values;
use crate::errors::Stop;
use crate::names::Names;

/// The options so far.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) verb: Verb,
    pub(super) given: Slots,
    /// The protocol of `-t`, `-u`, `--sctp-service`; TCP for `-f`; none before any of them.
    protocol: Option<Protocol>,
    family: Family,
    address: IpAddr,
    pub(super) port: u16,
    pub(super) mark: Option<Fwmark>,
    pub(super) netmask: Netmask,
    pub(super) scheduler: Option<Name>,
    pub(super) persistent: Option<u32>,
    pub(super) engine: Option<Name>,
    pub(super) one_packet: bool,
    pub(super) sched_flags: Vec<u8>,
    pub(super) server: ServerKey,
    pub(super) forward: ForwardMethod,
    pub(super) weight: Weight,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) tunnel_kind: TunnelKind,
    pub(super) tunnel_port: u16,
    pub(super) role: DaemonRole,
    pub(super) sync_id: SyncId,
    pub(super) sync_maxlen: u16,
    pub(super) mcast_interface: Option<Name>,
    pub(super) mcast_group: Option<IpAddr>,
    pub(super) mcast_port: u16,
    pub(super) mcast_ttl: u8,
    pub(super) timeouts: Timeouts,
}

/// The maximum of persistence and connection timeouts, in seconds: 31 days.
const MAX_TIMEOUT: i64 = 31 * 24 * 60 * 60;
/// The persistence timeout of `-p` without a value, in seconds (the manual page says 300).
const PERSISTENT_TIMEOUT: u32 = 360;
/// The length of `-b` that is examined, in bytes.
const MAX_SCHED_FLAGS: usize = 127;
/// The kernel's buffers for names of schedulers and interfaces hold 15 bytes and the NUL.
const MAX_NAME: usize = 15;

/// The command of an option; `None` if the option is no command.
pub(super) const fn verb(option: Opt) -> Option<Verb> {
    Some(match option {
        Opt::AddService => Verb::AddService,
        Opt::EditService => Verb::EditService,
        Opt::DeleteService => Verb::DeleteService,
        Opt::Clear => Verb::Flush,
        Opt::Restore => Verb::Restore,
        Opt::Save => Verb::Save,
        Opt::AddServer => Verb::AddServer,
        Opt::EditServer => Verb::EditServer,
        Opt::DeleteServer => Verb::DeleteServer,
        Opt::List => Verb::List,
        Opt::Zero => Verb::Zero,
        Opt::Set => Verb::Set,
        Opt::StartDaemon => Verb::StartDaemon,
        Opt::StopDaemon => Verb::StopDaemon,
        _ => return None,
    })
}

impl Typed {
    pub(super) fn new(verb: Verb) -> Self {
        let unspecified = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            verb,
            given: Slots::default(),
            protocol: None,
            family: Family::V4,
            address: unspecified,
            port: 0,
            mark: None,
            netmask: Netmask::host(Family::V4),
            scheduler: None,
            persistent: None,
            engine: None,
            one_packet: false,
            sched_flags: Vec::new(),
            server: ServerKey::new(unspecified, 0),
            forward: ForwardMethod::DirectRoute,
            weight: Weight::ONE,
            upper_threshold: 0,
            lower_threshold: 0,
            tunnel_kind: TunnelKind::Ipip,
            tunnel_port: 0,
            role: DaemonRole::Master,
            sync_id: SyncId(0),
            sync_maxlen: 0,
            mcast_interface: None,
            mcast_group: None,
            mcast_port: 0,
            mcast_ttl: 0,
            timeouts: Timeouts::default(),
        }
    }

    /// Applies the value of the command itself: the role of a daemon.
    pub(super) fn command_value(&mut self, value: &[u8]) -> Result<(), Stop> {
        let wrong = match self.verb {
            Verb::StartDaemon => "illegal start-daemon parameter specified",
            Verb::StopDaemon => "illegal start_daemon specified",
            _ => return Ok(()),
        };
        self.role = match value {
            b"master" => DaemonRole::Master,
            b"backup" => DaemonRole::Backup,
            _ => return Err(Stop::usage(wrong)),
        };
        Ok(())
    }

    /// Applies the next option; `word` is the last one read, for messages.
    pub(super) fn apply(
        &mut self,
        option: Opt,
        value: Option<&[u8]>,
        word: &[u8],
        names: &mut dyn Names,
    ) -> Result<(), Stop> {
        if verb(option).is_some() || matches!(option, Opt::Help | Opt::Version) {
            return Err(Stop::quoting("invalid option `", word, "'"));
        }
        if let Some(slot) = slot(option) {
            self.given.insert(slot)?;
        }
        let text = value.unwrap_or_default();
        match option {
            Opt::Tcp => self.service(Protocol::Tcp, text, names)?,
            Opt::Udp => self.service(Protocol::Udp, text, names)?,
            Opt::Sctp => self.service(Protocol::Sctp, text, names)?,
            Opt::Fwmark => self.fwmark(text)?,
            Opt::Ipv6 => {
                if self.mark.is_none() {
                    // The empty line is 1.31's.
                    return Err(Stop::usage("-6 used before -f\n"));
                }
                self.family = Family::V6;
                self.netmask = Netmask::host(Family::V6);
            }
            Opt::Scheduler => self.scheduler = name(text, MAX_NAME),
            Opt::Persistent => {
                self.persistent = Some(match value {
                    Some(text) => timeout(text, 1)?,
                    None => PERSISTENT_TIMEOUT,
                });
            }
            Opt::Netmask => self.netmask(text, names)?,
            Opt::Engine => self.engine = name(text, Name::MAX),
            Opt::OnePacket => self.one_packet = true,
            Opt::SchedFlags => {
                self.sched_flags = text[..text.len().min(MAX_SCHED_FLAGS)].to_vec();
            }
            Opt::RealServer => self.real_server(text, names)?,
            Opt::Gatewaying => self.forward = ForwardMethod::DirectRoute,
            Opt::Ipip => self.forward = ForwardMethod::Tunnel,
            Opt::Masquerading => self.forward = ForwardMethod::Masquerade,
            Opt::Weight => {
                let weight = number(text, 0, i32::MAX.into(), "weight")?;
                self.weight = Weight::new(weight).unwrap_or(Weight::MAX);
            }
            Opt::UpperThreshold => {
                self.upper_threshold = number(text, 0, i32::MAX.into(), "u_threshold")?;
            }
            Opt::LowerThreshold => {
                self.lower_threshold = number(text, 0, i32::MAX.into(), "l_threshold")?;
            }
            Opt::TunType => {
                self.tunnel_kind = match text {
                    b"ipip" => TunnelKind::Ipip,
                    b"gue" => TunnelKind::Gue,
                    b"gre" => TunnelKind::Gre,
                    _ => return Err(Stop::usage("illegal tunnel type specified")),
                };
            }
            Opt::TunPort => self.tunnel_port = number(text, 1, 65535, "tunnel port")?,
            Opt::SyncId => self.sync_id = SyncId(number(text, 0, 255, "syncid")?),
            Opt::SyncMaxlen => self.sync_maxlen = number(text, 1, 65507, "sync-maxlen")?,
            Opt::McastInterface => self.mcast_interface = name(text, MAX_NAME),
            Opt::McastGroup => {
                let group = address::multicast_group(text).map_err(|family| {
                    Stop::quoting(&format!("invalid {family} mcast-group `"), text, "'")
                })?;
                self.mcast_group = Some(group);
            }
            Opt::McastPort => self.mcast_port = number(text, 1, 65535, "mcast-port")?,
            Opt::McastTtl => self.mcast_ttl = number(text, 1, 255, "mcast-ttl")?,
            // The other options only need their slot.
            _ => {}
        }
        Ok(())
    }

    fn service(
        &mut self,
        protocol: Protocol,
        text: &[u8],
        names: &mut dyn Names,
    ) -> Result<(), Stop> {
        let illegal = || Stop::usage("illegal virtual server address[:port] specified");
        let found = address::host_port(text, Some(protocol), names).ok_or_else(illegal)?;
        self.protocol = Some(protocol);
        self.address = found.address;
        self.family = Family::of(found.address);
        self.port = found.port.unwrap_or(0);
        if self.family == Family::V6 {
            self.netmask = Netmask::host(Family::V6);
        }
        Ok(())
    }

    fn fwmark(&mut self, text: &[u8]) -> Result<(), Stop> {
        let mark = values::number(text, 1, u32::MAX.into()).and_then(Fwmark::new);
        if mark.is_none() {
            return Err(Stop::quoting("invalid fwmark value `", text, "' specified"));
        }
        self.mark = mark;
        // A mark has no protocol, but port names of its servers are looked up as TCP.
        self.protocol = Some(Protocol::Tcp);
        self.family = Family::V4;
        Ok(())
    }

    fn netmask(&mut self, text: &[u8], names: &mut dyn Names) -> Result<(), Stop> {
        self.netmask = match self.family {
            Family::V4 => {
                let mask = address::ipv4_or_name(text, names);
                let illegal = || Stop::usage("illegal virtual server persistent mask specified");
                Netmask::V4(mask.ok_or_else(illegal)?)
            }
            Family::V6 => match u32::try_from(values::atoi(text)) {
                Ok(prefix @ 1..=128) => Netmask::V6(prefix),
                _ => return Err(Stop::usage("illegal ipv6 netmask specified")),
            },
        };
        Ok(())
    }

    fn real_server(&mut self, text: &[u8], names: &mut dyn Names) -> Result<(), Stop> {
        let illegal = || Stop::usage("illegal real server address[:port] specified");
        let found = address::host_port(text, self.protocol, names).ok_or_else(illegal)?;
        self.server = ServerKey::new(found.address, found.port.unwrap_or(self.port));
        Ok(())
    }

    /// Applies the words that are left after all options.
    pub(super) fn operands(&mut self, operands: &[&[u8]]) -> Result<(), Stop> {
        let rest = if self.verb == Verb::Set {
            let [tcp, tcp_fin, udp, rest @ ..] = operands else {
                return Err(Stop::usage("--set option requires 3 timeout values"));
            };
            self.timeouts = Timeouts {
                tcp: timeout(tcp, 0)?,
                tcp_fin: timeout(tcp_fin, 0)?,
                udp: timeout(udp, 0)?,
            };
            rest
        } else {
            operands
        };
        match rest.first() {
            Some(operand) => Err(Stop::quoting("unexpected argument ", operand, "")),
            None => Ok(()),
        }
    }

    /// The service given by `-t`, `-u`, `--sctp-service` or `-f`.
    pub(super) fn service_key(&self) -> ServiceKey {
        match self.mark {
            Some(mark) => ServiceKey::fwmark(self.family, mark),
            None => ServiceKey::Address {
                protocol: self.protocol.unwrap_or(Protocol::Tcp),
                address: self.address,
                port: self.port,
            },
        }
    }
}

/// The slot of an option; `-6` and `--sort` can be repeated.
const fn slot(option: Opt) -> Option<Slot> {
    Some(match option {
        Opt::Tcp | Opt::Udp | Opt::Sctp | Opt::Fwmark => Slot::Service,
        Opt::Scheduler => Slot::Scheduler,
        Opt::Persistent => Slot::Persistent,
        Opt::Netmask => Slot::Netmask,
        Opt::Engine => Slot::Engine,
        Opt::OnePacket => Slot::OnePacket,
        Opt::SchedFlags => Slot::SchedFlags,
        Opt::RealServer => Slot::Server,
        Opt::Gatewaying | Opt::Ipip | Opt::Masquerading => Slot::Forward,
        Opt::Weight => Slot::Weight,
        Opt::UpperThreshold => Slot::UpperThreshold,
        Opt::LowerThreshold => Slot::LowerThreshold,
        Opt::TunType => Slot::TunType,
        Opt::TunPort => Slot::TunPort,
        Opt::TunNocsum => Slot::TunNocsum,
        Opt::TunCsum => Slot::TunCsum,
        Opt::TunRemcsum => Slot::TunRemcsum,
        Opt::Numeric => Slot::Numeric,
        Opt::Connection => Slot::Connection,
        Opt::Timeout => Slot::Timeout,
        Opt::Daemon => Slot::Daemon,
        Opt::Stats => Slot::Stats,
        Opt::Rate => Slot::Rate,
        Opt::Thresholds => Slot::Thresholds,
        Opt::PersistentConn => Slot::PersistentConn,
        Opt::TunInfo => Slot::TunInfo,
        Opt::Nosort => Slot::Nosort,
        Opt::Exact => Slot::Exact,
        Opt::SyncId => Slot::SyncId,
        Opt::SyncMaxlen => Slot::SyncMaxlen,
        Opt::McastInterface => Slot::McastInterface,
        Opt::McastGroup => Slot::McastGroup,
        Opt::McastPort => Slot::McastPort,
        Opt::McastTtl => Slot::McastTtl,
        _ => return None,
    })
}

/// A name truncated to the length that the kernel stores; `None` for the empty name, which means
/// the default.
fn name(text: &[u8], longest: usize) -> Option<Name> {
    Name::new(&text[..text.len().min(longest)]).ok()
}

fn number<N: TryFrom<i64>>(text: &[u8], least: i64, most: i64, what: &str) -> Result<N, Stop> {
    values::number(text, least, most)
        .ok_or_else(|| Stop::usage(format!("illegal {what} specified")))
}

fn timeout(text: &[u8], least: i64) -> Result<u32, Stop> {
    values::number(text, least, MAX_TIMEOUT)
        .ok_or_else(|| Stop::quoting("invalid timeout value `", text, "' specified"))
}

//! The decoded declarations: with defaults applied, but not yet pools and ranges.
//!
//! ```text
//! tree ── decode ──► Declaration ── resolve, verify ──► Desired
//! ```

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ipvs::{
    Family, ForwardMethod, Fwmark, Name, Protocol, ServiceFlags, SyncDaemon, Tunnel, TunnelFlags,
    TunnelKind, Weight,
};

use super::allowance::Allowed;
use super::keys::Shape;
use super::kinds::Kind;
use super::source::{Span, Spanned};
use super::tree::{Entry, Node, Value};
use crate::state::discovery::Discovery;
use crate::state::failover::{Announced, Failover, Held, Peer};
use crate::state::health::{
    CheckSpec, Combine, Damping, Initial, Notify, OnFail, RunSettings, Threshold, WeightSteps,
};
use crate::state::{KernelSettings, MachineCodes, Policy, Sysctl};

/// The declarations of all files, except for services: each of those is built once it is decoded,
/// and not kept.
#[derive(Debug, Default)]
pub(super) struct Declaration {
    pub(super) pools: Pools,
    pub(super) kernel: KernelSettings,
    /// The sysctls that are set, correctly or not.
    pub(super) sysctls_named: Vec<Sysctl>,
    pub(super) policy: Policy,
    pub(super) daemons: Option<Vec<Spanned<SyncDaemon>>>,
    /// Where the connections are relayed to peers.
    pub(super) relay: Option<Span>,
    pub(super) run: RunSettings,
    /// The last to be decoded: all files may have a part of it.
    pub(super) addresses: AddressDecls,
    /// Where the marks of checks are set.
    pub(super) marks: Option<Span>,
}

/// The pools by name and in file order.
#[derive(Debug, Default)]
pub(super) struct Pools {
    list: Vec<PoolDecl>,
    by_name: HashMap<String, usize>,
}

impl Pools {
    /// Adds a pool with a new name.
    pub(super) fn push(&mut self, pool: PoolDecl) {
        self.by_name
            .insert(pool.name.value.clone(), self.list.len());
        self.list.push(pool);
    }

    /// The pool with this name, and its number.
    pub(super) fn get(&self, name: &str) -> Option<(usize, &PoolDecl)> {
        let index = *self.by_name.get(name)?;
        Some((index, &self.list[index]))
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, PoolDecl> {
        self.list.iter()
    }
}

#[derive(Debug)]
pub(super) struct PoolDecl {
    pub(super) name: Spanned<String>,
    pub(super) servers: ServerList,
    /// Backup servers; only a list that was found has these.
    pub(super) backup: Option<Arc<Spanned<ServerList>>>,
    /// How its servers are found.
    pub(super) discovery: Option<Discovery>,
}

#[derive(Debug)]
pub(super) struct ServerList {
    pub(super) servers: Vec<ServerDecl>,
    /// Whether no entry was left out because of a mistake.
    pub(super) complete: bool,
}

#[derive(Debug)]
pub(super) struct ServiceDecl {
    pub(super) name: Spanned<String>,
    pub(super) listen: Vec<Spanned<Listen>>,
    /// Whether no listen address was left out because of a mistake.
    pub(super) listens_all: bool,
    pub(super) servers: ServersDecl,
    pub(super) scheduler: Spanned<SchedulerDecl>,
    pub(super) forward: Option<Spanned<ForwardMethod>>,
    pub(super) tunnel: Option<TunnelDecl>,
    /// Whether the service itself sets the tunnel, not only `[defaults]`.
    pub(super) says_tunnel: bool,
    pub(super) persistence: Option<PersistenceDecl>,
    pub(super) one_packet: Option<Span>,
    pub(super) drain: Option<Spanned<Duration>>,
    pub(super) health: HealthDecl,
    pub(super) as_is: bool,
    /// The warnings that it allows.
    pub(super) allow: Allowed,
    /// The same about the machine, also those of its file.
    pub(super) allow_machine: MachineCodes,
}

/// Where a service listens, according to one entry of `listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listen {
    /// An address and the ports from `first` to `last`; 0 to 0 for all ports.
    Address {
        protocol: Protocol,
        address: IpAddr,
        first: u16,
        last: u16,
    },
    Fwmark {
        family: Family,
        mark: Fwmark,
    },
}

/// The health settings of a service.
#[derive(Debug, Clone, Default)]
pub(super) struct HealthDecl {
    pub(super) checks: Option<Arc<ChecksDecl>>,
    /// Whether settings of checks could not be read, which has been reported.
    pub(super) misread: bool,
    /// What a server's own check inherits if the service does not have exactly one check.
    pub(super) base: Option<Arc<CheckTable>>,
    pub(super) combine: Option<Combine>,
    pub(super) on_fail: Option<Spanned<OnFail>>,
    pub(super) backup: Option<Arc<Spanned<ServerList>>>,
    pub(super) backup_below: Option<Spanned<Threshold>>,
    /// Whether the service itself sets it, not only `[defaults]`.
    pub(super) says_backup_below: bool,
    pub(super) sorry: Option<Arc<Spanned<ServerList>>>,
    pub(super) min_healthy: Option<Spanned<Threshold>>,
    /// Whether the service itself sets it, not only `[defaults]`.
    pub(super) says_min_healthy: bool,
    pub(super) quorum: Option<Spanned<u32>>,
    pub(super) hysteresis: Option<Spanned<u32>>,
    /// Whether the service itself sets one of them, not only `[defaults]`.
    pub(super) says_quorum: bool,
    pub(super) initial: Option<Initial>,
    pub(super) slow_start: Option<Spanned<Duration>>,
    /// The inner `None` for `false`.
    pub(super) damping: Option<Option<Damping>>,
    pub(super) weight_steps: Option<WeightSteps>,
    pub(super) notify: Option<Arc<[Notify]>>,
}

/// The checks of a service or of a server; empty for `false`.
#[derive(Debug, Default)]
pub(super) struct ChecksDecl {
    pub(super) checks: Vec<CheckDecl>,
}

/// A check with its inherited settings.
#[derive(Debug)]
pub(super) struct CheckDecl {
    pub(super) table: CheckTable,
    pub(super) spec: CheckSpec,
}

/// One check as a table, with what it inherits.
#[derive(Debug, Clone)]
pub(super) struct CheckTable {
    /// `None` if its type is unknown.
    pub(super) kind: Option<&'static Kind>,
    /// Where it is named.
    pub(super) at: Span,
    /// Always a table.
    pub(super) node: Node<'static>,
}

impl CheckTable {
    /// The key's own place, or the check's if it does not have the key.
    pub(super) fn place_of(&self, key: &str) -> Span {
        self.entry(key).map_or(self.at, |entry| entry.key_span)
    }

    /// The place of a value in the table behind a key; otherwise that of the table.
    pub(super) fn place_within(&self, key: &str, inner: &str) -> Span {
        let Some(entry) = self.entry(key) else {
            return self.at;
        };
        let Value::Table(table) = &entry.node.value else {
            return entry.key_span;
        };
        let found = table.entries.iter().find(|entry| entry.key == inner);
        found.map_or(entry.key_span, |entry| entry.node.span)
    }

    pub(super) fn entries(&self) -> &[Entry<'static>] {
        match &self.node.value {
            Value::Table(table) => &table.entries,
            _ => &[],
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry<'static>> {
        self.entries().iter().find(|entry| entry.key == key)
    }
}

/// A server's `check`, decoded once it is known which service it serves.
#[derive(Debug)]
pub(super) struct OwnChecks {
    pub(super) node: Node<'static>,
    pub(super) at: Span,
    pub(super) shape: &'static Shape,
    pub(super) base: Option<Arc<CheckTable>>,
}

/// The servers that have a check, summarised: for each question the first that it concerns.
#[derive(Default, Clone, Copy)]
pub(super) struct Checked<'a> {
    pub(super) any: bool,
    pub(super) v4: bool,
    pub(super) v6: bool,
    pub(super) portless: Option<&'a ServerDecl>,
    /// A server on a usual MySQL port.
    pub(super) mysql: Option<&'a ServerDecl>,
    /// Servers on 443 and on 80.
    pub(super) on_443: Option<&'a ServerDecl>,
    pub(super) on_80: Option<&'a ServerDecl>,
    pub(super) direct: Option<(&'a ServerDecl, ForwardMethod)>,
}

/// The source of a service's servers.
#[derive(Debug)]
pub(super) enum ServersDecl {
    Pool(Spanned<String>),
    Own(ServerList),
    /// Nothing usable, which has been reported.
    Unknown,
}

/// A real server. One service may have 60,000, so rare settings are stored separately.
#[derive(Debug)]
pub(super) struct ServerDecl {
    pub(super) addresses: Addresses,
    port: Option<PortDecl>,
    pub(super) weight: Weight,
    pub(super) rest: Option<Box<ServerRest>>,
}

/// A port, and its place in the file of its server.
#[derive(Debug, Clone, Copy)]
struct PortDecl {
    port: u16,
    start: u32,
    /// Never 0, the start of a file, so that `None` takes no extra room.
    end: NonZeroU32,
}

impl ServerDecl {
    /// A server with weight 1 and no other settings.
    pub(super) fn new(addresses: Addresses, port: Option<Spanned<u16>>) -> Self {
        Self {
            addresses,
            port: port.map(|port| PortDecl {
                port: port.value,
                start: port.span.start,
                end: NonZeroU32::new(port.span.end).unwrap_or(NonZeroU32::MIN),
            }),
            weight: Weight::ONE,
            rest: None,
        }
    }

    /// The place of the entry.
    pub(super) fn span(&self) -> Span {
        match &self.addresses {
            Addresses::Entry(address) => address.span,
            Addresses::Listed(listed) => listed.entry,
        }
    }

    /// The server's own port, if set.
    pub(super) fn port(&self) -> Option<Spanned<u16>> {
        let PortDecl { port, start, end } = self.port?;
        let file = self.span().file;
        let end = end.get();
        Some(Spanned::new(port, Span { file, start, end }))
    }

    /// The settings besides address, port and weight.
    pub(super) fn rest(&self) -> &ServerRest {
        static NOTHING: ServerRest = ServerRest {
            name: None,
            upper: 0,
            lower: 0,
            forward: None,
            tunnel: None,
            own: None,
        };
        self.rest.as_deref().unwrap_or(&NOTHING)
    }
}

/// Settings that most servers do not have.
#[derive(Debug)]
pub(super) struct ServerRest {
    pub(super) name: Option<Spanned<String>>,
    pub(super) upper: u32,
    pub(super) lower: u32,
    pub(super) forward: Option<Spanned<ForwardMethod>>,
    pub(super) tunnel: Option<TunnelDecl>,
    /// The server's own health settings.
    pub(super) own: Option<OwnHealth>,
}

impl ServerRest {
    pub(super) fn says_anything(&self) -> bool {
        let limited = self.upper != 0 || self.lower != 0;
        let carried = self.forward.is_some() || self.tunnel.is_some();
        limited || carried || self.name.is_some() || self.own.is_some()
    }
}

/// The addresses of a server.
#[derive(Debug)]
pub(super) enum Addresses {
    /// The entry is an address, possibly with a port.
    Entry(Spanned<IpAddr>),
    /// The entry is a table that lists them.
    Listed(Box<ListedAddresses>),
}

/// See [`Addresses::Listed`].
#[derive(Debug)]
pub(super) struct ListedAddresses {
    /// The place of the table.
    pub(super) entry: Span,
    pub(super) addresses: Vec<Spanned<IpAddr>>,
}

impl Deref for Addresses {
    type Target = [Spanned<IpAddr>];

    fn deref(&self) -> &[Spanned<IpAddr>] {
        match self {
            Self::Entry(address) => std::slice::from_ref(address),
            Self::Listed(listed) => &listed.addresses,
        }
    }
}

/// The server's own health settings.
#[derive(Debug)]
pub(super) struct OwnHealth {
    pub(super) checks: Option<OwnChecks>,
    pub(super) initial: Option<Initial>,
}

#[derive(Debug, Clone)]
pub(super) struct SchedulerDecl {
    pub(super) name: Name,
    /// Whether it is written as `kernel:NAME`: one that a kernel has, known here or not.
    pub(super) explicit: bool,
    pub(super) flags: Vec<Spanned<FlagDecl>>,
}

/// A flag as written; its meaning depends on the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagDecl {
    /// `fallback` or `port`, with the scheduler named by a spelling such as `sh-port`.
    Hash {
        port: bool,
        of: Option<&'static str>,
    },
    /// `flag-1` and the like.
    Numbered(ServiceFlags),
    /// `0x40`: bits without a name.
    Bits(ServiceFlags),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TunnelDecl {
    pub(super) span: Span,
    pub(super) kind: Option<Spanned<TunnelKind>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) flags: Option<Spanned<TunnelFlags>>,
}

impl TunnelDecl {
    /// Takes unset values from `below`, unless that is about another encapsulation.
    pub(super) fn over(self, below: Option<Self>) -> Self {
        match below {
            Some(below) if self.kind.is_none() => Self {
                span: self.span,
                kind: below.kind,
                port: self.port.or(below.port),
                flags: self.flags.or(below.flags),
            },
            _ => self,
        }
    }

    pub(super) fn tunnel(&self) -> Tunnel {
        Tunnel {
            kind: self.kind.map_or(TunnelKind::Ipip, |kind| kind.value),
            port: self.port.map_or(0, |port| port.value),
            flags: self.flags.map_or(TunnelFlags::NONE, |flags| flags.value),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct PersistenceDecl {
    pub(super) span: Span,
    pub(super) timeout: Option<Spanned<u32>>,
    pub(super) mask: Option<Spanned<std::net::Ipv4Addr>>,
    pub(super) mask6: Option<Spanned<u32>>,
    /// The engine, and whether it is written as `kernel:NAME`.
    pub(super) engine: Option<Spanned<(Name, bool)>>,
    pub(super) enabled: Option<Spanned<bool>>,
}

impl PersistenceDecl {
    /// ipvsadm's and keepalived's default: six minutes.
    pub(super) const DEFAULT_TIMEOUT: u32 = 360;

    /// Takes unset values from `below`.
    pub(super) fn over(self, below: Option<&Self>) -> Self {
        let Some(below) = below else {
            return self;
        };
        Self {
            span: self.span,
            timeout: self.timeout.or(below.timeout),
            mask: self.mask.or(below.mask),
            mask6: self.mask6.or(below.mask6),
            engine: self.engine.or(below.engine),
            enabled: self.enabled.or(below.enabled),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.is_none_or(|enabled| enabled.value)
    }

    /// The timeout in seconds.
    pub(super) fn seconds(&self) -> u32 {
        match (self.timeout, self.is_enabled()) {
            (Some(timeout), _) => timeout.value,
            (None, true) => Self::DEFAULT_TIMEOUT,
            (None, false) => 0,
        }
    }
}

/// What is said about addresses, for the selected machine.
#[derive(Debug, Default)]
pub(super) struct AddressDecls {
    pub(super) failovers: Vec<FailoverDecl>,
    pub(super) held: Vec<HeldDecl>,
    pub(super) peers: Vec<PeerDecl>,
    pub(super) announced: Vec<AnnouncedDecl>,
    /// The machine whose values are in there.
    pub(super) machine: Option<Arc<str>>,
}

/// A failover section, and the places that other sections have to fit.
#[derive(Debug)]
pub(super) struct FailoverDecl {
    pub(super) failover: Failover,
    pub(super) at: Span,
    /// The places of the routers' ids, in their order.
    pub(super) ids: Vec<Span>,
    pub(super) addresses: Vec<Spanned<IpAddr>>,
    /// The services that it names.
    pub(super) services: Vec<Spanned<Arc<str>>>,
    /// The place of `accept`, if it has one.
    pub(super) accept: Option<Span>,
}

/// An address section.
#[derive(Debug)]
pub(super) struct HeldDecl {
    pub(super) held: Held,
    pub(super) at: Span,
    pub(super) addresses: Vec<Spanned<IpAddr>>,
}

/// A peer.
#[derive(Debug)]
pub(super) struct PeerDecl {
    pub(super) peer: Peer,
    pub(super) address: Spanned<IpAddr>,
    /// The place of its key.
    pub(super) proof_at: Span,
}

/// An announce section.
#[derive(Debug)]
pub(super) struct AnnouncedDecl {
    pub(super) announced: Announced,
    pub(super) at: Span,
    pub(super) addresses: Vec<Spanned<IpAddr>>,
    /// The services that it names.
    pub(super) services: Vec<Spanned<Arc<str>>>,
}

//! The second stage: combines the options into a command, or says why they do not fit together.

use ipvs::{
    Family, ForwardMethod, Name, Operation, Protocol, Server, Service, ServiceFlags, ServiceKey,
    SyncDaemon, Tunnel, TunnelFlags, TunnelKind,
};

use super::matrix::{self, Slot, Verb};
use super::typed::Typed;
use crate::errors::Stop;

/// A valid command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Version,
    Restore,
    Save {
        numeric: bool,
    },
    List(List),
    /// Every change of the kernel's tables; one message each.
    Change(Operation),
}

/// What to list, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) what: Listed,
    pub(crate) view: View,
    pub(crate) numeric: bool,
    pub(crate) exact: bool,
    pub(crate) sorted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Everything,
    Service(ServiceKey),
    /// Whether to show persistence engine data.
    Connections {
        engines: bool,
    },
    Timeouts,
    Daemons,
}

/// The columns of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Plain,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
}

/// The default scheduler.
const DEFAULT_SCHEDULER: Name = Service::WLC;
/// The default interface of a sync daemon.
const DEFAULT_INTERFACE: Name = Name::from_static("eth0");

/// Turns options into a command. The checks have 1.31's order, since the first failure is the one
/// reported.
pub(super) fn mean(typed: &Typed) -> Result<Command, Stop> {
    let flags = scheduler_flags(typed)?;
    matrix::check(typed.verb, typed.given)?;
    let key = typed.service_key();
    Ok(match typed.verb {
        Verb::AddService => Command::Change(Operation::AddService(service(typed, flags)?)),
        Verb::EditService => Command::Change(Operation::UpdateService(service(typed, flags)?)),
        Verb::DeleteService => Command::Change(Operation::DeleteService(key)),
        Verb::AddServer => Command::Change(Operation::AddServer(key, server(typed)?)),
        Verb::EditServer => Command::Change(Operation::UpdateServer(key, server(typed)?)),
        Verb::DeleteServer => Command::Change(Operation::DeleteServer(key, typed.server)),
        Verb::Flush => Command::Change(Operation::Flush),
        Verb::Zero if typed.given.has(Slot::Service) => {
            Command::Change(Operation::ZeroService(key))
        }
        Verb::Zero => Command::Change(Operation::ZeroAll),
        Verb::Set => Command::Change(Operation::SetTimeouts(typed.timeouts)),
        Verb::StartDaemon => Command::Change(Operation::StartDaemon(daemon(typed))),
        Verb::StopDaemon => Command::Change(Operation::StopDaemon(typed.role)),
        Verb::Restore => Command::Restore,
        Verb::Save => Command::Save {
            numeric: typed.given.has(Slot::Numeric),
        },
        Verb::List => Command::List(list(typed)?),
    })
}

fn service(typed: &Typed, mut flags: ServiceFlags) -> Result<Service, Stop> {
    let key = typed.service_key();
    let by_mark = typed.mark.is_some();
    if !by_mark && typed.port == 0 && typed.persistent.is_none() {
        return Err(Stop::usage(
            "Zero port specified for non-persistent service",
        ));
    }
    if typed.one_packet && !by_mark && key.protocol() != Some(Protocol::Udp) {
        return Err(Stop::usage(
            "One-Packet Scheduling is only for UDP virtual services",
        ));
    }
    flags.set(ServiceFlags::PERSISTENT, typed.persistent.is_some());
    flags.set(ServiceFlags::ONE_PACKET, typed.one_packet);
    Ok(Service {
        key,
        scheduler: typed.scheduler.unwrap_or(DEFAULT_SCHEDULER),
        flags,
        timeout: typed.persistent.unwrap_or(0),
        netmask: typed.netmask,
        engine: typed.engine,
    })
}

/// The flags of `-b`, checked against the scheduler wherever `-s` appears.
fn scheduler_flags(typed: &Typed) -> Result<ServiceFlags, Stop> {
    let mut flags = ServiceFlags::empty();
    let mut any = false;
    for word in typed.sched_flags.split(|byte| *byte == b',') {
        if word.is_empty() {
            continue;
        }
        any = true;
        let (flag, only) = match word {
            b"flag-1" => (ServiceFlags::SCHED_1, None),
            b"flag-2" => (ServiceFlags::SCHED_2, None),
            b"flag-3" => (ServiceFlags::SCHED_3, None),
            b"sh-fallback" => (ServiceFlags::SH_FALLBACK, Some("sh")),
            b"sh-port" => (ServiceFlags::SH_PORT, Some("sh")),
            b"mh-fallback" => (ServiceFlags::MH_FALLBACK, Some("mh")),
            b"mh-port" => (ServiceFlags::MH_PORT, Some("mh")),
            _ => return Err(Stop::quoting("invalid scheduler flag `", word, "'")),
        };
        if let Some(only) = only
            && typed.scheduler.is_none_or(|scheduler| scheduler != only)
        {
            return Err(Stop::quoting("incompatible scheduler flag `", word, "'"));
        }
        flags |= flag;
    }
    if !any && !typed.sched_flags.is_empty() {
        // Only commas.
        let text = &typed.sched_flags;
        return Err(Stop::quoting("invalid scheduler flag `", text, "'"));
    }
    Ok(flags)
}

fn server(typed: &Typed) -> Result<Server, Stop> {
    let key = typed.service_key();
    let mut server = Server {
        key: typed.server,
        forward: typed.forward,
        weight: typed.weight,
        upper_threshold: typed.upper_threshold,
        lower_threshold: typed.lower_threshold,
        tunnel: tunnel(typed),
    };
    // Such packets keep the service's port, so the entry has that port whatever was given. A mark
    // covers many ports.
    if typed.mark.is_none() && typed.forward != ForwardMethod::Masquerade {
        server.key.port = typed.port;
    }
    let tunnelled = typed.forward == ForwardMethod::Tunnel;
    if Family::of(server.key.address) != key.family() && !tunnelled {
        let text = "Different address family is allowed only for tunneling servers";
        return Err(Stop::usage(text));
    }
    if tunnelled {
        let kind = match typed.tunnel_kind {
            TunnelKind::Gue => "gue",
            TunnelKind::Gre => "gre",
            _ => "ipip",
        };
        matrix::check_tunnel(kind, typed.given)?;
    } else if typed.given.has_any(&matrix::TUNNEL_ONLY) {
        return Err(Stop::usage("Tunnel options conflict with forward method"));
    }
    Ok(server)
}

fn tunnel(typed: &Typed) -> Tunnel {
    let mut flags = TunnelFlags::NONE;
    flags.set(TunnelFlags::CSUM, typed.given.has(Slot::TunCsum));
    flags.set(TunnelFlags::REMCSUM, typed.given.has(Slot::TunRemcsum));
    Tunnel {
        kind: typed.tunnel_kind,
        port: typed.tunnel_port,
        flags,
    }
}

fn daemon(typed: &Typed) -> SyncDaemon {
    SyncDaemon {
        role: typed.role,
        interface: typed.mcast_interface.unwrap_or(DEFAULT_INTERFACE),
        sync_id: typed.sync_id,
        max_length: typed.sync_maxlen,
        group: typed.mcast_group,
        port: typed.mcast_port,
        ttl: typed.mcast_ttl,
    }
}

fn list(typed: &Typed) -> Result<List, Stop> {
    let given = typed.given;
    let counters = given.has_any(&[Slot::Stats, Slot::Rate, Slot::Thresholds]);
    let settings = given.has_any(&[Slot::Timeout, Slot::Daemon]);
    if (counters && (settings || given.has(Slot::Connection)))
        || (settings && given.has(Slot::PersistentConn))
    {
        return Err(Stop::usage("options conflicts in the list command"));
    }
    let what = if given.has(Slot::Connection) {
        Listed::Connections {
            engines: given.has(Slot::PersistentConn),
        }
    } else if given.has(Slot::Service) {
        Listed::Service(typed.service_key())
    } else if given.has(Slot::Timeout) {
        Listed::Timeouts
    } else if given.has(Slot::Daemon) {
        Listed::Daemons
    } else {
        Listed::Everything
    };
    let views = [
        (Slot::Stats, View::Stats),
        (Slot::Rate, View::Rate),
        (Slot::Thresholds, View::Thresholds),
        (Slot::PersistentConn, View::PersistentConn),
        (Slot::TunInfo, View::TunInfo),
    ];
    let view = views.into_iter().find(|(slot, _)| given.has(*slot));
    Ok(List {
        what,
        view: view.map_or(View::Plain, |(_, view)| view),
        numeric: given.has(Slot::Numeric),
        exact: given.has(Slot::Exact),
        sorted: !given.has(Slot::Nosort),
    })
}

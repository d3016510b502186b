//! Explains an errno for the request that got it, and says what to do about it.
//!
//! The IPVS family sends no extended-ACK text, and one errno has many causes, so this module builds
//! the sentence from request and errno. The causes are those of `net/netfilter/ipvs/ip_vs_ctl.c`.

use std::fmt;

use crate::error::Errno;
use crate::model::{
    Family, ForwardMethod, Name, Netmask, Server, Service, ServiceKey, SyncDaemon, TunnelKind,
};
use crate::operation::{Operation, Query, Request};

/// Writes the explanation of `errno` for `request`.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, request: &Request, errno: Errno) -> fmt::Result {
    match errno {
        Errno::EPERM => {
            return f.write_str(
                "permission denied: this needs CAP_NET_ADMIN in the initial user namespace; run as \
                 root of the machine, or give the program that capability (root of a \
                 rootless container or another user namespace does not have it)",
            );
        }
        Errno::ENOMEM => return f.write_str("the kernel is out of memory"),
        Errno::EBUSY => {
            return f.write_str("another dump is in progress on this socket; read it to the end");
        }
        _ => {}
    }
    match request {
        Request::Operation(operation) => write_operation(f, operation, errno),
        Request::Query(query) => write_query(f, query, errno),
    }
}

fn write_operation(f: &mut fmt::Formatter<'_>, operation: &Operation, errno: Errno) -> fmt::Result {
    match (operation, errno) {
        (Operation::AddService(_), Errno::EEXIST) => {
            f.write_str("the service already exists; update it, or delete it first")
        }
        (Operation::AddService(service) | Operation::UpdateService(service), Errno::ENOENT) => {
            write_missing_module(f, service)
        }
        (Operation::AddService(service) | Operation::UpdateService(service), Errno::EINVAL) => {
            write_bad_service(f, service)
        }
        (Operation::AddService(_), Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT) => {
            f.write_str("this kernel's IPVS was built without that protocol or address family")
        }
        (
            Operation::UpdateService(_) | Operation::DeleteService(_) | Operation::ZeroService(_),
            Errno::ESRCH | Errno::ENOENT,
        ) => f.write_str("no such service; list the services to see which exist"),
        (
            Operation::AddServer(..) | Operation::UpdateServer(..) | Operation::DeleteServer(..),
            Errno::ESRCH,
        ) => f.write_str("no such service; add the service before its servers"),
        (Operation::AddServer(..), Errno::EEXIST) => {
            f.write_str("the service already has this server; update it instead")
        }
        (Operation::UpdateServer(..) | Operation::DeleteServer(..), Errno::ENOENT) => {
            f.write_str("the service has no such server; list its servers to see which exist")
        }
        (Operation::AddServer(_, server) | Operation::UpdateServer(_, server), Errno::ERANGE) => {
            write!(
                f,
                "the lower connection threshold ({}) is above the upper one ({}); make it lower, \
                 or 0 for three quarters of the upper one",
                server.lower_threshold, server.upper_threshold
            )
        }
        (
            Operation::AddServer(service, server) | Operation::UpdateServer(service, server),
            Errno::EINVAL,
        ) => write_bad_server(f, *service, server),
        (Operation::StartDaemon(daemon), Errno::EEXIST) => {
            write!(
                f,
                "a {} daemon is already running; stop it first to change it",
                daemon.role
            )
        }
        (Operation::StartDaemon(daemon), Errno::ENODEV) => {
            write!(
                f,
                "no network interface `{}` in this network namespace",
                daemon.interface
            )
        }
        (Operation::StartDaemon(daemon), Errno::EINVAL) => write_bad_daemon(f, daemon),
        (Operation::StopDaemon(role), Errno::ESRCH) => {
            write!(
                f,
                "no {role} daemon is running, so there is nothing to stop"
            )
        }
        (Operation::SetTimeouts(_), Errno::EINVAL) => {
            f.write_str("a timeout is outside the kernel's range (seconds, below 2^31 clock ticks)")
        }
        _ => write_other(f, errno),
    }
}

fn write_query(f: &mut fmt::Formatter<'_>, query: &Query, errno: Errno) -> fmt::Result {
    match (query, errno) {
        (Query::Service(_) | Query::Servers(_), Errno::ESRCH | Errno::ENOENT) => {
            f.write_str("no such service; list the services to see which exist")
        }
        _ => write_other(f, errno),
    }
}

/// `ip_vs_scheduler_get` and `ip_vs_pe_getbyname` ask modprobe for the module once, then give up.
fn write_missing_module(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
    write!(
        f,
        "the kernel has no scheduler `{0}`; load it with `modprobe ip_vs_{0}`, or look in \
         /lib/modules for those available",
        service.scheduler
    )?;
    if let Some(engine) = service.engine {
        write!(
            f,
            "; or it has no persistence engine `{engine}`: `modprobe ip_vs_pe_{engine}`"
        )?;
    }
    Ok(())
}

fn write_bad_service(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
    if let Netmask::V6(prefix) = service.netmask
        && !(1..=128).contains(&prefix)
    {
        return write!(
            f,
            "the persistence prefix length {prefix} is outside 1 to 128"
        );
    }
    if service.netmask.family() != service.key.family() {
        return f.write_str("the persistence mask is of the other address family");
    }
    if is_too_long(service.scheduler) {
        return write!(
            f,
            "the scheduler's name `{}` is too long: at most 15 bytes",
            service.scheduler
        );
    }
    f.write_str("the kernel rejects it: the scheduler does not accept these flags")
}

/// The causes of `EINVAL` in `ip_vs_genl_set_cmd`, `ip_vs_add_dest` and `ip_vs_new_dest`. Causes
/// that the request itself shows come first.
fn write_bad_server(
    f: &mut fmt::Formatter<'_>,
    service: ServiceKey,
    server: &Server,
) -> fmt::Result {
    let address = server.key.address;
    if Family::of(address) != service.family() {
        if server.forward != ForwardMethod::Tunnel {
            return f.write_str(
                "a server of another address family than the service's needs tunnelling",
            );
        }
        return f.write_str(
            "a server of the other address family cannot be added or changed while a sync daemon \
             runs: stop the daemon first",
        );
    }
    if server.tunnel.kind == TunnelKind::Gue && server.tunnel.port == 0 {
        return f.write_str("GUE needs the UDP port that the server listens on");
    }
    if let TunnelKind::Other(number) = server.tunnel.kind {
        return write!(f, "this kernel does not know tunnel type {number}");
    }
    if address.is_multicast() || address.is_unspecified() {
        return f.write_str("a real server's address must be unicast");
    }
    let threshold = server.upper_threshold.max(server.lower_threshold);
    if i32::try_from(threshold).is_err() {
        return write!(
            f,
            "the connection threshold {threshold} is above this kernel's maximum of {}; 0 means no \
             limit",
            i32::MAX
        );
    }
    f.write_str(
        "the address is not unicast as this machine sees it: it is a broadcast address of one \
         of its networks, or the interface `lo` is down, as it is in a new network namespace \
         (`ip link set lo up`)",
    )
}

fn write_bad_daemon(f: &mut fmt::Formatter<'_>, daemon: &SyncDaemon) -> fmt::Result {
    if let Some(group) = daemon.group
        && !group.is_multicast()
    {
        return write!(f, "{group} is not a multicast address");
    }
    if is_too_long(daemon.interface) {
        return write!(
            f,
            "the interface's name `{}` is too long: at most 15 bytes",
            daemon.interface
        );
    }
    f.write_str("sync daemons do not start while a service has servers of the other address family")
}

/// Whether the kernel's attribute policy rejects the name of a scheduler or an interface: it allows
/// 16 bytes with the NUL. (The policy allows one more byte for an engine, which is then not found.)
fn is_too_long(name: Name) -> bool {
    name.as_bytes().len() >= Name::MAX
}

fn write_other(f: &mut fmt::Formatter<'_>, errno: Errno) -> fmt::Result {
    let text = errno.description();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
        None => f.write_str("unknown error"),
    }
}

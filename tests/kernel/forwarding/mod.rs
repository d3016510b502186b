//! How packets are really forwarded: methods and tunnels, protocols and families, marks,
//! persistence, thresholds, helpers, synchronisation.
//!
//! ```text
//!   client ── packets ──► director ── which way? ──► real server
//!                            ▲
//!                            └── configured by the library under test, not by Debian's ipvsadm
//! ```
//!
//! The rest of the product relies on this behaviour of the kernel: a failure on a new kernel is
//! information, not noise. If the kernel does something unexpected, the test's name says so.

mod ftp;
mod fwmark;
mod methods;
mod one_packet;
mod persistence;
mod refusals;
mod sip;
mod sync;
mod thresholds;
mod tunnels;
mod weights;

use std::net::SocketAddr;

use ipvs::{
    Connection, Connections, ForwardMethod, Operation, Server, ServerEntry, ServerKey, Service,
    Totals,
};

use crate::{
    lab::{Family, Host, Lan, eventually},
    rig::{marked, service, weight},
};

/// A real server behind network address translation.
fn nat(at: SocketAddr) -> Server {
    Server::new(
        ServerKey::new(at.ip(), at.port()),
        ForwardMethod::Masquerade,
    )
}

/// A real server on the director's own cable.
fn dr(at: SocketAddr) -> Server {
    Server::new(
        ServerKey::new(at.ip(), at.port()),
        ForwardMethod::DirectRoute,
    )
}

/// A real server at the end of a tunnel: IPIP, unless [`Server::tunnel`] says otherwise.
fn tun(at: SocketAddr) -> Server {
    Server::new(ServerKey::new(at.ip(), at.port()), ForwardMethod::Tunnel)
}

/// Every real server of the network, with this forwarding method and this port in its entry.
fn all(net: &Lan, family: Family, port: u16, method: fn(SocketAddr) -> Server) -> Vec<Server> {
    (1..=net.reals().len())
        .map(|number| method(net.server(family, number, port)))
        .collect()
}

/// A client for the tables of a host.
fn tables(host: &Host) -> ipvs::Client {
    host.enter(ipvs::Client::connect)
        .expect("the lab's kernel has ip_vs")
}

/// Adds a service with its servers.
#[track_caller]
fn balance(host: &Host, service: &Service, servers: impl IntoIterator<Item = Server>) {
    let mut operations = vec![Operation::AddService(*service)];
    let servers = servers.into_iter();
    operations.extend(servers.map(|server| Operation::AddServer(service.key, server)));
    tables(host)
        .execute(&operations)
        .into_result()
        .expect("the service and its servers can be added");
}

/// Deletes a service.
#[track_caller]
fn unbalance(host: &Host, service: &Service) {
    tables(host)
        .delete_service(&service.key)
        .expect("a service that is there can be deleted");
}

/// The servers of a service with their counters, ordered by key.
#[track_caller]
fn servers(host: &Host, service: &Service) -> Vec<ServerEntry> {
    let mut servers = tables(host)
        .servers(&service.key)
        .expect("the servers of a service can be listed");
    servers.sort_by_key(|entry| entry.server.key);
    servers
}

/// The counters of a service once they show this many connections. They are the last sums of the
/// kernel's estimator (`ip_vs_est.c`), up to two seconds old.
#[track_caller]
fn counted(host: &Host, service: &Service, connections: u64) -> Totals {
    let mut tables = tables(host);
    eventually("the counters are brought up to date", || {
        let entry = tables.service(&service.key).expect("it can be read")?;
        (entry.stats.total.connections == connections).then_some(entry.stats.total)
    })
}

/// The connection table with the origin of each entry.
#[track_caller]
fn connections(host: &Host) -> Vec<Connection> {
    host.enter(|| Connections::open_with_origin()?.collect::<ipvs::Result<_>>())
        .expect("the connection table can be read")
}

/// The persistence templates in the connection table.
#[track_caller]
fn templates(host: &Host) -> Vec<Connection> {
    let mut templates = connections(host);
    templates.retain(|entry| entry.client.port() == 0);
    templates.sort_by_key(|entry| entry.client);
    templates
}

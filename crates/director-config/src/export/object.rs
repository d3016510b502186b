//! Single objects of the kernel in the words of the service file, with every key, for programs.
//!
//! Unlike a file, these leave nothing out and know one form of each value, and a dollar sign is a
//! dollar sign.

use std::time::Duration;

use ipvs::{ForwardMethod, Server, Service, ServiceFlags, SyncDaemon, Timeouts, Tunnel, Weight};
use serde_json::{Map, Value, json};

use super::super::decode::time::write as time;
use super::super::decode::tunnel::forward_word;
use super::document::{flags, masks, tunnel_table};

/// A virtual service without its servers.
#[must_use]
pub fn service(service: &Service) -> Value {
    json!({
        "listen": service.key.to_string(),
        "scheduler": service.scheduler.to_string(),
        "flags": flags(service),
        "persistence": persistence(service),
        "one_packet": service.flags.contains(ServiceFlags::ONE_PACKET),
    })
}

/// A real server.
#[must_use]
pub fn server(server: &Server) -> Value {
    let tunnelled = server.forward == ForwardMethod::Tunnel || server.tunnel != Tunnel::IPIP;
    json!({
        "address": server.key.address.to_string(),
        "port": server.key.port,
        "weight": Weight::get(server.weight),
        "forward": forward_word(server.forward),
        "tunnel": tunnelled.then(|| tunnel_table(&server.tunnel)),
        "max_connections": {
            "upper": server.upper_threshold,
            "lower": server.lower_threshold,
        },
    })
}

/// A sync daemon. What the kernel chooses is `null`.
#[must_use]
pub fn daemon(daemon: &SyncDaemon) -> Value {
    json!({
        "role": daemon.role.to_string(),
        "interface": daemon.interface.to_string(),
        "id": daemon.sync_id.0,
        "max_length": daemon.max_length,
        "group": daemon.group.map(|group| group.to_string()),
        "port": Some(daemon.port).filter(|port| *port != 0),
        "ttl": Some(daemon.ttl).filter(|ttl| *ttl != 0),
    })
}

/// The timeouts of idle connections. What is left as it is, is `null`.
#[must_use]
pub fn timeouts(timeouts: &Timeouts) -> Value {
    let said = |set: u32| (set != 0).then(|| seconds(set));
    json!({
        "tcp": said(timeouts.tcp),
        "tcp_fin": said(timeouts.tcp_fin),
        "udp": said(timeouts.udp),
    })
}

/// `null` without persistence.
fn persistence(service: &Service) -> Value {
    if !service.flags.contains(ServiceFlags::PERSISTENT) {
        return Value::Null;
    }
    let mut said = Map::new();
    said.insert("timeout".to_owned(), seconds(service.timeout).into());
    said.extend(masks(service));
    if let Some(engine) = service.engine {
        said.insert("engine".to_owned(), engine.to_string().into());
    }
    said.into()
}

fn seconds(seconds: u32) -> String {
    time(Duration::from_secs(seconds.into()))
}

//! `GET /v1/overlay`: the daemon's overlay over the file, for verbs that run next to it.

use std::net::IpAddr;

use ipvs::{Server, ServerKey, Service, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::control::snapshot::{Role, ServerState};

/// How the tables differ from the director's service file, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The revision of the snapshot it comes from.
    pub revision: u64,
    /// The services, including those that are leaving.
    pub services: Vec<OverlaidService>,
    /// Machines in maintenance.
    pub disabled: Vec<IpAddr>,
    /// The first and last firewall mark of private services, which no verb shows.
    pub private_marks: (u32, u32),
}

/// A service with its overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaidService {
    /// The listen address.
    pub listen: ServiceKey,
    /// The name in the file.
    pub name: String,
    /// The declared configuration.
    pub declared: Service,
    /// The configuration that the kernel should have now.
    pub now: Service,
    /// Whether the service is no longer declared.
    pub leaving: bool,
    /// Whether any of its servers is checked.
    #[serde(default)]
    pub checked: bool,
    /// The servers of the service.
    pub servers: Vec<OverlaidServer>,
}

/// A server with its overlay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaidServer {
    /// The address and port.
    pub address: ServerKey,
    /// The name in the file, if any.
    pub name: Option<String>,
    /// The role: regular, backup or sorry server.
    pub role: Role,
    /// The server's state.
    pub state: ServerState,
    /// The declared configuration.
    pub declared: Server,
    /// The configuration that the kernel should have now; null if the server should not be there.
    pub now: Option<Server>,
    /// The reason for the state, for people.
    pub reason: String,
}

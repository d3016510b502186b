//! `GET /v1/overlay`: what the daemon makes of the file, for verbs that work beside it.

use std::net::IpAddr;

use ipvs::{Server, ServerKey, Service, ServiceKey};
use serde::{Deserialize, Serialize};

use crate::control::snapshot::{Role, ServerState};

/// How the tables differ from the file that the director has read, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// The revision of the picture it was made from.
    pub revision: u64,
    /// The services, those that leave too.
    pub services: Vec<OverlaidService>,
    /// Machines in maintenance.
    pub disabled: Vec<IpAddr>,
    /// The firewall marks of private services, first and last; no verb shows such a service.
    pub private_marks: (u32, u32),
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaidService {
    /// Its listen address.
    pub listen: ServiceKey,
    /// Its name in the file.
    pub name: String,
    /// Its configuration as declared.
    pub declared: Service,
    /// The same as it should be in the kernel now.
    pub now: Service,
    /// It is no longer declared.
    pub leaving: bool,
    /// Its servers.
    pub servers: Vec<OverlaidServer>,
}

/// A server of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaidServer {
    /// Its address and port.
    pub address: ServerKey,
    /// Its name in the file, where it has one.
    pub name: Option<String>,
    /// What it is there for.
    pub role: Role,
    /// How it is.
    pub state: ServerState,
    /// Its configuration as declared.
    pub declared: Server,
    /// The same as it should be in the kernel now; null if it is not to be there.
    pub now: Option<Server>,
    /// Why, in words.
    pub reason: String,
}

//! Requests to the kernel: operations change something, queries do not.

use std::fmt;

use crate::model::{DaemonRole, Server, ServerKey, Service, ServiceKey, SyncDaemon, Timeouts};

/// One change to the kernel's tables. Each is one message, carried out completely or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Operation {
    /// `IPVS_CMD_NEW_SERVICE`; `EEXIST` if a service with this key exists.
    AddService(Service),
    /// `IPVS_CMD_SET_SERVICE`: replaces everything but the key. Connections survive.
    UpdateService(Service),
    /// `IPVS_CMD_DEL_SERVICE`; deletes its servers too.
    DeleteService(ServiceKey),
    /// `IPVS_CMD_NEW_DEST`; `EEXIST` if the service has a server with this key.
    AddServer(ServiceKey, Server),
    /// `IPVS_CMD_SET_DEST`: replaces everything but the key.
    UpdateServer(ServiceKey, Server),
    /// `IPVS_CMD_DEL_DEST`. The sysctl `net.ipv4.vs.expire_nodest_conn` decides what happens to its
    /// connections.
    DeleteServer(ServiceKey, ServerKey),
    /// `IPVS_CMD_ZERO` for one service: zeroes its counters and those of its servers.
    ZeroService(ServiceKey),
    /// `IPVS_CMD_ZERO` for all services.
    ZeroAll,
    /// `IPVS_CMD_FLUSH`: deletes all services.
    Flush,
    /// `IPVS_CMD_SET_CONFIG`; 0 leaves a timeout unchanged.
    SetTimeouts(Timeouts),
    /// `IPVS_CMD_NEW_DAEMON`; `EEXIST` if a daemon with this role is running.
    StartDaemon(SyncDaemon),
    /// `IPVS_CMD_DEL_DAEMON`; `ESRCH` if no daemon with this role is running.
    StopDaemon(DaemonRole),
}

impl Operation {
    /// The service of the operation, if it concerns one.
    #[must_use]
    pub const fn service_key(&self) -> Option<ServiceKey> {
        match self {
            Self::AddService(service) | Self::UpdateService(service) => Some(service.key),
            Self::DeleteService(key)
            | Self::ZeroService(key)
            | Self::AddServer(key, _)
            | Self::UpdateServer(key, _)
            | Self::DeleteServer(key, _) => Some(*key),
            Self::ZeroAll
            | Self::Flush
            | Self::SetTimeouts(_)
            | Self::StartDaemon(_)
            | Self::StopDaemon(_) => None,
        }
    }

    /// The server of the operation, if it concerns one.
    #[must_use]
    pub const fn server_key(&self) -> Option<ServerKey> {
        match self {
            Self::AddServer(_, server) | Self::UpdateServer(_, server) => Some(server.key),
            Self::DeleteServer(_, key) => Some(*key),
            _ => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddService(service) => write!(f, "add service {}", service.key),
            Self::UpdateService(service) => write!(f, "change service {}", service.key),
            Self::DeleteService(key) => write!(f, "delete service {key}"),
            Self::AddServer(key, server) => write!(f, "add server {} to {key}", server.key),
            Self::UpdateServer(key, server) => write!(f, "change server {} of {key}", server.key),
            Self::DeleteServer(key, server) => write!(f, "delete server {server} from {key}"),
            Self::ZeroService(key) => write!(f, "zero the counters of {key}"),
            Self::ZeroAll => f.write_str("zero all counters"),
            Self::Flush => f.write_str("delete all services"),
            Self::SetTimeouts(_) => f.write_str("set the connection timeouts"),
            Self::StartDaemon(daemon) => {
                write!(
                    f,
                    "start the {} sync daemon on {}",
                    daemon.role, daemon.interface
                )
            }
            Self::StopDaemon(role) => write!(f, "stop the {role} sync daemon"),
        }
    }
}

/// A request that reads from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// `CTRL_CMD_GETFAMILY`: the number of IPVS among the generic netlink families. The kernel
    /// loads the module on this query if it can.
    Family,
    /// `IPVS_CMD_GET_INFO`.
    Info,
    /// `IPVS_CMD_GET_SERVICE` as a dump.
    Services,
    /// `IPVS_CMD_GET_SERVICE` for one key.
    Service(ServiceKey),
    /// `IPVS_CMD_GET_DEST`, always a dump; empty if the service does not exist.
    Servers(ServiceKey),
    /// `IPVS_CMD_GET_DAEMON`, always a dump.
    Daemons,
    /// `IPVS_CMD_GET_CONFIG`.
    Timeouts,
}

impl Query {
    /// Whether the answer is a dump: any number of messages and a final one.
    #[must_use]
    pub const fn is_dump(&self) -> bool {
        matches!(self, Self::Services | Self::Servers(_) | Self::Daemons)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family => f.write_str("find the kernel's IPVS"),
            Self::Info => f.write_str("read the IPVS version"),
            Self::Services => f.write_str("list the services"),
            Self::Service(key) => write!(f, "read service {key}"),
            Self::Servers(key) => write!(f, "list the servers of {key}"),
            Self::Daemons => f.write_str("list the sync daemons"),
            Self::Timeouts => f.write_str("read the connection timeouts"),
        }
    }
}

/// Any request, for errors to name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A request that changes something.
    Operation(Operation),
    /// A request that reads something.
    Query(Query),
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl From<Query> for Request {
    fn from(query: Query) -> Self {
        Self::Query(query)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation) => operation.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}

//! The client: one socket, a family resolved once, and a method for each IPVS request.
//!
//! ```text
//!  Client ── batch.rs   operations, many to a send
//!     │   ── dump.rs    lists, and lists that are known to be true
//!     └── channel.rs    one request after the other on one transport
//! ```

mod batch;
mod channel;
mod dump;

pub use batch::{Failure, OnFailure, Report};
pub use dump::{Table, TableService};

use crate::error::{DecodeError, Errno, Error, Result};
use crate::model::{
    DaemonRole, Info, Server, ServerKey, Service, ServiceEntry, ServiceKey, SyncDaemon, Timeouts,
};
use crate::operation::{Operation, Query, Request};
use crate::socket::NetlinkSocket;
use crate::transport::Transport;
use crate::wire::{Command, Content, Encoder, decode_family, decode_info, decode_timeouts};
use channel::Channel;

/// A connection to the kernel's IPVS, in one network namespace.
///
/// It holds one socket. Methods take `&mut self` because one socket carries one dump at a time.
/// Answers are matched to requests by sequence number, so an error in one call does not spoil the
/// next.
///
/// ```no_run
/// use ipvs::{Client, ForwardMethod, Server, ServerKey, Service, ServiceKey};
///
/// # fn main() -> ipvs::Result<()> {
/// let mut client = Client::connect()?;
/// let web = ServiceKey::tcp([192, 0, 2, 10], 80);
/// client.add_service(&Service::new(web, Service::WLC))?;
/// client.add_server(
///     &web,
///     &Server::new(ServerKey::new([10, 0, 0, 11], 80), ForwardMethod::Masquerade),
/// )?;
/// for entry in client.servers(&web)? {
///     println!("{} has {} active connections", entry.server.key, entry.active);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client<T: Transport = NetlinkSocket> {
    main: Channel<T>,
    /// For reading a dump again in other pieces; opened on first use.
    second: Option<Channel<T>>,
    encoder: Encoder,
}

impl Client<NetlinkSocket> {
    /// Connects to IPVS in the calling thread's network namespace. The kernel loads the module
    /// `ip_vs` if it can.
    ///
    /// The client stays in that namespace even if the thread moves to another one.
    ///
    /// # Errors
    /// [`Error::NoIpvs`] if the kernel has no IPVS, [`Error::Socket`] if a netlink socket cannot be
    /// opened. A missing `CAP_NET_ADMIN` shows at the next call ([`Errno::EPERM`]).
    pub fn connect() -> Result<Self> {
        let socket =
            NetlinkSocket::open().map_err(|source| Error::socket(Query::Family.into(), source))?;
        Self::over(socket)
    }
}

impl<T: Transport> Client<T> {
    /// A client over any transport.
    ///
    /// # Errors
    /// The same as for [`Client::connect`].
    pub fn over(transport: T) -> Result<Self> {
        let mut client = Self {
            main: Channel::new(transport, channel::WHOLE_PIECES),
            second: None,
            encoder: Encoder::new(0),
        };
        client.resolve(Query::Family.into())?;
        Ok(client)
    }

    /// The transport below, for tests that act as the kernel.
    pub fn transport_mut(&mut self) -> &mut T {
        self.main.transport_mut()
    }

    /// Asks for the family's number on behalf of `request`. Returns whether the number has changed.
    fn resolve(&mut self, request: Request) -> Result<bool> {
        let query = Query::Family;
        let answer = self
            .main
            .query_one(&mut self.encoder, query, |answer| match answer {
                // CTRL_CMD_NEWFAMILY
                Content::Reply {
                    command: 1,
                    payload,
                } => decode_family(payload),
                other => Err(other.unexpected()),
            });
        match answer {
            Ok(family) => {
                let changed = family != self.encoder.family();
                self.encoder.set_family(family);
                Ok(changed)
            }
            Err(Error::Refused(refusal)) if refusal.errno == Errno::ENOENT => {
                Err(Error::NoIpvs { request })
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a query. `ENOENT` may mean that the module is gone, or was reloaded and the family has
    /// a new number (`genl_rcv_msg`). Retries the query in the second case only.
    fn query<R>(&mut self, query: Query, mut run: impl FnMut(&mut Self) -> Result<R>) -> Result<R> {
        match run(self) {
            Err(Error::Refused(refusal)) if refusal.errno == Errno::ENOENT => {
                if self.resolve(query.into())? {
                    run(self)
                } else {
                    Err(Error::Refused(refusal))
                }
            }
            result => result,
        }
    }

    fn query_one<R>(
        &mut self,
        query: Query,
        decode: impl Fn(&Content<'_>) -> Result<R, DecodeError>,
    ) -> Result<R> {
        self.query(query, |client| {
            client.main.query_one(&mut client.encoder, query, &decode)
        })
    }

    /// The version and the size of the connection table (`IPVS_CMD_GET_INFO`). This is the cheapest
    /// call that shows whether the program may use IPVS.
    ///
    /// # Errors
    /// [`Error::Refused`] with [`Errno::EPERM`] without `CAP_NET_ADMIN`.
    pub fn info(&mut self) -> Result<Info> {
        self.query_one(Query::Info, |answer| {
            decode_info(answer.payload(Command::SetInfo)?)
        })
    }

    /// The connection timeouts (`IPVS_CMD_GET_CONFIG`).
    ///
    /// # Errors
    /// [`Error::Refused`] with [`Errno::EPERM`] without `CAP_NET_ADMIN`.
    pub fn timeouts(&mut self) -> Result<Timeouts> {
        self.query_one(Query::Timeouts, |answer| {
            decode_timeouts(answer.payload(Command::SetConfig)?)
        })
    }

    /// One service (`IPVS_CMD_GET_SERVICE`), or `None` if no service has this key.
    ///
    /// # Errors
    /// [`Error::Refused`] with any errno but `ESRCH`.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceEntry>> {
        match self.query_one(Query::Service(*key), |answer| answer.service()) {
            Ok(entry) => Ok(Some(entry)),
            Err(Error::Refused(refusal)) if refusal.errno == Errno::ESRCH => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Carries out one operation and waits for its acknowledgement.
    ///
    /// # Errors
    /// [`Error::Refused`] with the kernel's errno: nothing was changed.
    /// [`Error::is_outcome_unknown`] identifies the errors that leave this open.
    pub fn apply(&mut self, operation: Operation) -> Result<()> {
        self.execute(&[operation]).into_result()
    }

    /// Adds a service (`IPVS_CMD_NEW_SERVICE`). The kernel loads the scheduler's module if it can.
    ///
    /// # Errors
    /// `EEXIST`: a service with this key exists. `ENOENT`: no such scheduler or persistence engine.
    /// `EINVAL`: an IPv6 prefix length outside 1 to 128. See also [`Client::apply`].
    pub fn add_service(&mut self, service: &Service) -> Result<()> {
        self.apply(Operation::AddService(*service))
    }

    /// Replaces everything but the service's key (`IPVS_CMD_SET_SERVICE`). Its connections survive.
    /// If the scheduler changes, the kernel refuses new connections for one grace period.
    ///
    /// # Errors
    /// `ESRCH`: no such service. `ENOENT`: no such scheduler or engine (the service keeps its own).
    /// See also [`Client::apply`].
    pub fn update_service(&mut self, service: &Service) -> Result<()> {
        self.apply(Operation::UpdateService(*service))
    }

    /// Deletes a service and its servers (`IPVS_CMD_DEL_SERVICE`).
    ///
    /// # Errors
    /// `ESRCH`: no such service. See also [`Client::apply`].
    pub fn delete_service(&mut self, key: &ServiceKey) -> Result<()> {
        self.apply(Operation::DeleteService(*key))
    }

    /// Adds a server to a service (`IPVS_CMD_NEW_DEST`). If a deleted server is added again, its
    /// connections continue.
    ///
    /// # Errors
    /// `ESRCH`: no such service. `EEXIST`: the service already has this server. `ERANGE`: the lower
    /// threshold is above the upper one. `EINVAL`: not unicast, `lo` is down, GUE without a port,
    /// or a server of the other family without tunnelling or while a sync daemon runs. A missing
    /// route is not an error. See also [`Client::apply`].
    pub fn add_server(&mut self, key: &ServiceKey, server: &Server) -> Result<()> {
        self.apply(Operation::AddServer(*key, *server))
    }

    /// Replaces everything but the server's key (`IPVS_CMD_SET_DEST`).
    ///
    /// # Errors
    /// `ESRCH`: no such service. `ENOENT`: no such server. Otherwise those of
    /// [`Client::add_server`].
    pub fn update_server(&mut self, key: &ServiceKey, server: &Server) -> Result<()> {
        self.apply(Operation::UpdateServer(*key, *server))
    }

    /// Deletes a server (`IPVS_CMD_DEL_DEST`). The kernel then drops packets of its connections;
    /// with the sysctl `expire_nodest_conn`, the connections expire immediately instead.
    ///
    /// # Errors
    /// `ESRCH`: no such service. `ENOENT`: no such server. See also [`Client::apply`].
    pub fn delete_server(&mut self, key: &ServiceKey, server: &ServerKey) -> Result<()> {
        self.apply(Operation::DeleteServer(*key, *server))
    }

    /// Zeroes the counters of one service and its servers, or of all services (`IPVS_CMD_ZERO`).
    ///
    /// # Errors
    /// `ESRCH`: no such service. See also [`Client::apply`].
    pub fn zero(&mut self, key: Option<&ServiceKey>) -> Result<()> {
        self.apply(key.map_or(Operation::ZeroAll, |key| Operation::ZeroService(*key)))
    }

    /// Deletes all services (`IPVS_CMD_FLUSH`).
    ///
    /// # Errors
    /// Those of [`Client::apply`].
    pub fn flush(&mut self) -> Result<()> {
        self.apply(Operation::Flush)
    }

    /// Sets the connection timeouts (`IPVS_CMD_SET_CONFIG`); 0 leaves a timeout unchanged.
    ///
    /// # Errors
    /// `EINVAL`: out of range. See also [`Client::apply`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<()> {
        self.apply(Operation::SetTimeouts(*timeouts))
    }

    /// Starts a sync daemon (`IPVS_CMD_NEW_DAEMON`).
    ///
    /// # Errors
    /// `EEXIST`: a daemon with this role is running. `ENODEV`: no such interface. `EINVAL`: the
    /// group is not multicast, or a service has servers of the other family. See also
    /// [`Client::apply`].
    pub fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<()> {
        self.apply(Operation::StartDaemon(*daemon))
    }

    /// Stops a sync daemon (`IPVS_CMD_DEL_DAEMON`).
    ///
    /// # Errors
    /// `ESRCH`: no daemon with this role is running. See also [`Client::apply`].
    pub fn stop_daemon(&mut self, role: DaemonRole) -> Result<()> {
        self.apply(Operation::StopDaemon(role))
    }
}

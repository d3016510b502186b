//! An in-memory IPVS that speaks the kernel's bytes (feature `fake`).
//!
//! For the tests of programs built on this library. A [`FakeKernel`] is a [`Transport`], so
//! everything above the socket runs as in production, and a test can inject faults that a real
//! kernel shows once a year. Clones share one kernel, as sockets do.
//!
//! ```
//! use ipvs::fake::{FakeKernel, Fault};
//! use ipvs::{Client, Errno, Operation, Service, ServiceKey};
//!
//! # fn main() -> ipvs::Result<()> {
//! let kernel = FakeKernel::new();
//! let mut client = Client::over(kernel.clone())?;
//! client.add_service(&Service::new(ServiceKey::tcp([192, 0, 2, 1], 80), Service::WLC))?;
//! assert_eq!(kernel.services().len(), 1);
//!
//! kernel.inject(0, Fault::Refuse(Errno::ENOMEM));
//! let error = client.flush().unwrap_err();
//! assert_eq!(error.errno(), Some(Errno::ENOMEM));
//! # Ok(())
//! # }
//! ```

mod inject;
mod tables;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use inject::Fault;

use crate::error::Errno;
use crate::model::{ServerEntry, ServiceEntry, ServiceKey, SyncDaemon, Timeouts};
use crate::operation::{Operation, Query, Request};
use crate::transport::{Transport, Wait};
use crate::wire;
use inject::Faults;
use tables::Tables;

/// An in-memory kernel, and a socket to it.
#[derive(Debug, Clone)]
pub struct FakeKernel {
    shared: Arc<Mutex<Shared>>,
    /// Datagrams queued on this socket alone.
    queue: VecDeque<Result<Vec<u8>, Errno>>,
    queued_answers: usize,
    dump: Option<Dump>,
    largest_buffer: usize,
}

#[derive(Debug)]
struct Shared {
    tables: Tables,
    faults: Faults,
    /// The family's number; `None` while the module is not loaded.
    family: Option<u16>,
    /// The number that the family gets at the next load (`idr_alloc_cyclic`).
    next_family: u16,
    log: Vec<Request>,
    room: usize,
}

/// A dump in progress: its query, its request, and the number of entries sent so far.
#[derive(Debug, Clone)]
struct Dump {
    query: Query,
    sequence: u32,
    given: usize,
}

/// The family's first number.
const FAMILY: u16 = 0x1c;
/// The most bytes that the kernel puts into one piece of a dump.
const MAX_PIECE: usize = 32_256;

impl Default for FakeKernel {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeKernel {
    /// A kernel with empty tables and the module loaded.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            tables: Tables::default(),
            faults: Faults::default(),
            family: Some(FAMILY),
            next_family: FAMILY + 1,
            log: Vec::new(),
            room: 277,
        };
        Self::socket(Arc::new(Mutex::new(shared)))
    }

    fn socket(shared: Arc<Mutex<Shared>>) -> Self {
        Self {
            shared,
            queue: VecDeque::new(),
            queued_answers: 0,
            dump: None,
            largest_buffer: 0,
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A test that panicked with the lock held has already failed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Injects a fault into the operation that follows `skip` others. Faults queue up.
    pub fn inject(&self, skip: usize, fault: Fault) {
        self.shared().faults.push(skip, fault);
    }

    /// Drops the faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.shared().faults = Faults::default();
    }

    /// Empties the tables, as a reboot does.
    pub fn reboot(&self) {
        self.shared().tables = Tables::default();
    }

    /// Unloads the module: the tables are lost and every request is answered with `ENOENT`.
    pub fn unload_module(&self) {
        let mut shared = self.shared();
        shared.tables = Tables::default();
        shared.family = None;
    }

    /// Loads the module (again): the family gets a new number.
    pub fn load_module(&self) {
        let mut shared = self.shared();
        shared.family = Some(shared.next_family);
        shared.next_family += 1;
    }

    /// Sets how many acknowledgements a socket's receive buffer holds; 277 by default.
    pub fn set_acknowledgement_room(&self, room: usize) {
        self.shared().room = room;
    }

    /// The services in dump order.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceEntry> {
        self.shared().tables.services()
    }

    /// A service's servers, last added first.
    #[must_use]
    pub fn servers(&self, key: &ServiceKey) -> Vec<ServerEntry> {
        self.shared().tables.servers(key)
    }

    /// The running sync daemons.
    #[must_use]
    pub fn daemons(&self) -> Vec<SyncDaemon> {
        self.shared().tables.daemons()
    }

    /// The connection timeouts.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.shared().tables.timeouts
    }

    /// Changes the counters of a service and its servers.
    pub fn count(
        &self,
        key: &ServiceKey,
        change: impl FnOnce(&mut ServiceEntry, &mut Vec<ServerEntry>),
    ) {
        self.shared().tables.count(key, change);
    }

    /// Carries out an operation as another program would, bypassing this socket and its faults.
    ///
    /// # Errors
    /// The errno of the kernel's answer.
    pub fn meddle(&self, operation: &Operation) -> Result<(), Errno> {
        self.shared().tables.apply(operation)
    }

    /// All requests so far, in order, including refused ones.
    #[must_use]
    pub fn log(&self) -> Vec<Request> {
        self.shared().log.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.shared().log.clear();
    }

    /// Answers one request.
    fn answer(&mut self, asked: &wire::Asked<'_>) {
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(request)) = asked.request {
            shared.log.push(request);
        }
        let known = asked.family == shared.family.unwrap_or(0) || asked.family <= 16;
        match asked.request {
            _ if !known => self.acknowledge(asked, Some(Errno::ENOENT), shared.room),
            Err(errno) => self.acknowledge(asked, Some(errno), shared.room),
            Ok(None) if asked.ack => self.acknowledge(asked, None, shared.room),
            Ok(None) => {}
            Ok(Some(Request::Operation(operation))) => {
                let fault = shared.faults.next();
                match fault {
                    Some(Fault::Refuse(errno)) => {
                        self.acknowledge(asked, Some(errno), shared.room);
                    }
                    Some(Fault::LoseAnswer) => {
                        let _ = shared.tables.apply(&operation);
                        self.overrun();
                    }
                    Some(Fault::Silence) => {
                        let _ = shared.tables.apply(&operation);
                    }
                    Some(Fault::WrongSequence) => {
                        let _ = shared.tables.apply(&operation);
                        let mut datagram = Vec::new();
                        let sequence = asked.sequence.wrapping_add(1_000_000);
                        wire::append_ack(sequence, None, asked.header, &mut datagram);
                        self.queue.push_back(Ok(datagram));
                    }
                    Some(Fault::ShortAnswer) => {
                        let _ = shared.tables.apply(&operation);
                        let mut datagram = Vec::new();
                        wire::append_ack(asked.sequence, None, asked.header, &mut datagram);
                        datagram.truncate(18);
                        self.queue.push_back(Ok(datagram));
                    }
                    None => {
                        let result = shared.tables.apply(&operation);
                        if result.is_err() || asked.ack {
                            self.acknowledge(asked, result.err(), shared.room);
                        }
                    }
                }
            }
            Ok(Some(Request::Query(query))) if query.is_dump() => {
                if self.dump.is_some() {
                    return self.acknowledge(asked, Some(Errno::EBUSY), shared.room);
                }
                self.dump = Some(Dump {
                    query,
                    sequence: asked.sequence,
                    given: 0,
                });
                drop(shared);
                self.next_piece();
            }
            Ok(Some(Request::Query(query))) => self.reply(asked, query, &shared),
        }
    }

    fn acknowledge(&mut self, asked: &wire::Asked<'_>, errno: Option<Errno>, room: usize) {
        if self.queued_answers >= room {
            return self.overrun();
        }
        self.queued_answers += 1;
        let mut datagram = Vec::new();
        wire::append_ack(asked.sequence, errno, asked.header, &mut datagram);
        self.queue.push_back(Ok(datagram));
    }

    /// `netlink_overrun`: the next receive returns ENOBUFS before any queued datagram.
    fn overrun(&mut self) {
        if self.queue.front() != Some(&Err(Errno::ENOBUFS)) {
            self.queue.push_front(Err(Errno::ENOBUFS));
        }
    }

    fn reply(&mut self, asked: &wire::Asked<'_>, query: Query, shared: &Shared) {
        let mut out = Vec::new();
        let Some(family) = shared.family else {
            return self.acknowledge(asked, Some(Errno::ENOENT), shared.room);
        };
        let command = |command: wire::Command| command.number();
        let sequence = asked.sequence;
        match query {
            Query::Family => wire::append_reply(16, 1, sequence, false, &mut out, |out| {
                wire::encode_family_reply(family, out);
            }),
            Query::Info => {
                let number = command(wire::Command::SetInfo);
                wire::append_reply(family, number, sequence, false, &mut out, |out| {
                    wire::encode_info_reply(&Tables::INFO, out);
                });
            }
            Query::Timeouts => {
                let number = command(wire::Command::SetConfig);
                wire::append_reply(family, number, sequence, false, &mut out, |out| {
                    wire::encode_timeouts_reply(&shared.tables.timeouts, out);
                });
            }
            Query::Service(key) => match shared.tables.service(&key) {
                Some(entry) => {
                    let number = command(wire::Command::NewService);
                    wire::append_reply(family, number, sequence, false, &mut out, |out| {
                        wire::encode_service_reply(&entry, out);
                    });
                }
                None => return self.acknowledge(asked, Some(Errno::ESRCH), shared.room),
            },
            Query::Services | Query::Servers(_) | Query::Daemons => {
                return self.acknowledge(asked, Some(Errno::EOPNOTSUPP), shared.room);
            }
        }
        self.queue.push_back(Ok(out));
    }

    /// Queues the next piece of the dump in progress, from the tables as they are now, or its end.
    fn next_piece(&mut self) {
        let Some(mut dump) = self.dump.take() else {
            return;
        };
        let limit = self.largest_buffer.clamp(3_776, MAX_PIECE);
        let mut piece = Vec::new();
        let shared = Arc::clone(&self.shared);
        let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let family = shared.family.unwrap_or(0);
        for entry in shared.tables.dump(&dump.query).skip(dump.given) {
            let before = piece.len();
            let number = entry.command().number();
            wire::append_reply(family, number, dump.sequence, true, &mut piece, |out| {
                entry.encode(out);
            });
            if piece.len() > limit {
                piece.truncate(before);
                break;
            }
            dump.given += 1;
        }
        if piece.is_empty() {
            wire::append_done(dump.sequence, &mut piece);
        } else {
            self.dump = Some(dump);
        }
        self.queue.push_back(Ok(piece));
    }
}

impl Transport for FakeKernel {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let (asked, length) = wire::decode_request(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            self.answer(&asked);
            rest = &rest[length..];
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, _: Wait) -> io::Result<usize> {
        buffer.clear();
        self.largest_buffer = self.largest_buffer.max(buffer.capacity());
        match self.queue.pop_front() {
            Some(Ok(datagram)) => {
                self.queued_answers = self.queued_answers.saturating_sub(1);
                let fits = datagram.len().min(buffer.capacity());
                buffer.extend_from_slice(&datagram[..fits]);
                // Like `netlink_recvmsg`: reading a piece makes the kernel write the next.
                self.next_piece();
                Ok(datagram.len())
            }
            Some(Err(errno)) => Err(io::Error::from_raw_os_error(errno.0)),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn acknowledgement_room(&self) -> usize {
        self.shared().room
    }

    fn time_limit(&self) -> Duration {
        Duration::ZERO
    }

    fn second(&self) -> io::Result<Option<Self>> {
        Ok(Some(Self::socket(Arc::clone(&self.shared))))
    }
}

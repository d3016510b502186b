//! Batches: many operations in one send.
//!
//! The requests of a chunk are packed into one datagram. A failing request does not stop those
//! behind it; the kernel answers failures under their own sequence numbers. Only the last request
//! asks for an acknowledgement: once it arrives, every earlier request without a failure was
//! carried out.

use crate::error::{Errno, Error, Result};
use crate::operation::{Operation, Request};
use crate::transport::{Transport, Wait};
use crate::wire::Content;

use super::Client;
use super::channel::Received;

/// The most operations in one datagram; more are not faster. Chunks are smaller where the receive
/// buffer has room for fewer answers: the default buffer holds 277 on Linux 6.1, 221 on 7.2.
const MAX_CHUNK: usize = 256;

/// What to do when operations of a chunk fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Send the later chunks anyway.
    #[default]
    Continue,
    /// Send no further chunk. The rest of the failing chunk has already been sent.
    Stop,
}

/// The results of a list of operations.
#[derive(Debug, Default)]
#[must_use = "it tells which operations failed"]
pub struct Report {
    total: usize,
    sent: usize,
    failures: Vec<Failure>,
}

/// An operation that failed, or whose result is unknown.
#[derive(Debug)]
pub struct Failure {
    /// The operation's index in the list, from 0.
    pub index: usize,
    /// The reason for the failure; see [`Error::is_outcome_unknown`].
    pub error: Error,
}

impl Report {
    /// A report of `total` successful operations, for tests and other implementations of a
    /// platform.
    pub fn done(total: usize) -> Self {
        Self {
            total,
            sent: total,
            failures: Vec::new(),
        }
    }

    /// The same report for a longer list: `done` successful operations come before this report's.
    pub fn preceded_by(mut self, done: usize) -> Self {
        self.total += done;
        self.sent += done;
        for failure in &mut self.failures {
            failure.index += done;
        }
        self
    }

    /// The number of operations in the list.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    /// The number of operations that were sent, counted from the start of the list. The rest were
    /// not carried out.
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// The failures, in list order. If sending failed, the last entry is the first operation that
    /// was not sent.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The error of the operation at `index`; `None` if the kernel carried it out.
    #[must_use]
    pub fn error(&self, index: usize) -> Option<&Error> {
        let place = self
            .failures
            .binary_search_by_key(&index, |failure| failure.index)
            .ok()?;
        Some(&self.failures[place].error)
    }

    /// The number of operations that were certainly carried out.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.sent
            - self
                .failures
                .iter()
                .filter(|failure| failure.index < self.sent)
                .count()
    }

    /// Whether every operation was carried out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sent == self.total && self.failures.is_empty()
    }

    /// Returns the failures and drops the rest of the report.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }

    /// Turns the report into a result that holds the first failure.
    ///
    /// # Errors
    /// The error of the first failure.
    pub fn into_result(self) -> Result<()> {
        match self.failures.into_iter().next() {
            Some(failure) => Err(failure.error),
            None => Ok(()),
        }
    }
}

impl<T: Transport> Client<T> {
    /// Carries out operations in order, up to 256 per datagram, and reports on each. A failing
    /// operation does not stop the others.
    ///
    /// ```no_run
    /// # use ipvs::{Client, Operation, Service, ServiceKey};
    /// # fn main() -> ipvs::Result<()> {
    /// let services: Vec<_> = (1..=250)
    ///     .map(|host| Service::new(ServiceKey::tcp([192, 0, 2, host], 80), Service::WLC))
    ///     .map(Operation::AddService)
    ///     .collect();
    /// let report = Client::connect()?.execute(&services);
    /// println!("{} of {} done", report.applied(), report.total());
    /// for failure in report.failures() {
    ///     eprintln!("{}", failure.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute(&mut self, operations: &[Operation]) -> Report {
        self.execute_with(operations, OnFailure::Continue)
    }

    /// Like [`Client::execute`], but the caller chooses what a failure stops.
    pub fn execute_with(&mut self, operations: &[Operation], on_failure: OnFailure) -> Report {
        let mut report = Report {
            total: operations.len(),
            ..Report::default()
        };
        let mut chunk = self.chunk_size(operations.len());
        while report.sent < operations.len() {
            let rest = &operations[report.sent..];
            let part = &rest[..chunk.min(rest.len())];
            match self.send_chunk(part) {
                Ok(first) => {
                    let start = report.sent;
                    report.sent += part.len();
                    let before = report.failures.len();
                    self.await_chunk(part, first, start, &mut report.failures);
                    let failed = report.failures.len() > before;
                    if failed {
                        self.explain_missing_module(&mut report.failures[before..]);
                    }
                    if failed && on_failure == OnFailure::Stop {
                        break;
                    }
                }
                // Too long for the send buffer; net.core.wmem_default may be low.
                Err(error) if is_too_long(&error) && part.len() > 1 => chunk = part.len() / 2,
                Err(source) => {
                    let error = Error::socket(part[0].into(), source);
                    report.failures.push(Failure {
                        index: report.sent,
                        error,
                    });
                    break;
                }
            }
        }
        report
    }

    /// The most operations that the kernel can refuse without dropping an answer.
    fn chunk_size(&self, operations: usize) -> usize {
        if operations <= 1 {
            return 1;
        }
        MAX_CHUNK.min(self.main.transport().acknowledgement_room())
    }

    /// Sends a chunk and returns its first sequence number.
    fn send_chunk(&mut self, operations: &[Operation]) -> std::io::Result<u32> {
        self.encoder.clear();
        let mut first = None;
        for (index, operation) in operations.iter().enumerate() {
            let sequence = self.main.sequence();
            first.get_or_insert(sequence);
            let last = index + 1 == operations.len();
            self.encoder.operation(operation, sequence, last);
        }
        if may_be_silent(operations) {
            let sequence = self.main.sequence();
            self.encoder.barrier(sequence);
        }
        self.main.send(&self.encoder)?;
        Ok(first.unwrap_or_default())
    }

    /// Reads the answers to a chunk; `start` is the list index of its first operation.
    fn await_chunk(
        &mut self,
        operations: &[Operation],
        first: u32,
        start: usize,
        failures: &mut Vec<Failure>,
    ) {
        let messages = operations.len() + usize::from(may_be_silent(operations));
        let mut outcomes: Vec<Option<Ack>> = vec![None; messages];
        let trouble = self.read_answers(operations[0].into(), first, &mut outcomes);
        let acknowledged = matches!(outcomes.last(), Some(Some(_))) && trouble.is_none();
        for (index, (operation, outcome)) in operations.iter().zip(outcomes).enumerate() {
            let request = Request::from(*operation);
            let error = match outcome {
                Some(Ack::Refused(errno)) => Error::refused(request, errno),
                Some(Ack::Done) => continue,
                None if acknowledged => continue,
                None => match &trouble {
                    Some(Trouble::Other(error)) => error.for_request(request),
                    Some(Trouble::Lost) | None => Error::AnswerLost { request },
                },
            };
            failures.push(Failure {
                index: start + index,
                error,
            });
        }
    }

    /// Reads until the last operation is answered or no further answer can come.
    fn read_answers(
        &mut self,
        request: Request,
        first: u32,
        outcomes: &mut [Option<Ack>],
    ) -> Option<Trouble> {
        let mut trouble = None;
        let mut wait = Wait::Block;
        // Each answer may come in a datagram of its own, after stale ones.
        for _ in 0..outcomes.len() + MAX_CHUNK {
            match self.main.receive(request, wait) {
                Ok(Received::Datagram) => {}
                Ok(Received::Lost) => {
                    // Datagrams queued earlier are still there; nothing more will come.
                    trouble = Some(Trouble::Lost);
                    wait = Wait::Poll;
                    continue;
                }
                Ok(Received::Nothing) => {
                    return trouble.or_else(|| {
                        self.main.set_dirty();
                        Some(Trouble::Other(self.main.no_answer(request)))
                    });
                }
                Err(error) => return Some(Trouble::Other(error)),
            }
            let mut broken = None;
            for message in self.main.messages(first) {
                let message = match message {
                    Ok(message) => message,
                    Err(source) => {
                        broken = Some(source);
                        break;
                    }
                };
                let outcome = match message.answer {
                    Content::Ack => Ack::Done,
                    Content::Refused(errno) => Ack::Refused(errno),
                    Content::Nothing => continue,
                    other => {
                        broken = Some(other.unexpected());
                        break;
                    }
                };
                let index = usize::try_from(message.sequence.wrapping_sub(first));
                if let Some(place) = index.ok().and_then(|index| outcomes.get_mut(index)) {
                    *place = Some(outcome);
                }
            }
            if let Some(source) = broken {
                self.main.set_dirty();
                return Some(Trouble::Other(Error::BadAnswer { request, source }));
            }
            if matches!(outcomes.last(), Some(Some(_))) && trouble.is_none() {
                return None;
            }
        }
        self.main.set_dirty();
        trouble.or_else(|| Some(Trouble::Other(self.main.no_answer(request))))
    }

    /// `ENOENT` can mean a missing object or a missing family (`genl_rcv_msg`). If the family is
    /// gone, or has a new number because the module was reloaded, that is the reason. The
    /// operations are not sent again: the tables they were meant for are gone too.
    fn explain_missing_module(&mut self, failures: &mut [Failure]) {
        let is_missing = |failure: &Failure| matches!(&failure.error, Error::Refused(refusal) if refusal.errno == Errno::ENOENT);
        let Some(request) = failures
            .iter()
            .find(|failure| is_missing(failure))
            .and_then(|first| first.error.request())
        else {
            return;
        };
        if matches!(self.resolve(request), Ok(true) | Err(Error::NoIpvs { .. })) {
            for failure in failures.iter_mut().filter(|failure| is_missing(failure)) {
                if let Some(request) = failure.error.request() {
                    failure.error = Error::NoIpvs { request };
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Ack {
    Done,
    Refused(Errno),
}

/// The reason for missing answers.
enum Trouble {
    Lost,
    Other(Error),
}

impl Error {
    /// The same reason for another operation of the chunk.
    fn for_request(&self, request: Request) -> Self {
        match self {
            Self::NoAnswer { seconds, .. } => Self::NoAnswer {
                request,
                seconds: *seconds,
            },
            Self::BadAnswer { source, .. } => Self::BadAnswer {
                request,
                source: source.clone(),
            },
            Self::Socket { source, .. } => {
                let source = source
                    .raw_os_error()
                    .map_or_else(|| source.kind().into(), std::io::Error::from_raw_os_error);
                Self::Socket { request, source }
            }
            _ => Self::AnswerLost { request },
        }
    }
}

/// Whether the kernel may carry out the last operation without any answer. `kthread_stop` returns
/// EINTR for a daemon that was stopped before it ever ran, and netlink does not answer EINTR
/// (`netlink_rcv_skb`); it always acknowledges an empty message sent behind it.
fn may_be_silent(operations: &[Operation]) -> bool {
    matches!(operations.last(), Some(Operation::StopDaemon(_)))
}

fn is_too_long(error: &std::io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno),
        Some(Errno::EMSGSIZE | Errno::ENOBUFS | Errno::ENOMEM)
    )
}

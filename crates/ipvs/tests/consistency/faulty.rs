//! A transport that loses, repeats, truncates and corrupts datagrams, and rejects long ones.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipvs::Errno;
use ipvs::fake::FakeKernel;
use ipvs::transport::{Transport, Wait};

/// What happens to the next datagram.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    /// The kernel reports this error before the datagram.
    Error(Errno),
    /// The kernel drops it and reports ENOBUFS.
    Lose,
    /// The datagram does not arrive, without an error.
    Swallow,
    /// The datagram is longer than the buffer.
    TooLong,
    /// These bytes arrive first.
    Before(Vec<u8>),
    /// Every answer to an earlier request arrives again first.
    Replay,
    /// The function changes the datagram.
    Edit(fn(&mut Vec<u8>)),
}

/// Decides what happens to the next datagram, given the number received so far.
type Plan = Box<dyn FnMut(usize) -> Option<Spoil> + Send>;

struct Shared {
    plan: Plan,
    received: Vec<Vec<u8>>,
    /// How many datagrams had arrived when the last request was sent.
    answered: usize,
    /// Datagrams that arrive before the kernel's own next one.
    ahead: Vec<Vec<u8>>,
    calls: usize,
    longest: usize,
    sent: Vec<usize>,
}

/// A faulty socket.
#[derive(Clone)]
pub(crate) struct Faulty {
    kernel: FakeKernel,
    shared: Arc<Mutex<Shared>>,
}

impl Faulty {
    /// Calls the plan before each datagram, with the number of earlier calls.
    pub(crate) fn new(
        kernel: &FakeKernel,
        plan: impl FnMut(usize) -> Option<Spoil> + Send + 'static,
    ) -> Self {
        let shared = Shared {
            plan: Box::new(plan),
            received: Vec::new(),
            answered: 0,
            ahead: Vec::new(),
            calls: 0,
            longest: usize::MAX,
            sent: Vec::new(),
        };
        Self {
            kernel: kernel.clone(),
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// The longest datagram that can be sent.
    pub(crate) fn set_send_limit(&self, longest: usize) {
        self.shared.lock().unwrap().longest = longest;
    }

    /// The lengths of the datagrams sent.
    pub(crate) fn sent(&self) -> Vec<usize> {
        self.shared.lock().unwrap().sent.clone()
    }

    /// How often the client asked for a datagram.
    pub(crate) fn calls(&self) -> usize {
        self.shared.lock().unwrap().calls
    }
}

fn fill(buffer: &mut Vec<u8>, datagram: &[u8]) -> usize {
    buffer.clear();
    let fits = datagram.len().min(buffer.capacity());
    buffer.extend_from_slice(&datagram[..fits]);
    datagram.len()
}

impl Transport for Faulty {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let mut shared = self.shared.lock().unwrap();
        if datagram.len() > shared.longest {
            return Err(io::Error::from_raw_os_error(Errno::EMSGSIZE.0));
        }
        shared.sent.push(datagram.len());
        shared.answered = shared.received.len();
        self.kernel.send(datagram)
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        let mut shared = self.shared.lock().unwrap();
        if !shared.ahead.is_empty() {
            let first = shared.ahead.remove(0);
            return Ok(fill(buffer, &first));
        }
        let call = shared.calls;
        shared.calls += 1;
        match (shared.plan)(call) {
            Some(Spoil::Error(errno)) => return Err(io::Error::from_raw_os_error(errno.0)),
            Some(Spoil::Lose) => {
                let _ = self.kernel.receive(buffer, wait);
                return Err(io::Error::from_raw_os_error(Errno::ENOBUFS.0));
            }
            Some(Spoil::Swallow) => {
                let _ = self.kernel.receive(buffer, wait);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Some(Spoil::TooLong) => {
                self.kernel.receive(buffer, wait)?;
                return Ok(buffer.capacity() + 1);
            }
            Some(Spoil::Before(datagram)) => return Ok(fill(buffer, &datagram)),
            Some(Spoil::Replay) if shared.answered > 0 => {
                shared.ahead = shared.received[..shared.answered].to_vec();
                let first = shared.ahead.remove(0);
                return Ok(fill(buffer, &first));
            }
            None | Some(Spoil::Replay) => {}
            Some(Spoil::Edit(edit)) => {
                self.kernel.receive(buffer, wait)?;
                edit(buffer);
                return Ok(buffer.len());
            }
        }
        let length = self.kernel.receive(buffer, wait)?;
        shared.received.push(buffer.clone());
        Ok(length)
    }

    fn acknowledgement_room(&self) -> usize {
        self.kernel.acknowledgement_room()
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(7)
    }

    fn second(&self) -> io::Result<Option<Self>> {
        let Some(kernel) = self.kernel.second()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            kernel,
            ..self.clone()
        }))
    }
}

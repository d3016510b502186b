//! A transport that loses, repeats, cuts and spoils datagrams, and refuses long ones.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipvs::Errno;
use ipvs::fake::FakeKernel;
use ipvs::transport::{Transport, Wait};

/// What happens to the datagram that is to be received next.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    /// The kernel says this first; the datagram comes after it.
    Error(Errno),
    /// It is dropped, and the kernel says ENOBUFS.
    Lose,
    /// It does not come, and nothing is said.
    Swallow,
    /// It is longer than the buffer.
    TooLong,
    /// These bytes come first.
    Before(Vec<u8>),
    /// Every answer to an earlier request comes again first.
    Replay,
    /// It is changed.
    Edit(fn(&mut Vec<u8>)),
}

/// Decides, by the datagrams received so far, what happens to the next.
type Plan = Box<dyn FnMut(usize) -> Option<Spoil> + Send>;

struct Shared {
    plan: Plan,
    received: Vec<Vec<u8>>,
    /// How many had been received when the last request was sent.
    answered: usize,
    /// What comes before the kernel's own next datagram.
    ahead: Vec<Vec<u8>>,
    calls: usize,
    longest: usize,
    sent: Vec<usize>,
}

/// A socket on which things go wrong.
#[derive(Clone)]
pub(crate) struct Faulty {
    kernel: FakeKernel,
    shared: Arc<Mutex<Shared>>,
}

impl Faulty {
    /// The plan is asked before each datagram; the number is how often it was asked.
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

    /// How long the datagrams were that were sent.
    pub(crate) fn sent(&self) -> Vec<usize> {
        self.shared.lock().unwrap().sent.clone()
    }

    /// How often a datagram was asked for.
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

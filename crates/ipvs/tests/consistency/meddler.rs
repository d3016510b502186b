//! A transport that lets another program change the tables between two pieces of a dump, where the
//! kernel holds no lock.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipvs::fake::FakeKernel;
use ipvs::transport::{Transport, Wait};
use ipvs::{Operation, Query, Request, Server, ServiceKey};

/// The moment at which the meddler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The number of the dump, from 0, of servers or services, on either socket.
    pub(crate) reading: usize,
    /// The number of pieces of it that the kernel has written.
    pub(crate) pieces: usize,
}

/// The meddler's access to the tables.
pub(crate) struct Hands<'a> {
    kernel: &'a FakeKernel,
    history: &'a mut Vec<Vec<Server>>,
    service: ServiceKey,
}

impl Hands<'_> {
    /// Carries out an operation and ignores its result.
    pub(crate) fn carry_out(&mut self, operation: &Operation) {
        if self.kernel.meddle(operation).is_ok() {
            self.history.push(servers(self.kernel, &self.service));
        }
    }

    /// The current servers.
    pub(crate) fn servers(&self) -> Vec<Server> {
        servers(self.kernel, &self.service)
    }
}

fn servers(kernel: &FakeKernel, key: &ServiceKey) -> Vec<Server> {
    let entries = kernel.servers(key);
    entries.into_iter().map(|entry| entry.server).collect()
}

type Meddle = Box<dyn FnMut(Moment, &mut Hands<'_>) + Send>;

struct Shared {
    meddle: Meddle,
    history: Vec<Vec<Server>>,
    readings: usize,
}

/// A socket to a kernel that another program writes to as well.
#[derive(Clone)]
pub(crate) struct Meddler {
    kernel: FakeKernel,
    service: ServiceKey,
    shared: Arc<Mutex<Shared>>,
    moment: Option<Moment>,
}

impl Meddler {
    pub(crate) fn new(
        kernel: &FakeKernel,
        service: ServiceKey,
        meddle: impl FnMut(Moment, &mut Hands<'_>) + Send + 'static,
    ) -> Self {
        let shared = Shared {
            meddle: Box::new(meddle),
            history: vec![servers(kernel, &service)],
            readings: 0,
        };
        Self {
            kernel: kernel.clone(),
            service,
            shared: Arc::new(Mutex::new(shared)),
            moment: None,
        }
    }

    /// Every state that the list of servers has had.
    pub(crate) fn history(&self) -> Vec<Vec<Server>> {
        self.shared.lock().unwrap().history.clone()
    }

    /// The number of dumps started.
    pub(crate) fn readings(&self) -> usize {
        self.shared.lock().unwrap().readings
    }
}

impl Transport for Meddler {
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.kernel.send(datagram)?;
        let dumps = matches!(
            self.kernel.log().last(),
            Some(Request::Query(Query::Services | Query::Servers(_)))
        );
        self.moment = dumps.then(|| {
            let mut shared = self.shared.lock().unwrap();
            shared.readings += 1;
            Moment {
                reading: shared.readings - 1,
                pieces: 1,
            }
        });
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> io::Result<usize> {
        // Reading a piece makes the kernel write the next, so a change made here comes between the
        // two.
        if let Some(moment) = &mut self.moment {
            let mut shared = self.shared.lock().unwrap();
            let Shared {
                meddle, history, ..
            } = &mut *shared;
            let mut hands = Hands {
                kernel: &self.kernel,
                history,
                service: self.service,
            };
            meddle(*moment, &mut hands);
            moment.pieces += 1;
        }
        self.kernel.receive(buffer, wait)
    }

    fn acknowledgement_room(&self) -> usize {
        self.kernel.acknowledgement_room()
    }

    fn time_limit(&self) -> Duration {
        self.kernel.time_limit()
    }

    fn second(&self) -> io::Result<Option<Self>> {
        let Some(kernel) = self.kernel.second()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            kernel,
            moment: None,
            ..self.clone()
        }))
    }
}

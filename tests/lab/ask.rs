//! Clients: requests counted by the server that answered, and connections held open.

use std::{
    collections::BTreeMap,
    fmt,
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use socket2::Socket;

use super::{
    netns::Netns,
    pace::paced,
    traffic::{Failure, Protocol},
};

/// The default timeout of a client for a connection and for each answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The timeout of a series of requests, [`paced`], after which the rest is given up: a service that
/// swallows everything would otherwise hold a test for minutes.
const SERIES: Duration = Duration::from_secs(30);

/// A request to a service for the server's name.
#[derive(Debug, Clone)]
pub(crate) struct Ask<'a> {
    netns: &'a Netns,
    protocol: Protocol,
    service: SocketAddr,
    from: Vec<IpAddr>,
    port: u16,
    times: usize,
    mark: u32,
    patience: Duration,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        netns: &'a Netns,
        protocol: Protocol,
        service: SocketAddr,
        own: Vec<IpAddr>,
    ) -> Self {
        let from = own.into_iter().take(1).collect();
        Self {
            netns,
            protocol,
            service,
            from,
            port: 0,
            times: 1,
            mark: 0,
            patience: PATIENCE,
        }
    }

    /// Repeats the request, each time from a new socket.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Uses these addresses in turn instead of the host's first: `.from(client.addresses(V4))`.
    pub(crate) fn from(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.from = addresses.into_iter().collect();
        self
    }

    /// Uses this source port. More than one TCP request from it meets its own `TIME_WAIT`, unless
    /// the addresses differ.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Marks its packets where they leave.
    pub(crate) fn mark(mut self, mark: u32) -> Self {
        self.mark = mark;
        self
    }

    /// Sets the timeout, instead of 5 seconds, for the connection and for each answer.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends the requests one after the other. After half a minute the rest is
    /// [`Failure::GivenUp`].
    pub(crate) fn run(&self) -> Answers {
        let start = Instant::now();
        self.netns.enter(|| {
            let answers = (0..self.times).map(|round| self.once(round, start.elapsed()));
            Answers(answers.collect())
        })
    }

    /// Sends one request, from the address of this round.
    pub(crate) fn round(&self, round: usize) -> Answer {
        self.netns.enter(|| self.once(round, Duration::ZERO))
    }

    /// Connects and leaves the connection open.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        self.netns.enter(|| self.open(self.source(0)))
    }

    /// As many connections as [`Ask::times`] says, all open at the same time.
    pub(crate) fn connect_all(&self) -> Result<Vec<Connection>, Failure> {
        self.netns.enter(|| {
            (0..self.times)
                .map(|round| self.open(self.source(round)))
                .collect()
        })
    }

    fn once(&self, round: usize, elapsed: Duration) -> Answer {
        let source = self.source(round);
        let by = if elapsed < paced(SERIES) {
            self.open(source)
                .and_then(|mut connection| connection.ask())
        } else {
            Err(Failure::GivenUp)
        };
        Answer {
            from: source.ip(),
            by,
        }
    }

    /// The source of this round's request. The kernel chooses ports randomly, and a UDP port that
    /// is reused within minutes meets the entry of its first flow: ports are therefore counted up,
    /// through all tests.
    fn source(&self, round: usize) -> SocketAddr {
        assert!(
            !self.from.is_empty(),
            "no address of the family of {} to ask from",
            self.service
        );
        let port = if self.port == 0 {
            next_port()
        } else {
            self.port
        };
        (self.from[round % self.from.len()], port).into()
    }

    fn open(&self, source: SocketAddr) -> Result<Connection, Failure> {
        let socket = self.protocol.socket(self.service)?;
        socket.set_reuse_address(true)?;
        if self.mark != 0 {
            socket.set_mark(self.mark)?;
        }
        socket.bind(&source.into())?;
        socket.set_read_timeout(Some(self.patience))?;
        socket.set_write_timeout(Some(self.patience))?;
        socket.connect_timeout(&self.service.into(), self.patience)?;
        Ok(Connection { socket })
    }
}

/// The next source port, from 10000 on, in rotation.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 50_000
}

/// An open connection; for UDP a flow, one socket that keeps its port. Closed when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
}

impl Connection {
    /// Requests the server's name, which also proves that the connection lives.
    pub(crate) fn ask(&mut self) -> Result<String, Failure> {
        self.say(b"?\n")
    }

    /// Sends a message of one line (for UDP: any packet), and returns the answer.
    pub(crate) fn say(&mut self, message: &[u8]) -> Result<String, Failure> {
        self.socket.write_all(message)?;
        let mut answer = Vec::new();
        let mut buffer = [0; 256];
        // Names are short: a longer text is not an answer.
        while !answer.ends_with(b"\n") && answer.len() < 1024 {
            match self.socket.read(&mut buffer)? {
                0 => return Err(Failure::Closed),
                read => answer.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    /// This end's address and port.
    pub(crate) fn source(&self) -> SocketAddr {
        let own = self
            .socket
            .local_addr()
            .ok()
            .and_then(|own| own.as_socket());
        own.expect("a connected socket has an address")
    }

    /// Ends sending (FIN, SHUTDOWN) but keeps receiving.
    pub(crate) fn half_close(&self) -> Result<(), Failure> {
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Ends it with a reset instead of an orderly close.
    pub(crate) fn reset(self) -> Result<(), Failure> {
        Ok(self.socket.set_linger(Some(Duration::ZERO))?)
    }

    /// The socket, for other operations.
    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }
}

/// The result of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The source address.
    pub(crate) from: IpAddr,
    /// The name of the server that answered.
    pub(crate) by: Result<String, Failure>,
}

/// The results of all requests, in order.
///
/// Printed as a sum, `real1=20 real2=39 timeout=1`: servers first, then failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers(pub(crate) Vec<Answer>);

impl Answers {
    /// The number of answers from this server.
    pub(crate) fn by(&self, name: &str) -> usize {
        self.0
            .iter()
            .filter(|answer| answer.by.as_deref() == Ok(name))
            .count()
    }

    /// The number of answers per server, by name, without servers that never answered.
    pub(crate) fn counts(&self) -> BTreeMap<&str, usize> {
        count(self.0.iter().filter_map(|answer| answer.by.as_deref().ok()))
    }

    /// The failures, counted.
    pub(crate) fn failures(&self) -> BTreeMap<&Failure, usize> {
        count(self.0.iter().filter_map(|answer| answer.by.as_ref().err()))
    }

    /// The server of each request in order; failures in their own words.
    pub(crate) fn sequence(&self) -> Vec<String> {
        let word = |answer: &Answer| {
            answer
                .by
                .clone()
                .unwrap_or_else(|failure| failure.to_string())
        };
        self.0.iter().map(word).collect()
    }

    /// The servers that answered each source address; with persistence, one for each.
    pub(crate) fn by_source(&self) -> BTreeMap<IpAddr, BTreeMap<&str, usize>> {
        let mut sources = BTreeMap::<_, BTreeMap<_, _>>::new();
        for answer in &self.0 {
            if let Ok(name) = &answer.by {
                *sources
                    .entry(answer.from)
                    .or_default()
                    .entry(name.as_str())
                    .or_default() += 1;
            }
        }
        sources
    }
}

fn count<T: Ord>(items: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self
            .counts()
            .into_iter()
            .map(|(name, n)| format!("{name}={n}"));
        let failures = self
            .failures()
            .into_iter()
            .map(|(failure, n)| format!("{failure}={n}"));
        f.write_str(&servers.chain(failures).collect::<Vec<_>>().join(" "))
    }
}

//! Servers that answer with their names.
//!
//! A server answers every line (TCP, SCTP) or packet (UDP) with its name and a newline; connections
//! stay open until the client closes them. One thread serves them all, so that a server costs one
//! thread however many clients it has.

use std::{
    io::{self, Read, Write},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::traffic::Protocol;

/// A running server. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub(crate) struct Server {
    counters: Arc<Counters>,
    /// Closing this wakes the thread for the last time.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicUsize,
    open: AtomicUsize,
    answers: AtomicUsize,
}

impl Server {
    /// Starts a server in the namespace of the calling thread.
    pub(super) fn start(
        protocol: Protocol,
        addresses: &[SocketAddr],
        name: &str,
    ) -> io::Result<Self> {
        let listeners = addresses
            .iter()
            .map(|at| listener(protocol, *at))
            .collect::<io::Result<_>>()?;
        let (stop, stopped) = UnixStream::pair()?;
        let counters = Arc::new(Counters::default());
        let work = Work {
            protocol,
            answer: format!("{name}\n").into_bytes(),
            listeners,
            connections: Vec::new(),
            counters: Arc::clone(&counters),
        };
        let thread = thread::Builder::new()
            .name(format!("{name}-{protocol}"))
            .spawn(move || work.run(&stopped))?;
        Ok(Self {
            counters,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The number of connections accepted so far; always 0 for UDP.
    pub(crate) fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::SeqCst)
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.counters.open.load(Ordering::SeqCst)
    }

    /// The number of answered requests.
    pub(crate) fn answers(&self) -> usize {
        self.counters.answers.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panics only if the test has failed anyway; avoid a second panic while dropping.
            let _ = thread.join();
        }
    }
}

fn listener(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    let socket = protocol.socket(address)?;
    socket.set_reuse_address(true)?;
    bind(&socket, address)?;
    if protocol != Protocol::Udp {
        socket.listen(512)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Binds the port, even one of a server that was just dropped: a process started by another thread
/// has copies of all sockets between its fork and its exec, and keeps the port taken.
fn bind(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    for _ in 0..100 {
        match socket.bind(&address.into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
    socket.bind(&address.into())
}

/// The thread's own state.
struct Work {
    protocol: Protocol,
    answer: Vec<u8>,
    listeners: Vec<Socket>,
    connections: Vec<Socket>,
    counters: Arc<Counters>,
}

impl Work {
    fn run(mut self, stopped: &UnixStream) {
        loop {
            let (stop, ready) = self.wait(stopped);
            if stop {
                return;
            }
            let (new, old) = ready.split_at(self.listeners.len());
            self.serve_connections(old);
            for (listener, _) in self.listeners.iter().zip(new).filter(|(_, ready)| **ready) {
                if self.protocol == Protocol::Udp {
                    self.answer_datagrams(listener);
                } else {
                    self.connections.extend(self.accept(listener));
                }
            }
            self.counters
                .open
                .store(self.connections.len(), Ordering::SeqCst);
        }
    }

    /// Which sockets are readable: first the listeners, then the connections.
    fn wait(&self, stopped: &UnixStream) -> (bool, Vec<bool>) {
        let sockets = self
            .listeners
            .iter()
            .chain(&self.connections)
            .map(AsFd::as_fd);
        let mut polled: Vec<PollFd<'_>> = [stopped.as_fd()]
            .into_iter()
            .chain(sockets)
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        poll(&mut polled, PollTimeout::NONE).expect("sockets of our own can be polled");
        let mut ready = polled.iter().map(|fd| fd.any().unwrap_or(true));
        (ready.next().unwrap_or(true), ready.collect())
    }

    fn accept(&self, listener: &Socket) -> Vec<Socket> {
        let accepted: Vec<Socket> = std::iter::from_fn(|| listener.accept().ok())
            .map(|(socket, _)| socket)
            .filter(|socket| socket.set_nonblocking(true).is_ok())
            .collect();
        self.counters
            .accepted
            .fetch_add(accepted.len(), Ordering::SeqCst);
        accepted
    }

    fn serve_connections(&mut self, ready: &[bool]) {
        let mut ready = ready.iter();
        let (answer, counters) = (&self.answer, &self.counters);
        self.connections.retain_mut(|connection| {
            !ready.next().copied().unwrap_or(false) || answer_lines(connection, answer, counters)
        });
    }

    fn answer_datagrams(&self, socket: &Socket) {
        let mut buffer = [MaybeUninit::uninit(); 2048];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            // Count first: a client that has its answer finds it counted.
            self.counters.answers.fetch_add(1, Ordering::SeqCst);
            let _ = socket.send_to(&self.answer, &from);
        }
    }
}

/// Answers what a connection has sent; `false` when it is over.
fn answer_lines(connection: &mut Socket, answer: &[u8], counters: &Counters) -> bool {
    let mut buffer = [0; 4096];
    let read = match connection.read(&mut buffer) {
        Ok(0) => return false,
        Ok(read) => read,
        Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
    };
    let lines = buffer[..read].iter().filter(|byte| **byte == b'\n').count();
    (0..lines).all(|_| {
        counters.answers.fetch_add(1, Ordering::SeqCst);
        connection.write_all(answer).is_ok()
    })
}

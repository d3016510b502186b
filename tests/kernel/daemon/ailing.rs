//! A real server that can fail in realistic ways.
//!
//! It answers a line with its name, as the lab's servers do, and `GET` with 200, on one port.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::lab::{Host, V4, paced_ms};

/// The state of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// HTTP gets a 500, others only the end of the connection.
    Broken,
    /// It accepts, and never sends anything.
    Hung,
    /// Its answers come one byte per second ([`paced_ms`]): later than any timeout.
    Dripping,
}

/// A running server. Dropping it acts as the death of its process: connections and port are closed.
#[derive(Debug)]
pub(super) struct Ailing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    health: Mutex<Health>,
    over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Ailing {
    /// Starts a healthy one on the first IPv4 address of a host.
    pub(super) fn start(host: &Host, port: u16) -> Self {
        let at = (host.address(V4), port);
        // The port is free once the last process with a copy of the socket has dropped it.
        let listener = crate::lab::eventually("the port is free", || {
            host.enter(|| TcpListener::bind(at)).ok()
        });
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared {
            name: host.name().to_owned(),
            health: Mutex::new(Health::Well),
            over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let own = shared.clone();
        let thread = thread::spawn(move || own.accept(&listener));
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Makes it fail, or recover.
    pub(super) fn be(&self, health: Health) {
        *self.shared.health.lock().unwrap() = health;
    }
}

impl Drop for Ailing {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.over.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            let mut streams = self.streams.lock().unwrap();
            streams.retain(|stream| stream.peer_addr().is_ok());
            streams.push(stream.try_clone().unwrap());
            let own = self.clone();
            thread::spawn(move || {
                let _ = own.converse(&stream);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    }

    /// Answers until the client disconnects.
    fn converse(&self, mut stream: &TcpStream) -> io::Result<()> {
        let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            request.extend_from_slice(&buffer[..read]);
            let is_http = request.starts_with(b"GET ");
            let end: &[u8] = if is_http { b"\r\n\r\n" } else { b"\n" };
            if !request.ends_with(end) {
                continue;
            }
            request.clear();
            let health = *self.health.lock().unwrap();
            let answer = match (is_http, health) {
                (true, Health::Broken) => response("500 Internal Server Error", "out of order"),
                (true, _) => response("200 OK", &self.name),
                (false, Health::Broken) => return Ok(()),
                (false, _) => format!("{}\n", self.name),
            };
            match health {
                Health::Hung => {}
                Health::Dripping => {
                    for byte in answer.bytes() {
                        thread::sleep(paced_ms(1_000));
                        stream.write_all(&[byte])?;
                    }
                }
                Health::Well | Health::Broken => stream.write_all(answer.as_bytes())?,
            }
            if is_http {
                return Ok(());
            }
        }
    }
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

//! Servers on loopback, each on a port chosen by the kernel.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// A server that calls `answer` with each connection, each on its own thread. It lives as long as
/// the test's process.
pub(crate) fn serve(answer: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    at
}

/// Sends this, then nothing until the client disconnects.
pub(crate) fn says(text: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.write_all(text);
        wait_for_end(stream);
    })
}

/// Sends one byte per quarter of a second, so that no single read is slow.
pub(crate) fn says_slowly(text: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        for byte in text {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(250));
        }
    })
}

/// Accepts, and sends nothing.
pub(crate) fn hangs() -> SocketAddr {
    serve(wait_for_end)
}

/// Accepts, and resets the connection.
pub(crate) fn resets() -> SocketAddr {
    serve(|stream| {
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
}

/// A closed port.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A listener with a full queue, so that packets to it get no answer, as long as this lives.
pub(crate) struct Full {
    pub(crate) at: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl Full {
    pub(crate) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap().as_socket().unwrap();
        let queued = (0..8)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&at.into());
                socket
            })
            .collect();
        Self {
            at,
            _listener: listener,
            _queued: queued,
        }
    }
}

pub(crate) fn wait_for_end(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

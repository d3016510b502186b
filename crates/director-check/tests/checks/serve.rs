//! Servers on loopback, each on a port that the kernel chooses.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// A server that does `answer` with each connection, each on a thread of its own. It lives as long
/// as the test's process.
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

/// Says this, and then nothing until the other side goes.
pub(crate) fn says(text: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.write_all(text);
        wait_for_end(stream);
    })
}

/// Says one byte of it a quarter of a second, so that no single read is slow.
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

/// Accepts, and says nothing.
pub(crate) fn hangs() -> SocketAddr {
    serve(wait_for_end)
}

/// Accepts, and cuts the connection with a reset.
pub(crate) fn resets() -> SocketAddr {
    serve(|stream| {
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
}

/// A port on which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A listener whose queue is full, so that packets to it get no answer. It is so while this lives.
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

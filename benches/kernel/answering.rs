//! A server whose health a measurement sets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use crate::checks::PORT;
use crate::lab::Netns;

/// An HTTP server that answers 200 or 503.
pub(crate) struct Answering {
    shared: Arc<Said>,
    thread: thread::JoinHandle<()>,
}

/// The status to send, and when it was first sent.
#[derive(Default)]
struct Said {
    ill: AtomicBool,
    over: AtomicBool,
    news: AtomicBool,
    at: Mutex<Option<Instant>>,
}

impl Answering {
    pub(crate) fn start(net: &Netns) -> Self {
        let shared = Arc::new(Said::default());
        let listener = net.enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap());
        let said = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if said.over.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let mut question = [0; 4096];
                let _ = stream.read(&mut question);
                let is_news = said.news.swap(false, Ordering::SeqCst);
                let status = match said.ill.load(Ordering::SeqCst) {
                    true => "503 Ill",
                    false => "200 OK",
                };
                if is_news {
                    *said.at.lock().unwrap() = Some(Instant::now());
                }
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { shared, thread }
    }

    /// Sets the status to send from now on.
    pub(crate) fn answer(&self, well: bool) {
        self.shared.ill.store(!well, Ordering::SeqCst);
        self.shared.news.store(true, Ordering::SeqCst);
    }

    /// When it first sent the current status.
    pub(crate) fn said(&self) -> Instant {
        self.shared.at.lock().unwrap().take().unwrap()
    }

    pub(crate) fn stop(self, net: &Netns) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(net.enter(|| TcpStream::connect((Ipv4Addr::LOCALHOST, PORT))));
        self.thread.join().unwrap();
    }
}

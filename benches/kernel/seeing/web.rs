//! `director web` and its pages.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::checks::Running;
use crate::director::Daemon;
use crate::lab::Netns;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

pub(super) struct Web(Running);

impl Web {
    pub(super) fn start(net: &Netns, daemon: &Daemon) -> Self {
        let mut command = daemon.command("web --view-socket view.sock");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let web = Self(Running(net.enter(|| command.spawn().unwrap())));
        let end = Instant::now() + PATIENCE;
        while net.enter(|| TcpStream::connect(ADDRESS)).is_err() {
            assert!(Instant::now() < end, "the page does not start");
            thread::sleep(Duration::from_millis(50));
        }
        web
    }

    pub(super) fn stop(mut self) {
        self.0.signal(Signal::SIGTERM);
        self.0.0.wait().unwrap();
    }
}

/// A page that is open, and reads what it gets.
pub(super) struct Page {
    stream: TcpStream,
    news: Receiver<(String, Instant)>,
}

impl Page {
    /// Opens it, and waits for its first news. `query`: `of=overview`, or a service.
    pub(super) fn open(net: &Netns, query: &str) -> Self {
        let stream = net.enter(|| TcpStream::connect(ADDRESS).unwrap());
        let head = format!("GET /api/stream?{query} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n");
        (&stream).write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (sender, news) = mpsc::sync_channel(64);
        thread::spawn(move || {
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                // What the measurement has no time for is not news to it.
                let _ = sender.try_send((std::mem::take(&mut line), Instant::now()));
            }
        });
        let page = Self { stream, news };
        page.until(|line| line.starts_with("data: "));
        page
    }

    /// When it got a line for which this holds.
    pub(super) fn until(&self, holds: impl Fn(&str) -> bool) -> Instant {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (line, at) = self.news.recv_timeout(left).expect("no such news");
            if holds(&line) {
                return at;
            }
        }
    }

    /// Forgets what has come so far.
    pub(super) fn forget(&self) {
        while self.news.try_recv().is_ok() {}
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

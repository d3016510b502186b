//! HTTP by hand.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::site::{PATIENCE, rest};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower-case letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let head = head.to_ascii_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        // What is compressed is no text.
        let body = match head.contains("transfer-encoding: chunked") {
            true if !head.contains("content-encoding: ") => unchunk(body),
            _ => body.to_owned(),
        };
        Self {
            status: status.unwrap_or_else(|| panic!("{text:?}")),
            head,
            body,
        }
    }
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
    whole
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends these bytes and reads to the end of the connection.
pub(crate) fn ask(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    // A server that refuses need not read everything.
    let _ = stream.write_all(bytes);
    Answer::parse(&rest(&mut stream))
}

/// A page's stream.
pub(crate) struct Live {
    lines: BufReader<TcpStream>,
    /// The number of the last news.
    pub(crate) id: String,
}

impl Live {
    /// Opens it; the status, and the stream.
    pub(crate) fn open(address: SocketAddr, query: &str, head: &str) -> (u16, Self) {
        let mut stream = connect(address);
        write!(
            stream,
            "GET /api/stream{query} HTTP/1.1\r\nHost: {address}\r\n{head}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let id = String::new();
        (
            status.unwrap_or_else(|| panic!("{first:?}")),
            Self { lines, id },
        )
    }

    /// The next news: its name and its data; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            // The others are those of the head, and the sizes of pieces.
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.id),
                Some(("event", event)) => event.clone_into(&mut name),
                Some(("data", data)) => return Some((name, serde_json::from_str(data).unwrap())),
                _ => {}
            }
        }
    }

    /// The next news of that name for which something holds.
    pub(crate) fn until(&mut self, wanted: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            let (name, data) = self.next().expect("the stream goes on");
            if name == wanted && holds(&data) {
                return data;
            }
        }
        panic!("no `{wanted}` as it should be");
    }
}

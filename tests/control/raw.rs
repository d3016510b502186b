//! HTTP by hand, independent of the program's own client.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The lines of a stream.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.body.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Kind and message of an error.
    pub(crate) fn error(&self) -> (String, String) {
        let json = self.json();
        let part = |key: &str| json["error"][key].as_str().unwrap().to_owned();
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        (part("kind"), part("message"))
    }
}

pub(crate) fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn get(socket: &Path, path: &str) -> Answer {
    ask(socket, "GET", path, "")
}

pub(crate) fn post(socket: &Path, path: &str, body: &str) -> Answer {
    ask(socket, "POST", path, body)
}

pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = connect(socket);
    let length = body.len();
    // A server that rejects a body need not read it.
    let _ = write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    read(stream)
}

/// Reads an answer up to the end of the connection.
pub(crate) fn read(mut stream: UnixStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is an end too.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Answer {
        status,
        head: head.to_owned(),
        body,
    }
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        text = &rest[size + 2..];
    }
}

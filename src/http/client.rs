//! The client side of the control socket.

use std::fmt::Write;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use hyper::body::Bytes;
use hyper::{Method, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{self, Runtime};

use super::api::Version;
use super::asker::Asker;
use crate::control::operator::{Answer, Refusal};
use crate::net::namespace::Id;

/// A running director, reached through its control socket.
#[derive(Debug)]
pub struct Client {
    asker: Asker,
    runtime: Runtime,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No director listens on the socket.
    #[error(
        "no director is running here (nothing answers on `{socket}`); start it with `director run \
         FILE`, or name its socket with --socket"
    )]
    NotRunning {
        /// The socket's path.
        socket: PathBuf,
    },
    /// The director that listens is in another network namespace.
    #[error("no director is running in this network namespace: {0}")]
    Elsewhere(Refusal),
    /// This user may not use the socket.
    #[error("permission denied on `{socket}`: only {who} may use it")]
    Denied {
        /// The socket's path.
        socket: PathBuf,
        /// Those who may use it.
        who: String,
    },
    /// The director refused the request.
    #[error("{0}")]
    Refused(Refusal),
    /// This program cannot parse the answer.
    #[error("cannot parse the answer on `{socket}`: {cause}{}", other(.version.as_deref()))]
    Strange {
        /// The socket's path.
        socket: PathBuf,
        /// What is wrong with the answer.
        cause: String,
        /// The version of the director that answered, if it sent one.
        version: Option<String>,
    },
    /// The connection timed out or broke off.
    #[error("lost the connection to the director on `{socket}`: {cause}")]
    Lost {
        /// The socket's path.
        socket: PathBuf,
        /// What happened to the connection.
        cause: String,
    },
    /// This program could not send the request.
    #[error("cannot use the control socket")]
    Io(#[from] io::Error),
}

impl Client {
    /// A client of the director at this socket. Does not connect yet.
    ///
    /// # Errors
    /// If the system has no free descriptors.
    pub fn new(socket: &Path) -> Result<Self, ClientError> {
        Self::of(socket, None)
    }

    /// Like [`Client::new`], for one network namespace: a director of another one refuses every
    /// request.
    ///
    /// # Errors
    /// If the system has no free descriptors.
    pub fn of(socket: &Path, namespace: Option<Id>) -> Result<Self, ClientError> {
        Ok(Self {
            asker: Asker::of(socket, namespace),
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// The same client, which reads from the view socket if this user may not use the control
    /// socket.
    #[must_use]
    pub fn or_view(mut self, view: PathBuf) -> Self {
        self.asker.or_view(view);
        self
    }

    /// The running director's version; `None` if none is running.
    ///
    /// # Errors
    /// [`ClientError`], except [`ClientError::NotRunning`].
    pub fn version(&self) -> Result<Option<Version>, ClientError> {
        match self.get("/v1/version") {
            Ok(version) => Ok(Some(version)),
            Err(ClientError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a resource, such as `/v1/status`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.runtime.block_on(self.asker.get(path))
    }

    /// Reads a text of this media type, such as `/metrics`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub fn text(&self, path: &str, media_type: &str) -> Result<Bytes, ClientError> {
        self.runtime.block_on(async {
            let request = Request::get(path).header(hyper::header::ACCEPT, media_type);
            let response = self.asker.send(request, Bytes::new()).await?;
            self.asker.collect(response).await
        })
    }

    /// Sends a request that changes something.
    ///
    /// # Errors
    /// Any [`ClientError`]; with [`ClientError::Refused`] nothing was changed.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        let body = serde_json::to_vec(body).map_err(io::Error::other)?;
        self.runtime
            .block_on(self.asker.whole(Method::POST, path, body.into()))
    }

    /// Reads a stream of lines until it ends or `each` has enough.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Lost`] if the director went away.
    pub fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.runtime.block_on(self.asker.lines(path, each))
    }
}

/// A query string with these parameters and its question mark; empty if there are none.
#[must_use]
pub fn query(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in parameters {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(key);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                // Unreserved: RFC 3986, section 2.3.
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(char::from(byte));
                }
                // Writing to a String cannot fail.
                _ => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
        }
    }
    text
}

/// The advice for a director of another version.
fn other(version: Option<&str>) -> String {
    let own = env!("CARGO_PKG_VERSION");
    match version {
        Some(version) if version != own => format!(
            "; the director is version {version}, this program is {own}: restart the director, or \
             use its own program"
        ),
        Some(_) => String::new(),
        None => "; is this a director's socket?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// A client, and a server that closes its first connection and answers the second.
    fn after_a_close(talk: impl FnOnce(&Client)) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = thread::spawn(move || {
            drop(listener.accept().unwrap());
            let (mut second, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = second.read(&mut request).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n7";
            second.write_all(answer).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        talk(&Client::new(&socket).unwrap());
        assert!(server.join().unwrap().starts_with("GET "));
    }

    #[test]
    fn a_director_that_closes_before_its_answer_is_asked_again() {
        after_a_close(|client| assert_eq!(client.get::<u8>("/v1/status").unwrap(), 7));
    }

    #[test]
    fn a_director_that_stops_resets_no_client_that_connects() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let client = Client::new(&socket).unwrap();
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    drop(UnixListener::bind(&socket).unwrap());
                    std::fs::remove_file(&socket).unwrap();
                }
            });
            let errors = (0..40_000).filter_map(|_| {
                let connected = client.runtime.block_on(client.asker.connect(true));
                connected.err().map(|error| error.kind())
            });
            let expected = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
            let other = errors.into_iter().find(|kind| !expected.contains(kind));
            ended.store(true, Ordering::Relaxed);
            assert_eq!(other, None);
        });
    }

    #[test]
    fn a_change_is_not_sent_twice() {
        after_a_close(|client| {
            let lost = client.post("/v1/drain", &()).unwrap_err();
            assert!(matches!(lost, ClientError::Lost { .. }), "{lost}");
            assert_eq!(client.get::<u8>("/v1/status").unwrap(), 7);
        });
    }

    #[test]
    fn query_strings_keep_what_they_are_given() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&[("service", "tcp://[::1]:80"), ("service", "a&b=\u{e4}")]),
            "?service=tcp%3A%2F%2F%5B%3A%3A1%5D%3A80&service=a%26b%3D%C3%A4"
        );
    }
}

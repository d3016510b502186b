//! The client side of the control socket.

use std::fmt::Write;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, http::request};
use hyper_util::rt::TokioIo;
use nix::unistd::{Gid, Group};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::{self, Runtime};

use super::api::{NAMESPACE_HEADER, Problem, VERSION_HEADER, Version, in_header};
use crate::control::operator::{Answer, Refusal};
use crate::net::namespace::Id;

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The interval between attempts while the socket's queue is full, and after a reset.
const CONNECT_PAUSE: Duration = Duration::from_millis(20);
/// How long an answer may take to begin and to arrive: longer than the server waits for the core.
const TIME: Duration = Duration::from_secs(150);
/// A follower that receives nothing for this long has lost the director: three heartbeats.
const SILENCE: Duration = Duration::from_secs(45);
/// The largest answer, in bytes: ten times that for forty thousand servers.
const SIZE: usize = 512 * 1024 * 1024;
/// The longest line of a stream, in bytes.
const LINE: usize = 1024 * 1024;

/// A running director, reached through its control socket.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    /// The view socket, for reading if this user may not use the other one.
    view: Option<PathBuf>,
    /// The intended network namespace; `None` if the socket alone decides.
    namespace: Option<Id>,
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
            socket: socket.to_owned(),
            view: None,
            namespace,
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// The same client, which reads from the view socket if this user may not use the control
    /// socket.
    #[must_use]
    pub fn or_view(mut self, view: PathBuf) -> Self {
        self.view = Some(view);
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
        self.runtime
            .block_on(self.whole(Method::GET, path, Bytes::new()))
    }

    /// Reads a text of this media type, such as `/metrics`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub fn text(&self, path: &str, media_type: &str) -> Result<Bytes, ClientError> {
        self.runtime.block_on(async {
            let request = Request::get(path).header(hyper::header::ACCEPT, media_type);
            let response = self.send(request, Bytes::new()).await?;
            self.collect(response).await
        })
    }

    /// Sends a request that changes something.
    ///
    /// # Errors
    /// Any [`ClientError`]; with [`ClientError::Refused`] nothing was changed.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        let body = serde_json::to_vec(body).map_err(io::Error::other)?;
        self.runtime
            .block_on(self.whole(Method::POST, path, body.into()))
    }

    /// Reads a stream of lines until it ends or `each` has enough.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Lost`] if the director went away.
    pub fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
        self.runtime.block_on(async {
            let response = self.ask(Method::GET, path, Bytes::new()).await?;
            let version = version_of(&response);
            let mut body = response.into_body();
            let mut text = Vec::new();
            loop {
                let frame = tokio::time::timeout(SILENCE, body.frame()).await;
                let Some(frame) = frame.map_err(|_| self.lost("no data for too long"))? else {
                    return Ok(());
                };
                let frame = frame.map_err(|error| self.lost(&error))?;
                text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let line = serde_json::from_slice(&line)
                        .map_err(|error| self.strange(&error, version.clone()))?;
                    if each(line).is_break() {
                        return Ok(());
                    }
                }
                if text.len() > LINE {
                    return Err(self.strange("a line is too long", version));
                }
            }
        })
    }

    async fn whole<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let response = self.ask(method, path, body).await?;
        let version = version_of(&response);
        let bytes = self.collect(response).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.strange(&error, version))
    }

    /// The answer, unless it is an error.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        self.send(Request::builder().method(method).uri(path), body)
            .await
    }

    async fn send(
        &self,
        request: request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = request.header(hyper::header::HOST, "director");
        if let Some(namespace) = self.namespace {
            request = request.header(NAMESPACE_HEADER, in_header(namespace));
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let mut answer = self.attempt(request.clone()).await?;
        // A director that stops closes connections without an answer, as does one that waited too
        // long for the head of a request. Another director may run by now.
        let closed = answer.as_ref().is_err_and(|error| !error.is_parse());
        if closed && request.method() == Method::GET {
            answer = self.attempt(request).await?;
        }
        let response = answer.map_err(|error| self.lost(&error))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let version = version_of(&response);
        let status = response.status();
        let bytes = self.collect(response).await?;
        Err(match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) if status == StatusCode::MISDIRECTED_REQUEST => {
                ClientError::Elsewhere(problem.error)
            }
            Ok(problem) => ClientError::Refused(problem.error),
            Err(_) => self.strange(&format!("HTTP status {status}"), version),
        })
    }

    /// Sends a request on a connection of its own. The inner error is that of a connection that
    /// ended before the answer.
    async fn attempt(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<hyper::Result<Response<Incoming>>, ClientError> {
        let reads = request.method() == Method::GET;
        let stream = tokio::time::timeout(CONNECT_TIME, self.connect(reads))
            .await
            .map_err(|_| self.lost("it does not accept connections"))?
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.lost(&error))?;
        // Ends with the answer: each connection carries one.
        tokio::spawn(connection);
        tokio::time::timeout(TIME, sender.send_request(request))
            .await
            .map_err(|_| self.lost("it did not answer in time"))
    }

    /// Connects; if the socket's queue is full, as soon as it has room. A director that stops
    /// resets those who wait in the queue: the next attempt says whether another one runs.
    async fn connect(&self, reads: bool) -> io::Result<UnixStream> {
        let again = [io::ErrorKind::WouldBlock, io::ErrorKind::ConnectionReset];
        loop {
            match UnixStream::connect(&self.socket).await {
                Err(error) if again.contains(&error.kind()) => {
                    tokio::time::sleep(CONNECT_PAUSE).await;
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && reads => {
                    let Some(view) = &self.view else {
                        return Err(error);
                    };
                    // The refusal names those who may use the control socket.
                    return UnixStream::connect(view).await.map_err(|_| error);
                }
                connected => return connected,
            }
        }
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = Limited::new(response.into_body(), SIZE).collect();
        let body = tokio::time::timeout(TIME, body).await;
        let body = body.map_err(|_| self.lost("the answer did not end in time"))?;
        Ok(body.map_err(|error| self.lost(&error))?.to_bytes())
    }

    fn unreachable(&self, error: &io::Error) -> ClientError {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => ClientError::Denied {
                who: who_may(&socket),
                socket,
            },
            _ => self.lost(error),
        }
    }

    fn lost(&self, cause: &(impl ToString + ?Sized)) -> ClientError {
        ClientError::Lost {
            socket: self.socket.clone(),
            cause: cause.to_string(),
        }
    }

    fn strange(&self, cause: &(impl ToString + ?Sized), version: Option<String>) -> ClientError {
        ClientError::Strange {
            socket: self.socket.clone(),
            cause: cause.to_string(),
            version,
        }
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

fn version_of(response: &Response<Incoming>) -> Option<String> {
    let version = response.headers().get(VERSION_HEADER)?.to_str().ok()?;
    Some(version.to_owned())
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

fn who_may(socket: &Path) -> String {
    // The directory may be closed to this user too.
    let Ok(found) = std::fs::metadata(socket) else {
        return "root".to_owned();
    };
    match Group::from_gid(Gid::from_raw(found.gid())) {
        Ok(Some(group)) if group.name != "root" => {
            format!("root and members of the group `{}`", group.name)
        }
        _ => "root".to_owned(),
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
                let connected = client.runtime.block_on(client.connect(true));
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

//! What both clients of the director's sockets share, without a runtime of its own: the verbs' and
//! that of `director web`.

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
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::api::{NAMESPACE_HEADER, Problem, VERSION_HEADER, in_header};
use super::client::ClientError;
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

/// Asks the director at a socket.
#[derive(Debug, Clone)]
pub struct Asker {
    socket: PathBuf,
    /// The view socket, for reading if this user may not use the other one.
    view: Option<PathBuf>,
    /// The intended network namespace; `None` if the socket alone decides.
    namespace: Option<Id>,
}

impl Asker {
    /// Asks the director at this socket. Does not connect yet.
    #[must_use]
    pub fn of(socket: &Path, namespace: Option<Id>) -> Self {
        Self {
            socket: socket.to_owned(),
            view: None,
            namespace,
        }
    }

    pub(super) fn or_view(&mut self, view: PathBuf) {
        self.view = Some(view);
    }

    /// Reads a resource, such as `/v1/status`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.whole(Method::GET, path, Bytes::new()).await
    }

    /// Reads a stream of lines until it ends or `each` has enough.
    ///
    /// # Errors
    /// Any [`ClientError`]; [`ClientError::Lost`] if the director went away.
    pub async fn lines<T: DeserializeOwned>(
        &self,
        path: &str,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), ClientError> {
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
    }

    pub(super) async fn whole<T: DeserializeOwned>(
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

    /// Sends a request; the answer, unless it is an error.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn send(
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
    pub(super) async fn connect(&self, reads: bool) -> io::Result<UnixStream> {
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

    pub(super) async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
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

fn version_of(response: &Response<Incoming>) -> Option<String> {
    let version = response.headers().get(VERSION_HEADER)?.to_str().ok()?;
    Some(version.to_owned())
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

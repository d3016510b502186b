//! `grpc.health.v1.Health/Check` reports `SERVING`, over HTTP/2 with TLS or in clear text (h2c).
//!
//! ```text
//!   POST /grpc.health.v1.Health/Check     [0][length, 4 bytes][field 1: service]
//!   200, [0][length][field 1: status]     grpc-status: 0 in the trailers, or in the head alone
//! ```
//!
//! The two messages have one field each, so a protobuf library would be more code than they are.

use std::error::Error as _;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use hyper::rt::Executor;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::http::{authority, without_port};
use super::tls::{self, Protocol};
use crate::failure::{Failure, Passed};
use crate::net::quote;
use director_config::state::health::GrpcCheck;

/// The longest accepted answer, in bytes. A real one has seven.
const LIMIT: usize = 4096;

/// The prefix of a message: a compression flag and its length.
const PREFIX: usize = 5;

pub(super) async fn run(spec: &GrpcCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let usual = authority(attempt.way.to, spec.tls.is_some());
    let host = spec.authority.as_deref().unwrap_or(&usual);
    let request = request(spec, host)?;
    let stream = attempt.connect().await?;
    let (head, message) = match &spec.tls {
        None => exchange(attempt, stream, request).await?,
        Some(tls) => {
            let name = spec.authority.as_deref().map(without_port);
            let configurations = &attempt.means.tls;
            let stream = configurations
                .connect(tls, Protocol::Http2, name, attempt, stream)
                .await?;
            exchange(attempt, stream, request).await?
        }
    };
    judge(&head, &message)
}

/// The HTTP status, and all fields of head and trailers.
struct Head {
    status: u16,
    fields: HeaderMap,
}

async fn exchange(
    attempt: &Attempt<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(Head, Vec<u8>), Failure> {
    attempt.stage("waiting for the answer");
    // hyper starts tasks. They end with the check, however it ends.
    let tasks = Arc::new(Mutex::new(JoinSet::new()));
    let executor = Tasks(Arc::downgrade(&tasks));
    let (mut sender, connection) = http2::Builder::new(executor)
        .max_header_list_size(16 << 10)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    let mut talk = pin!(async { read(sender.send_request(request).await?).await });
    let mut connection = pin!(connection);
    let answer = tokio::select! {
        biased;
        answer = &mut talk => answer,
        _ = &mut connection => talk.await,
    };
    answer.map_err(|error| failure(&error))
}

async fn read(response: Response<Incoming>) -> hyper::Result<(Head, Vec<u8>)> {
    let (head, mut body) = response.into_parts();
    let mut fields = head.headers;
    let mut message = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) if message.len() + data.len() > LIMIT => {
                // Longer than any answer to this request: the received part is enough to report it.
                message.extend_from_slice(&data[..LIMIT - message.len()]);
                break;
            }
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => fields.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let status = head.status.as_u16();
    Ok((Head { status, fields }, message))
}

fn judge(head: &Head, message: &[u8]) -> Result<Passed, Failure> {
    if head.status != 200 {
        return Err(Failure::new(format_args!(
            "HTTP status {}, expected 200",
            head.status
        )));
    }
    let status = head.fields.get("grpc-status").map(HeaderValue::as_bytes);
    match status {
        Some(b"0") => {}
        Some(status) => {
            let name = str::from_utf8(status).ok().and_then(|s| s.parse().ok());
            let name = name.and_then(|code: usize| CODES.get(code));
            let told = head.fields.get("grpc-message").map(HeaderValue::as_bytes);
            let told = told.map_or(String::new(), |told| format!(": {}", quote(told)));
            return Err(Failure::new(match name {
                Some(name) => format!("gRPC status {name}, expected OK{told}"),
                None => format!("gRPC status {}, expected 0{told}", quote(status)),
            }));
        }
        // An incomplete answer may still contain useful information.
        None => match serving(message) {
            Ok(Health::Serving) | Err(_) => {
                return Err(Failure::new("no gRPC status came, expected OK"));
            }
            Ok(_) => {}
        },
    }
    match serving(message) {
        Ok(Health::Serving) => Ok(Passed {
            text: Some("SERVING".into()),
            advice: None,
        }),
        Ok(Health::NotServing) => Err(Failure::new("NOT_SERVING, expected SERVING")),
        Ok(Health::ServiceUnknown) => Err(Failure::new("SERVICE_UNKNOWN, expected SERVING")),
        Ok(Health::Unknown) => Err(Failure::new("UNKNOWN, expected SERVING")),
        Err(why) => Err(Failure::new(format_args!(
            "the answer is not a health message: {why}"
        ))),
    }
}

/// The gRPC codes, indexed by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn request(spec: &GrpcCheck, host: &str) -> Result<Request<Full<Bytes>>, Failure> {
    let scheme = if spec.tls.is_some() { "https" } else { "http" };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(host)
        .path_and_query("/grpc.health.v1.Health/Check")
        .build()
        .map_err(|_| Failure::ours(format!("\"{host}\" is not an authority")))?;
    let message = frame(&health_request(&spec.service))
        .ok_or_else(|| Failure::ours("the service's name is too long".to_owned()))?;
    let mut request = Request::new(Full::new(Bytes::from(message)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Ok(request)
}

/// A message with its prefix.
fn frame(message: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(message.len()).ok()?;
    Some([&[0], length.to_be_bytes().as_slice(), message].concat())
}

/// `HealthCheckRequest`: field 1, a string; omitted if empty.
fn health_request(service: &str) -> Vec<u8> {
    if service.is_empty() {
        return Vec::new();
    }
    let mut message = vec![0x0a];
    let mut length = service.len() as u64;
    while length >= 0x80 {
        message.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    message.push(u8::try_from(length).unwrap_or_default());
    message.extend_from_slice(service.as_bytes());
    message
}

/// `HealthCheckResponse.ServingStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::enum_variant_names,
    reason = "they are called as in health.proto"
)]
enum Health {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
}

/// The meaning of the answer with its prefix.
fn serving(bytes: &[u8]) -> Result<Health, &'static str> {
    let Some((prefix, message)) = bytes.split_first_chunk::<PREFIX>() else {
        return Err("it is too short");
    };
    if prefix[0] != 0 {
        return Err("it is compressed");
    }
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if usize::try_from(length) != Ok(message.len()) {
        return Err("its length is wrong");
    }
    match health_response(message) {
        Some(0) => Ok(Health::Unknown),
        Some(1) => Ok(Health::Serving),
        Some(2) => Ok(Health::NotServing),
        Some(3) => Ok(Health::ServiceUnknown),
        Some(_) => Err("its status is unknown"),
        None => Err("it is broken"),
    }
}

/// `HealthCheckResponse`: field 1, an enum, 0 if omitted. Other fields are skipped, and the last of
/// several values counts, as in protobuf.
fn health_response(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (0, _) => return None,
            (1, 0) => status = varint(&mut message)?,
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The set for hyper's tasks, which ends with the check. A weak reference, since the tasks are in
/// it.
#[derive(Debug, Clone)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .spawn(task);
        }
    }
}

/// The error of an exchange in a few words.
fn failure(error: &hyper::Error) -> Failure {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    Failure::new("closed before the answer was complete")
                }
                _ => tls::failure(error),
            };
        }
        source = cause.source();
    }
    if error.is_incomplete_message() {
        Failure::new("closed before the answer was complete")
    } else if error.is_parse_too_large() {
        Failure::new("the head of the answer is too large")
    } else if error.is_parse() {
        Failure::new("the answer is not HTTP")
    } else if error.is_closed() || error.is_canceled() {
        Failure::new("closed without an answer")
    } else {
        Failure::new(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_one_string_in_a_frame() {
        // Field 1, wire type 2, three bytes: protobuf.dev, "Encoding".
        let message = frame(&health_request("web"));
        assert_eq!(
            message.as_deref(),
            Some(b"\0\0\0\0\x05\x0a\x03web".as_slice())
        );
        assert_eq!(
            frame(&health_request("")).as_deref(),
            Some([0; 5].as_slice())
        );
        let long = health_request(&"x".repeat(300));
        assert_eq!(long[..4], [0x0a, 0xac, 0x02, b'x']);
    }

    #[test]
    fn answers() {
        for (bytes, result) in [
            (b"\0\0\0\0\x02\x08\x01".as_slice(), Ok(Health::Serving)),
            (b"\0\0\0\0\x02\x08\x02", Ok(Health::NotServing)),
            (b"\0\0\0\0\x02\x08\x03", Ok(Health::ServiceUnknown)),
            (b"\0\0\0\0\0", Ok(Health::Unknown)),
            (b"\0\0\0\0\x06\x12\x02hi\x08\x01", Ok(Health::Serving)),
            (b"\0\0\0\0\x02\x08\x09", Err("its status is unknown")),
            (b"\x01\0\0\0\x02\x08\x01", Err("it is compressed")),
            (b"\0\0\0\0\x03\x08\x01", Err("its length is wrong")),
            (b"\0\0\0\0\x01\x08", Err("it is broken")),
            (b"\0\0", Err("it is too short")),
        ] {
            assert_eq!(serving(bytes), result, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = serving(&bytes);
            let _ = health_response(&bytes);
        }

        #[test]
        fn unknown_fields_are_passed_over(
            status in 0u64..4,
            fields in prop::collection::vec((2u8..16, 0u8..4, 0u8..100), 0..8),
        ) {
            let mut message = Vec::new();
            for (number, kind, value) in fields {
                let wire = [0, 1, 2, 5][usize::from(kind)];
                message.push(number << 3 | wire);
                match wire {
                    0 => message.push(value),
                    1 => message.extend([value; 8]),
                    2 => {
                        message.push(value);
                        message.extend(vec![0xff; value.into()]);
                    }
                    _ => message.extend([value; 4]),
                }
            }
            message.extend([8, u8::try_from(status).expect("small")]);
            prop_assert_eq!(health_response(&message), Some(status));
        }

        #[test]
        fn a_request_is_read_back_by_a_protobuf_reader(service in "\\PC{0,300}") {
            let message = health_request(&service);
            let mut rest = message.as_slice();
            if !service.is_empty() {
                prop_assert_eq!(varint(&mut rest), Some(0x0a));
                prop_assert_eq!(varint(&mut rest), Some(service.len() as u64));
            }
            prop_assert_eq!(rest, service.as_bytes());
        }
    }
}

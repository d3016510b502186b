//! It answers an HTTP/1.1 request, over TLS or not.
//!
//! Each check has a connection of its own: a server that takes no new ones is found. The answer is
//! read to its end, or as far as a mebibyte, whether or not anything is expected of the body: a
//! server that cannot finish its answers is not well.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::words::percent;
use super::{Attempt, Failure, Passed};
use crate::check::Advice;
use crate::check::net::quote;
use crate::check::tls::{self, Protocol};
use crate::state::health::{HttpCheck, WeightFrom};

/// What is looked at of a body, in bytes.
const LIMIT: usize = 1 << 20;

/// The head of an answer is no larger, in bytes.
const HEAD: usize = 64 << 10;

/// It has no more fields.
const FIELDS: usize = 256;

pub(super) async fn run(spec: &HttpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let request = request(spec, attempt.way.to)?;
    let stream = attempt.connect().await?;
    let (status, headers, body) = match &spec.tls {
        None => exchange(attempt, stream, request).await?,
        Some(tls) => {
            let host = spec.host.as_deref().map(without_port);
            let configurations = &attempt.means.tls;
            let stream = configurations
                .connect(tls, Protocol::Http1, host, attempt, stream)
                .await?;
            exchange(attempt, stream, request).await?
        }
    };
    judge(spec, attempt, status, &headers, &body)
}

/// The answer's status, head and body.
type Answer = (u16, HeaderMap, Vec<u8>);

async fn exchange(
    attempt: &Attempt<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, Failure> {
    attempt.stage("waiting for the answer");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD).max_headers(FIELDS);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    let mut talk = pin!(async {
        let response = sender.send_request(request).await?;
        attempt.stage("reading the answer");
        read(response).await
    });
    let mut connection = pin!(connection);
    // The connection moves the bytes. Its end alone says nothing: the answer may be whole.
    let answer = tokio::select! {
        biased;
        answer = &mut talk => answer,
        _ = &mut connection => talk.await,
    };
    answer.map_err(|error| failure(&error))
}

async fn read(response: Response<Incoming>) -> hyper::Result<Answer> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = LIMIT - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if bytes.len() == LIMIT {
                break;
            }
        }
    }
    Ok((head.status.as_u16(), head.headers, bytes))
}

fn judge(
    spec: &HttpCheck,
    attempt: &Attempt<'_>,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Passed, Failure> {
    let well = |(low, high): &(u16, u16)| (*low..=*high).contains(&status);
    if !spec.status.iter().any(well) {
        return Err(Failure::new(format_args!("status {status}")));
    }
    if let Some(expect) = &spec.body
        && !attempt.means.patterns.get(expect)?.is_match(body)
    {
        return Err(Failure::new(format_args!(
            "status {status}, unexpected body: {}",
            quote(body)
        )));
    }
    let Some(from) = &spec.weight else {
        return Ok(Passed {
            text: Some(format!("status {status}").into()),
            advice: None,
        });
    };
    let word = match from {
        WeightFrom::Header(name) => headers.get(name).map(HeaderValue::as_bytes),
        WeightFrom::Body => body
            .split(u8::is_ascii_whitespace)
            .find(|word| !word.is_empty()),
    };
    let weight = word.and_then(|word| percent(str::from_utf8(word).ok()?.trim()));
    let text = match (weight, word) {
        (Some(weight), _) => format!("status {status}, weight {weight} %"),
        (None, Some(word)) => format!("status {status}, no weight: {}", quote(word)),
        (None, None) => format!("status {status}, no weight"),
    };
    Ok(Passed {
        text: Some(text.into()),
        advice: weight.map(|weight| Advice {
            weight: Some(weight),
            ..Advice::default()
        }),
    })
}

fn request(spec: &HttpCheck, to: SocketAddr) -> Result<Request<Empty<Bytes>>, Failure> {
    let bad = |what: &str| Failure::ours(format!("{what} cannot be sent"));
    let mut request = Request::new(Empty::new());
    *request.method_mut() =
        Method::from_bytes(spec.method.as_bytes()).map_err(|_| bad("the method"))?;
    *request.uri_mut() = spec
        .path
        .parse::<Uri>()
        .map_err(|_| bad(&format!("the path {}", quote(spec.path.as_bytes()))))?;
    let headers = request.headers_mut();
    for (name, value) in &spec.headers {
        let field = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| bad(&format!("the header {}", quote(name.as_bytes()))))?;
        // Its value may be a secret.
        let value =
            HeaderValue::from_str(value).map_err(|_| bad(&format!("the header {field}")))?;
        headers.append(field, value);
    }
    if let Some(host) = &spec.host {
        let host = HeaderValue::from_str(host).map_err(|_| bad("the host"))?;
        headers.insert(header::HOST, host);
    } else if !headers.contains_key(header::HOST) {
        let host = authority(to, spec.tls.is_some());
        let host = HeaderValue::from_str(&host).map_err(|_| bad("the host"))?;
        headers.insert(header::HOST, host);
    }
    for (name, value) in [
        (header::USER_AGENT, "director"),
        (header::ACCEPT, "*/*"),
        (header::CONNECTION, "close"),
    ] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(request)
}

/// An address as a `Host` header has it: without the port that the scheme has anyway.
pub(super) fn authority(to: SocketAddr, tls: bool) -> String {
    let usual = if tls { 443 } else { 80 };
    match to.ip() {
        _ if to.port() != usual => to.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// A host's name without port and brackets.
pub(super) fn without_port(host: &str) -> &str {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What went wrong with an exchange, in few words.
pub(super) fn failure(error: &hyper::Error) -> Failure {
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
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        for (host, name) in [
            ("example.org", "example.org"),
            ("example.org:8443", "example.org"),
            ("[2001:db8::1]:8443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("192.0.2.1:80", "192.0.2.1"),
        ] {
            assert_eq!(without_port(host), name);
        }
        for (to, tls, host) in [
            ("192.0.2.1:80", false, "192.0.2.1"),
            ("192.0.2.1:80", true, "192.0.2.1:80"),
            ("[2001:db8::1]:443", true, "[2001:db8::1]"),
            ("[2001:db8::1]:8443", true, "[2001:db8::1]:8443"),
        ] {
            assert_eq!(authority(to.parse().expect("an address"), tls), host);
        }
    }

    #[test]
    fn a_secret_header_that_cannot_be_sent_is_not_told() {
        let spec = HttpCheck {
            headers: vec![("Authorization".into(), "hush\n".into())],
            ..HttpCheck::default()
        };
        let to = "192.0.2.1:80".parse().expect("an address");
        let failure = request(&spec, to).expect_err("a line feed");
        assert!(failure.ours);
        assert_eq!(
            &*failure.text,
            "not checked: the header authorization cannot be sent"
        );
    }
}

//! gRPC health, over HTTP/2 in clear text and with TLS.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use director_config::state::health::{CheckKind, GrpcCheck, TlsSpec};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::ask::{ask, ask_in_haste};
use crate::certificates::Authority;
use crate::serve::{hangs, nobody, says, serve};

/// A server's answer.
#[derive(Clone)]
struct Script {
    /// In the head.
    fields: Vec<(&'static str, &'static str)>,
    message: &'static [u8],
    trailers: Vec<(&'static str, &'static str)>,
    status: u16,
}

fn health(message: &'static [u8]) -> Script {
    Script {
        fields: Vec::new(),
        message,
        trailers: vec![("grpc-status", "0")],
        status: 200,
    }
}

fn fields(from: &[(&'static str, &'static str)]) -> HeaderMap {
    from.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

/// A gRPC server that checks path and form of the request for service "web", and answers as
/// scripted.
fn grpc(script: Script, tls: Option<ServerConfig>) -> SocketAddr {
    let (send, port) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
            while let Ok((stream, _)) = listener.accept().await {
                let (script, acceptor) = (script.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let answer = service_fn(move |request| answer(script.clone(), request));
                    let server = http2::Builder::new(TokioExecutor::new());
                    match acceptor {
                        None => drop(server.serve_connection(TokioIo::new(stream), answer).await),
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                assert_eq!(
                                    stream.get_ref().1.alpn_protocol(),
                                    Some(b"h2".as_slice())
                                );
                                drop(server.serve_connection(TokioIo::new(stream), answer).await);
                            }
                        }
                    }
                });
            }
        });
    });
    port.recv().unwrap()
}

async fn answer(
    script: Script,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let question = body.collect().await.unwrap().to_bytes();
    let good = head.method == "POST"
        && head.uri.path() == "/grpc.health.v1.Health/Check"
        && head.headers["content-type"] == "application/grpc"
        && head.headers["te"] == "trailers"
        && &question[..] == b"\0\0\0\0\x05\x0a\x03web";
    let body = Full::new(Bytes::from_static(script.message));
    let trailers = fields(&script.trailers);
    let body = body.with_trailers(async move { (!trailers.is_empty()).then_some(Ok(trailers)) });
    let mut response = Response::new(body.boxed());
    *response.headers_mut() = fields(&script.fields);
    *response.status_mut() = (if good { script.status } else { 400 }).try_into().unwrap();
    Ok(response)
}

fn check(tls: Option<TlsSpec>) -> CheckKind {
    CheckKind::Grpc(GrpcCheck {
        service: "web".into(),
        authority: None,
        tls,
    })
}

#[test]
fn every_status_of_health() {
    let ask_of = |script| ask(check(None), grpc(script, None));
    assert_eq!(ask_of(health(b"\0\0\0\0\x02\x08\x01")).passed(), "SERVING");
    assert_eq!(
        ask_of(health(b"\0\0\0\0\x02\x08\x02")).failed(),
        "NOT_SERVING, expected SERVING"
    );
    assert_eq!(
        ask_of(health(b"\0\0\0\0\x02\x08\x03")).failed(),
        "SERVICE_UNKNOWN, expected SERVING"
    );
    assert_eq!(
        ask_of(health(b"\0\0\0\0\0")).failed(),
        "UNKNOWN, expected SERVING"
    );
}

#[test]
fn every_status_of_grpc() {
    let ask_of = |script| ask(check(None), grpc(script, None));
    // An error comes in the head only.
    let mut unknown = health(b"");
    unknown.trailers.clear();
    unknown.fields = vec![("grpc-status", "5"), ("grpc-message", "unknown service")];
    assert_eq!(
        ask_of(unknown).failed(),
        "gRPC status NOT_FOUND, expected OK: \"unknown service\""
    );
    let mut late = health(b"\0\0\0\0\x02\x08\x01");
    late.trailers = vec![("grpc-status", "14")];
    assert_eq!(
        ask_of(late).failed(),
        "gRPC status UNAVAILABLE, expected OK"
    );
    let mut odd = health(b"\0\0\0\0\x02\x08\x01");
    odd.trailers = vec![("grpc-status", "99")];
    assert_eq!(ask_of(odd).failed(), "gRPC status \"99\", expected 0");
    let mut none = health(b"\0\0\0\0\x02\x08\x01");
    none.trailers.clear();
    assert_eq!(ask_of(none).failed(), "no gRPC status came, expected OK");
    let mut http = health(b"");
    http.status = 503;
    assert_eq!(ask_of(http).failed(), "HTTP status 503, expected 200");
    let text = "the answer is not a health message: its length is wrong";
    assert_eq!(ask_of(health(b"\0\0\0\0\x09\x08\x01")).failed(), text);
    assert!(
        ask_of(health(&[0; 100_000]))
            .failed()
            .starts_with("no gRPC status")
    );
}

#[test]
fn over_tls() {
    let authority = Authority::new();
    let mut config = authority.certificate("127.0.0.1").config();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = grpc(health(b"\0\0\0\0\x02\x08\x01"), Some(config));
    let tls = TlsSpec {
        ca: Some(authority.ca()),
        ..TlsSpec::default()
    };
    assert_eq!(ask(check(Some(tls)), server).passed(), "SERVING");
    let stranger = Authority::new();
    let tls = TlsSpec {
        ca: Some(stranger.ca()),
        ..TlsSpec::default()
    };
    let text = "certificate: its issuer is not trusted: set its issuer, or the certificate itself \
                if it is self-signed, as `ca`";
    assert_eq!(ask(check(Some(tls)), server).failed(), text);
}

#[test]
fn what_is_no_grpc_server() {
    assert_eq!(ask(check(None), nobody()).failed(), "connection refused");
    assert!(!ask(check(None), serve(drop)).failed().is_empty());
    assert!(
        !ask(check(None), says(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
            .failed()
            .is_empty()
    );
    let text = "timed out after 1.5s while waiting for the answer";
    assert_eq!(ask_in_haste(check(None), hangs()).failed(), text);
}

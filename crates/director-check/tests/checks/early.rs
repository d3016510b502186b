//! Servers that answer before they have read the request, or end the connection in their own way.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use director_check::Verdict;
use director_config::state::health::{CheckKind, Expect, HttpCheck, TlsSpec};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::ask::ask;
use crate::certificates::Authority;
use crate::serve::serve;

/// The number of checks of each.
const TIMES: usize = 200;

/// The answers of such scripts, and the expected text.
const ANSWERS: [(&str, Option<&str>); 4] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some("ok")),
    ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok", Some("ok")),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Some("ok"),
    ),
    ("HTTP/1.0 200 OK\r\n", None),
];

/// A server that answers immediately and closes: with unread bytes, that is a reset.
fn answers_immediately(text: &'static str) -> SocketAddr {
    serve(move |mut stream| {
        let _ = stream.write_all(text.as_bytes());
    })
}

#[test]
fn a_server_that_answers_before_it_has_read_the_request_is_up_every_time() {
    for (text, expected) in ANSWERS {
        let server = answers_immediately(text);
        let contains = expected.map(|body| Expect::Contains(body.into()));
        let matches = Some(Expect::Matches(expected.unwrap_or_default().into()));
        for body in [contains, matches] {
            for turn in 0..TIMES {
                let spec = HttpCheck {
                    // Long enough that one segment may not be enough.
                    headers: vec![(
                        "x-long".into(),
                        "x".repeat(if turn % 2 == 0 { 10 } else { 60_000 }),
                    )],
                    body: body.clone(),
                    ..HttpCheck::default()
                };
                let answer = ask(CheckKind::Http(spec), server);
                assert_eq!(
                    answer.verdict,
                    Verdict::Up,
                    "turn {turn}, {text:?}: {answer:?}"
                );
            }
        }
    }
}

/// A TLS server that answers and ends the connection without `close_notify`.
fn cuts_tls(config: ServerConfig, text: &'static str) -> SocketAddr {
    let config = Arc::new(config);
    serve(move |stream| {
        let session = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.flush();
    })
}

#[test]
fn tls_that_ends_without_close_notify_counts_as_far_as_its_length_says() {
    let authority = Authority::new();
    for (text, whole) in [
        ("HTTP/1.0 200 OK\r\n\r\nall is well", true),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nall is well",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nall is well",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\nall is well\r\n",
            false,
        ),
    ] {
        let server = cuts_tls(authority.certificate("127.0.0.1").config(), text);
        let spec = HttpCheck {
            tls: Some(TlsSpec {
                ca: Some(authority.ca()),
                ..TlsSpec::default()
            }),
            body: Some(Expect::Contains(b"all is well".to_vec())),
            ..HttpCheck::default()
        };
        let answer = ask(CheckKind::Http(spec), server);
        if whole {
            assert_eq!(answer.passed(), "status 200", "{text}");
        } else {
            let why = "closed before the answer was complete";
            assert_eq!(answer.failed(), why, "{text}");
        }
    }
}

#[test]
fn a_post_without_a_body_is_not_refused_for_want_of_a_length() {
    let strict = serve(|mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            match stream.read(&mut piece) {
                Ok(number @ 1..) => request.extend_from_slice(&piece[..number]),
                _ => return,
            }
        }
        let text = String::from_utf8(request).unwrap();
        let status = if text.contains("content-length: 0\r\n") {
            "200 OK"
        } else {
            "411 Length Required"
        };
        let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    });
    for method in ["POST", "PUT", "PATCH"] {
        let spec = HttpCheck {
            method: method.into(),
            ..HttpCheck::default()
        };
        let answer = ask(CheckKind::Http(spec), strict);
        assert_eq!(answer.passed(), "status 200", "{method}");
    }
}

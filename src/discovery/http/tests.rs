//! Against servers of this process, on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::state::health::TlsSpec;

const SOON: Duration = Duration::from_secs(10);

/// Gives each connection to the closure, with its number. The URL.
fn serve(each: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> HttpUrl {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let each = Arc::new(each);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (each, stream) = (Arc::clone(&each), stream.unwrap());
            thread::spawn(move || each(number, stream));
        }
    });
    url(port)
}

fn url(port: u16) -> HttpUrl {
    HttpUrl {
        is_tls: false,
        host: "127.0.0.1".to_owned(),
        port,
        prefix: "/base".to_owned(),
    }
}

/// Reads the head of a request; `None` if there is none.
fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn http(urls: Vec<HttpUrl>) -> Http {
    of(urls, TlsSpec::default())
}

fn of(urls: Vec<HttpUrl>, tls: TlsSpec) -> Http {
    Http::new(&HttpServers { urls, tls }).unwrap()
}

fn question() -> Question {
    Question {
        method: Method::GET,
        path: "/list?a=b".to_owned(),
        headers: vec![("x-token", "secret".to_owned())],
        body: Bytes::new(),
    }
}

fn error<T>(result: Result<T, String>) -> String {
    result.err().expect("an error")
}

#[track_caller]
fn has(text: &str, words: &str) {
    assert!(text.contains(words), "`{words}` is not in: {text}");
}

#[test]
fn a_connection_is_kept_and_one_that_was_closed_replaced() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let at = serve(move |number, mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        for _ in 0..2 {
            let Some(head) = head(&mut stream) else {
                return;
            };
            assert!(
                head.starts_with("GET /base/list?a=b HTTP/1.1\r\n"),
                "{head}"
            );
            assert!(head.contains("host: 127.0.0.1:"), "{head}");
            assert!(head.contains("x-token: secret"), "{head}");
            let text = answer(&format!("{number}"));
            stream.write_all(text.as_bytes()).unwrap();
        }
    });
    let mut http = http(vec![at]);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let reply = http.ask(&question(), SOON).unwrap();
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers["content-length"], "1");
        bodies.push(reply.body);
    }
    assert_eq!(bodies, ["0", "0", "1", "1"]);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn the_next_server_is_asked_if_one_fails_and_stays_the_one_that_is_asked() {
    let refuses = url(TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port());
    let unwell = serve(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nno leader");
    });
    let well = serve(|_, mut stream| {
        while head(&mut stream).is_some() {
            stream.write_all(answer("well").as_bytes()).unwrap();
        }
    });
    let mut all = http(vec![refuses.clone(), unwell.clone(), well.clone()]);
    assert_eq!(all.ask(&question(), SOON).unwrap().body, "well");
    assert_eq!(all.url(), &well);
    // An answer is more than no connection.
    let mut two = http(vec![refuses.clone(), unwell]);
    let reply = two.ask(&question(), SOON).unwrap();
    assert_eq!(
        (reply.status.as_u16(), &*reply.body),
        (503, &b"no leader"[..])
    );
    let why = error(http(vec![refuses.clone()]).ask(&question(), SOON));
    has(&why, &format!("{refuses}: 127.0.0.1: connection refused"));
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let (_open, until) = mpsc::channel::<()>();
    let until = std::sync::Mutex::new(until);
    let at = serve(move |_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
        let _ = until.lock().unwrap().recv();
    });
    let why = error(http(vec![at]).ask(&question(), Duration::from_millis(300)));
    has(&why, "no answer within 0.3s");
}

#[test]
fn half_an_answer_is_none() {
    let at = serve(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    });
    has(
        &error(http(vec![at]).ask(&question(), SOON)),
        "the connection ended in the middle of an answer",
    );
    let at = serve(|_, mut stream| {
        head(&mut stream);
    });
    has(
        &error(http(vec![at]).ask(&question(), SOON)),
        "the connection ended in the middle of an answer",
    );
}

#[test]
fn an_answer_that_is_too_long_or_no_http_is_an_error() {
    let at = serve(|_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let block = vec![b'x'; 1 << 20];
        while stream.write_all(&block).is_ok() {}
    });
    has(
        &error(http(vec![at.clone()]).ask(&question(), Duration::from_secs(60))),
        "longer than 64 MiB",
    );
    let mut lines = http(vec![at]).open(&question()).unwrap();
    has(
        &error(lines.next(Duration::from_secs(60))),
        "a line is longer than 64 MiB",
    );
    let at = serve(|_, mut stream| {
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
        head(&mut stream);
    });
    has(&error(http(vec![at]).ask(&question(), SOON)), "no HTTP");
}

#[test]
fn lines_come_one_by_one_and_half_a_line_at_the_end_is_an_error() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let at = serve(move |_, mut stream| {
        head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\none\ntwo\n\nthr");
        let _ = wait.lock().unwrap().recv();
        let _ = stream.write_all(b"ee\nhalf");
    });
    let mut http = http(vec![at]);
    let mut lines = http.open(&question()).unwrap();
    let line = |text: &str| Next::Line(text.as_bytes().to_vec());
    for text in ["one", "two", ""] {
        assert_eq!(lines.next(SOON).unwrap(), line(text));
    }
    assert_eq!(lines.next(Duration::ZERO).unwrap(), Next::Silence);
    go.send(()).unwrap();
    assert_eq!(lines.next(SOON).unwrap(), line("three"));
    has(&error(lines.next(SOON)), "in the middle of a line");
}

#[test]
fn a_stream_ends_or_is_refused() {
    let at = serve(|number, mut stream| {
        head(&mut stream);
        let text = match number {
            0 => answer("one\n"),
            _ => "HTTP/1.1 410 Gone\r\ncontent-length: 7\r\n\r\ntoo old".to_owned(),
        };
        let _ = stream.write_all(text.as_bytes());
    });
    let mut http = http(vec![at.clone()]);
    let mut lines = http.open(&question()).unwrap();
    assert_eq!(lines.next(SOON).unwrap(), Next::Line(b"one".to_vec()));
    assert_eq!(lines.next(SOON).unwrap(), Next::End);
    has(
        &error(http.open(&question())),
        &format!("{at}: HTTP 410 Gone: too old"),
    );
}

/// A certificate for 127.0.0.1 which signs itself, in a file.
fn certificate(directory: &Path) -> (PathBuf, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let path = directory.join("ca.pem");
    fs::write(&path, &pem).unwrap();
    (path, pem + &key.serialize_pem())
}

/// A server with this certificate and key.
fn secure(pem: &str) -> HttpUrl {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let at = serve(move |_, mut stream| {
        let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut stream);
        while head(&mut stream).is_some() {
            stream.write_all(answer("safe").as_bytes()).unwrap();
        }
    });
    HttpUrl { is_tls: true, ..at }
}

#[test]
fn a_certificate_is_verified_and_its_authority_read_for_each_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, pem) = certificate(directory.path());
    let at = secure(&pem);
    let tls = TlsSpec {
        ca: Some(ca.clone()),
        ..TlsSpec::default()
    };
    let mut http = of(vec![at.clone()], tls);
    assert_eq!(http.ask(&question(), SOON).unwrap().body, "safe");
    // Another one signs from now on: connections that are open stay.
    let (_, other) = certificate(directory.path());
    assert_eq!(http.ask(&question(), SOON).unwrap().body, "safe");
    http.kept = None;
    has(
        &error(http.ask(&question(), SOON)),
        &format!("{at}: certificate:"),
    );
    http.servers.urls = vec![secure(&other)];
    assert_eq!(http.ask(&question(), SOON).unwrap().body, "safe");
    fs::remove_file(&ca).unwrap();
    http.kept = None;
    has(&error(http.ask(&question(), SOON)), "ca.pem");
}

#[test]
fn a_server_without_tls_is_named() {
    let at = serve(|_, mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        head(&mut stream);
    });
    let at = HttpUrl { is_tls: true, ..at };
    let tls = TlsSpec {
        verify: false,
        ..TlsSpec::default()
    };
    has(
        &error(of(vec![at], tls).ask(&question(), SOON)),
        "no TLS on this port",
    );
}

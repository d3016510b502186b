//! HTTP and HTTPS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use director_check::{Admin, Advice};
use director_config::state::health::{CheckKind, Expect, HttpCheck, TlsSpec, WeightFrom};

use crate::ask::{PATIENCE, Running, ask, ask_in_haste, ask_target, eventually, spec, target};
use crate::certificates::{Authority, https};
use crate::serve::{hangs, nobody, resets, serve};

fn get() -> HttpCheck {
    HttpCheck::default()
}

fn plain(spec: HttpCheck) -> CheckKind {
    CheckKind::Http(spec)
}

/// A server that reads a request and answers with this text.
fn answers(text: impl Into<Vec<u8>>) -> SocketAddr {
    let text = text.into();
    serve(move |stream| {
        let mut stream = stream;
        read_request(&stream);
        let _ = stream.write_all(&text);
    })
}

fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    while matches!(reader.read_line(&mut request), Ok(1..)) && !request.ends_with("\r\n\r\n") {}
    request
}

#[test]
fn status_codes() {
    let ok = answers("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(ask(plain(get()), ok).passed(), "status 204");
    let broken = answers("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        ask(plain(get()), broken).failed(),
        "status 500, expected 200-399"
    );
    let mut wants_500 = get();
    wants_500.status = vec![(200, 200), (500, 501)];
    assert_eq!(ask(plain(wants_500), broken).passed(), "status 500");
    for (expected, words) in [
        (vec![(204, 204)], "status 500, expected 204"),
        (
            vec![(200, 299), (401, 401)],
            "status 500, expected 200-299 or 401",
        ),
    ] {
        let mut other = get();
        other.status = expected;
        assert_eq!(ask(plain(other), broken).failed(), words);
    }
    let informs =
        answers("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(ask(plain(get()), informs).passed(), "status 200");
}

#[test]
fn the_request_is_what_was_asked_for() {
    let echo = serve(|mut stream| {
        let request = read_request(&stream);
        let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{request}");
    });
    let mut spec = HttpCheck {
        method: "OPTIONS".into(),
        path: "/health?deep=1".into(),
        headers: vec![
            ("X-Probe".into(), "a b".into()),
            ("x-probe".into(), "c".into()),
        ],
        ..get()
    };
    let host = echo.to_string();
    for (asked, host) in [
        (None, host.as_str()),
        (Some("www.example.org"), "www.example.org"),
    ] {
        spec.host = asked.map(str::to_owned);
        spec.body = Some(Expect::Matches(format!(
            "(?s)^OPTIONS /health\\?deep=1 HTTP/1.1\r\nx-probe: a b\r\nx-probe: c\r\nhost: {host}\r\n\
             user-agent: director\r\naccept: \\*/\\*\r\nconnection: close\r\n\r\n$"
        )));
        assert_eq!(ask(plain(spec.clone()), echo).passed(), "status 200");
    }
}

#[test]
fn bodies_whole_chunked_and_until_the_end() {
    let mut wants = get();
    wants.body = Some(Expect::Contains(b"all is well".to_vec()));
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nall is well",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nall \r\n7\r\nis well\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nyes, all is well here",
        "HTTP/1.0 200 OK\r\n\r\nall is well",
    ] {
        assert_eq!(
            ask(plain(wants.clone()), answers(text)).passed(),
            "status 200",
            "{text}"
        );
    }
    let other = answers("HTTP/1.1 200 OK\r\n\r\nno disk\nleft");
    let text =
        "status 200, unexpected body: \"no disk\", expected one that contains \"all is well\"";
    assert_eq!(ask(plain(wants.clone()), other).failed(), text);
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nall is well",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nall is well",
    ] {
        let text = "closed before the answer was complete";
        assert_eq!(ask(plain(get()), answers(cut)).failed(), text, "{cut}");
    }
}

#[test]
fn of_a_huge_body_a_mebibyte_is_looked_at() {
    let server = |at: usize| {
        serve(move |mut stream| {
            read_request(&stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let mut body = vec![b'.'; at];
            body.extend(b"needle");
            let _ = stream.write_all(&body);
            while stream.write_all(&[b'.'; 4096]).is_ok() {}
        })
    };
    let mut wants = get();
    wants.body = Some(Expect::Contains(b"needle".to_vec()));
    let within = (1 << 20) - 6;
    assert_eq!(
        ask(plain(wants.clone()), server(within)).passed(),
        "status 200"
    );
    assert!(
        ask(plain(wants), server(within + 1))
            .failed()
            .contains("unexpected body")
    );
}

#[test]
fn what_is_not_http() {
    for (text, why) in [
        (
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "the answer is not HTTP: line 1: no status line: \"SSH-2.0-OpenSSH_9.2\"",
        ),
        ("", "closed before the answer was complete"),
        ("HTTP/1.1 200", "closed before the answer was complete"),
        (
            "HTTP/1.1 2000 OK\r\n\r\n",
            "the answer is not HTTP: line 1: no status code: \"HTTP/1.1 2000 OK\"",
        ),
    ] {
        assert_eq!(ask(plain(get()), answers(text)).failed(), why, "{text}");
    }
    assert_eq!(ask(plain(get()), nobody()).failed(), "connection refused");
    assert_eq!(
        ask(plain(get()), resets()).failed(),
        "connection reset by peer"
    );
}

#[test]
fn a_flood_of_headers() {
    let long = serve(|mut stream| {
        read_request(&stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ");
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    });
    let many = serve(|mut stream| {
        read_request(&stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        for number in 0..100_000 {
            if write!(stream, "x{number}: y\r\n").is_err() {
                return;
            }
        }
        let _ = stream.write_all(b"\r\n");
    });
    for server in [long, many] {
        let answer = ask(plain(get()), server);
        assert_eq!(answer.failed(), "the head of the answer is too large");
    }
}

#[test]
fn slow_ones_fail_at_the_timeout_wherever_they_are_slow() {
    let waiting = "timed out after 1.5s while waiting for the answer";
    let reading = "timed out after 1.5s while reading the answer";
    assert_eq!(ask_in_haste(plain(get()), hangs()).failed(), waiting);
    let head = drips(b"", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(ask_in_haste(plain(get()), head).failed(), waiting);
    let body = drips(
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n",
        b"all is well and fine",
    );
    assert_eq!(ask_in_haste(plain(get()), body).failed(), reading);
}

/// Sends the first part immediately, and the second at one byte per quarter of a second.
fn drips(first: &'static [u8], second: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        read_request(&stream);
        let _ = stream.write_all(first);
        for byte in second {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    })
}

#[test]
fn a_weight_from_a_header_or_the_body() {
    let server = answers("HTTP/1.1 200 OK\r\nX-Weight: 40%\r\n\r\n 75 % of it");
    let asked = |from| {
        let mut spec = get();
        spec.weight = Some(from);
        ask(plain(spec), server)
    };
    let header = asked(WeightFrom::Header("x-weight".into()));
    assert_eq!(header.passed(), "status 200, weight 40 %");
    let weight = |weight| {
        Some(Advice {
            weight: Some(weight),
            admin: Admin::Ready,
        })
    };
    assert_eq!(header.advice(), weight(40));
    assert_eq!(asked(WeightFrom::Body).advice(), weight(75));
    let none = asked(WeightFrom::Header("x-load".into()));
    assert_eq!(none.passed(), "status 200, no weight");
    assert_eq!(none.advice(), None);
}

fn tls(authority: &Authority) -> TlsSpec {
    TlsSpec {
        ca: Some(authority.ca()),
        ..TlsSpec::default()
    }
}

fn secure(tls: TlsSpec) -> HttpCheck {
    HttpCheck {
        tls: Some(tls),
        ..get()
    }
}

#[test]
fn certificates_are_verified() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let good = https(authority.certificate("127.0.0.1").config());
    assert_eq!(
        ask(plain(secure(tls(&authority))), good).passed(),
        "status 200"
    );
    let why = ask(plain(secure(tls(&stranger))), good);
    assert_eq!(
        why.failed(),
        "certificate: its issuer is not trusted: set its issuer, or the certificate itself if it \
         is self-signed, as `ca`"
    );
    // The system's authorities, if there are any, have not issued it either.
    let by_system = ask_target(target(spec(plain(secure(TlsSpec::default()))), good));
    assert_eq!(
        by_system.failed(),
        "certificate: its issuer is not trusted: set its issuer, or the certificate itself if it \
         is self-signed, as `ca`"
    );
    let expired = https(authority.expired("127.0.0.1").config());
    let why = ask(plain(secure(tls(&authority))), expired);
    assert!(
        why.failed()
            .starts_with("certificate: it expired on 2002-01-01")
    );
    let other = https(authority.certificate("www.example.org").config());
    assert_eq!(
        ask(plain(secure(tls(&authority))), other).failed(),
        "certificate: it is for www.example.org, not for 127.0.0.1"
    );
    for server in [expired, other] {
        let careless = TlsSpec {
            verify: false,
            ..TlsSpec::default()
        };
        assert_eq!(ask(plain(secure(careless)), server).passed(), "status 200");
    }
}

#[test]
fn the_name_asked_for_is_the_specs_or_the_hosts() {
    let authority = Authority::new();
    let server = https(authority.certificate("www.example.org").config());
    let mut named = tls(&authority);
    named.name = Some("www.example.org".into());
    let mut by_name = secure(named);
    by_name.host = Some("elsewhere.example".into());
    let mut by_host = secure(tls(&authority));
    by_host.host = Some("www.example.org:8443".into());
    for mut spec in [by_name, by_host] {
        spec.body = Some(Expect::Matches("^www.example.org$".into()));
        assert_eq!(ask(plain(spec), server).passed(), "status 200");
    }
}

#[test]
fn a_client_certificate_where_it_is_demanded() {
    let authority = Authority::new();
    let server = https(authority.demanding(&authority.certificate("127.0.0.1")));
    let without = ask(plain(secure(tls(&authority))), server);
    assert_eq!(
        without.failed(),
        "TLS: the server requires a client certificate: set `certificate` and `key`"
    );
    let client = authority.certificate("director");
    let pem = authority.write("client.pem", &client.pem);
    let key = authority.write("client.key", &client.key.serialize_pem());
    let both = authority.write("both.pem", &(client.key.serialize_pem() + &client.pem));
    for (certificate, key) in [(pem, Some(key)), (both, None)] {
        let spec = TlsSpec {
            certificate: Some(certificate),
            key,
            ..tls(&authority)
        };
        assert_eq!(ask(plain(secure(spec)), server).passed(), "status 200");
    }
}

#[test]
fn tls_that_is_none_or_hangs() {
    let authority = Authority::new();
    let check = || plain(secure(tls(&authority)));
    let says_http = serve(|mut stream| {
        let _ = stream.read(&mut [0; 64]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_eq!(
        ask(check(), says_http).failed(),
        "no TLS on this port: the server answers `HTTP/1.1 400 Bad Request`"
    );
    let closes = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    assert_eq!(
        ask(check(), closes).failed(),
        "closed during the TLS handshake, without an answer: is there TLS on this port?"
    );
    let text = "timed out after 1.5s while in the TLS handshake, without an answer: is there TLS on \
                this port?";
    assert_eq!(ask_in_haste(check(), hangs()).failed(), text);
}

#[test]
fn changed_files_are_read_again_and_missing_ones_fail_no_server() {
    let (first, second) = (Authority::new(), Authority::new());
    let server = https(first.certificate("127.0.0.1").config());
    let missing = first.ca().with_file_name("trusted.pem");
    let mut running = Running::start();
    let trusting = TlsSpec {
        ca: Some(missing.clone()),
        ..TlsSpec::default()
    };
    let asked = target(spec(plain(secure(trusting))), server);
    running.add(
        director_check::TargetId(1),
        asked,
        director_check::Verdict::Open,
    );
    let record = running.records[0].clone();
    let is = |text: &str| {
        eventually(|| (record.seen().text.as_deref() == Some(text)).then_some(()));
    };
    is(&format!(
        "not checked: {}: no such file or directory",
        missing.display()
    ));
    assert!(
        running.found.try_recv().is_err(),
        "no verdict without a question"
    );
    std::fs::copy(first.ca(), &missing).unwrap();
    is("status 200");
    std::fs::copy(second.ca(), &missing).unwrap();
    is(
        "certificate: its issuer is not trusted: set its issuer, or the certificate itself if it \
         is self-signed, as `ca`",
    );
    std::fs::write(&missing, "nothing").unwrap();
    is(&format!(
        "not checked: `{}` contains no certificate",
        missing.display()
    ));
    std::fs::copy(first.ca(), &missing).unwrap();
    is("status 200");
    assert!(running.found.recv_timeout(PATIENCE).is_ok());
}

//! Heads that violate the RFCs: what curl accepts is up, and an error names the rejected line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use director_config::state::health::{CheckKind, Expect, HttpCheck};

use crate::ask::ask;
use crate::serve::serve;

/// An answer, and how curl 7.88 interprets it: its status and body.
struct Odd {
    answer: Vec<u8>,
    status: u16,
    body: &'static str,
}

fn odd(status: u16, body: &'static str, answer: impl Into<Vec<u8>>) -> Odd {
    Odd {
        answer: answer.into(),
        status,
        body,
    }
}

/// An answer with this status line.
fn first(line: &str) -> Odd {
    odd(200, "ok", format!("{line}\r\ncontent-length: 2\r\n\r\nok"))
}

/// An answer with these header lines.
fn with(lines: impl AsRef<[u8]>) -> Odd {
    let head = [
        b"HTTP/1.1 200 OK\r\n",
        lines.as_ref(),
        b"\r\ncontent-length: 2\r\n\r\nok",
    ];
    odd(200, "ok", head.concat())
}

/// An answer with this header, and this after the head.
fn body(header: &str, body: &str) -> Odd {
    let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n{body}");
    odd(200, "ok", answer)
}

fn accepted() -> Vec<Odd> {
    let many = |number: usize| "x: y\r\n".repeat(number) + "z: y";
    let long = format!("x: {}", "a".repeat(90_000));
    vec![
        first("HTTP/1.1 200"),
        first("HTTP/1.1 200 "),
        first("HTTP/1.0 200OK"),
        first("HTTP/1.1  200 OK"),
        first("http/1.1 200 OK"),
        first("HTTP/2 200"),
        first("HTTP/2.0 200 OK"),
        first("HTTP/1.1 200 \u{e9}\u{202e}"),
        first(&format!("HTTP/1.1 200 {}", "x".repeat(20_000))),
        odd(999, "ok", "HTTP/1.1 999 x\r\ncontent-length: 2\r\n\r\nok"),
        odd(200, "ok", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok"),
        with("x: a\r\n b\r\n\tc"),
        with("x: a\r\n b\r\n\r\n".trim_end()),
        with("x : a"),
        with("x y: a"),
        with("x\t: a"),
        with(b"x-\xc3\xa9\xff: a"),
        with(b"x: \xc3\xa9\xff"),
        with("(x){}@[]<>\"/?=: a"),
        with(": a"),
        with("x:"),
        with("x: a\x01\x1b\x7fb"),
        with("x: a\rb"),
        with("x: a\r"),
        with(many(200)),
        with(many(6000)),
        with(&long),
        with([long.as_str(); 3].join("\r\n")),
        with("connection: upgrade\r\nupgrade: h2c"),
        with("content-length: 2"),
        with("content-length: 3"),
        odd(200, "ok", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
        body("content-length: 2, 2", "ok"),
        body("content-length: +2", "ok"),
        body("content-length: 2x", "ok"),
        body("content-length: 2", "ok and more"),
        body("content-length: 99999999999999999999999", "ok"),
        body("content-length: 9223372036854775808", "ok"),
        body("transfer-encoding: ChunKed", "2\r\nok\r\n0\r\n\r\n"),
        body(
            "transfer-encoding: chunked\r\ncontent-length: 20",
            "2\r\nok\r\n0\r\n\r\n",
        ),
        body(
            "content-length: 20\r\ntransfer-encoding: chunked",
            "2\r\nok\r\n0\r\n\r\n",
        ),
        body(
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "2\r\nok\r\n0\r\n\r\n",
        ),
        body("transfer-encoding: identity", "ok"),
        body(
            "transfer-encoding: chunked",
            "2;a=b;c=\"d\"\r\nok\r\n0;x\r\n\r\n",
        ),
        body("transfer-encoding: chunked", "2  \r\nok\r\n0  \r\n\r\n"),
        body("transfer-encoding: chunked", "2xyz\r\nok\r\n0\r\n\r\n"),
        body(
            "transfer-encoding: chunked",
            "00000002\r\nok\r\n0000\r\n\r\n",
        ),
        body(
            "transfer-encoding: chunked",
            "2\r\nok\r\n0\r\nx: y\r\nz: y\r\n\r\n",
        ),
        odd(
            200,
            "ok",
            "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n2\nok\n0\n\n",
        ),
        odd(
            200,
            "ok",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        odd(
            200,
            "ok",
            "HTTP/1.1 103 Early\r\ncontent-length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
        ),
        odd(200, "ok", "HTTP/1.1 200 OK\r\n\r\nok"),
        odd(204, "", "HTTP/1.1 204 x\r\ncontent-length: 20\r\n\r\n"),
        odd(304, "", "HTTP/1.1 304 x\r\ncontent-length: 20\r\n\r\n"),
        odd(205, "", "HTTP/1.1 205 x\r\n\r\n"),
        // Scripts that omit the blank line.
        odd(200, "", "HTTP/1.1 200 OK\r\n"),
        odd(200, "", "HTTP/1.1 200 OK\r\nx: y\r\n"),
        odd(200, "", "HTTP/1.1 200 OK\r\nx: y\r\nok, without a colon"),
    ]
}

/// A server that reads a request and sends this answer.
fn says(answer: Vec<u8>) -> SocketAddr {
    serve(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while matches!(reader.read_line(&mut line), Ok(3..)) {
            line.clear();
        }
        let _ = stream.write_all(&answer);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read(&mut [0; 64]);
    })
}

/// curl's output: status and body; `None` if it fails.
fn curl(at: SocketAddr) -> Option<(u16, String)> {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "20", "--noproxy", "*"])
        .args(["--write-out", "|%{http_code}", &format!("http://{at}/")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('|').unwrap();
    let shown = (status.parse().unwrap(), body.to_owned());
    output.status.success().then_some(shown)
}

fn checked(status: u16, body: Option<Expect>) -> CheckKind {
    CheckKind::Http(HttpCheck {
        status: vec![(status, status)],
        body,
        ..HttpCheck::default()
    })
}

#[test]
fn a_head_that_curl_accepts_is_up() {
    let has_curl = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_curl {
        eprintln!("no curl (scripts/deps test): compared with what 7.88 shows");
    }
    for odd in accepted() {
        let start = String::from_utf8_lossy(&odd.answer[..odd.answer.len().min(120)]).into_owned();
        let server = says(odd.answer);
        if has_curl {
            let shown = Some((odd.status, odd.body.to_owned()));
            assert_eq!(curl(server), shown, "curl, {start:?}");
        }
        // On the thread that connects, and on the one with a runtime.
        let found = (!odd.body.is_empty()).then(|| Expect::Contains(odd.body.into()));
        let whole = Some(Expect::Matches(format!("^{}$", odd.body)));
        for expect in [found, whole] {
            let answer = ask(checked(odd.status, expect), server);
            assert_eq!(
                answer.passed(),
                format!("status {}", odd.status),
                "{start:?}"
            );
        }
    }
}

#[test]
fn a_head_that_is_refused_names_the_line() {
    for (text, why) in [
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "line 1: no status line: \"SSH-2.0-OpenSSH_9.2\"",
        ),
        (
            "<html>ok</html>",
            "line 1: no status line: \"<html>ok</html>\"",
        ),
        (
            "ICY 200 OK\r\n\r\n",
            "line 1: no status line: \"ICY 200 OK\"",
        ),
        (
            "HTTP/3 200 OK\r\n\r\n",
            "line 1: no known version of HTTP: \"HTTP/3 200 OK\"",
        ),
        (
            "HTTP/1.1 2000 OK\r\n\r\n",
            "line 1: no status code: \"HTTP/1.1 2000 OK\"",
        ),
        (
            "HTTP/1.1 099 OK\r\n\r\n",
            "line 1: no status code: \"HTTP/1.1 099 OK\"",
        ),
        (
            "HTTP/1.1 200 O\0K\r\n\r\n",
            "line 1: a NUL byte: \"HTTP/1.1 200 O\\x00K\"",
        ),
        (
            "HTTP/1.1 200 OK\r\n b\r\n\r\n",
            "line 2: continues no field: \" b\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nx: y\r\nnonsense\r\n\r\n",
            "line 3: no colon: \"nonsense\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
            "line 2: a NUL byte: \"x: a\\x00b\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: two\r\n\r\n",
            "line 3: no length: \"two\"",
        ),
    ] {
        let server = says(text.into());
        if let Some(shown) = Command::new("curl")
            .arg("--version")
            .output()
            .ok()
            .and_then(|_| curl(server))
        {
            panic!("curl accepts {text:?}: {shown:?}");
        }
        let whole = Some(Expect::Matches(String::new()));
        for expect in [None, whole] {
            let answer = ask(checked(200, expect), server);
            let failed = answer.failed();
            assert_eq!(failed, format!("the answer is not HTTP: {why}"), "{text:?}");
        }
    }
}

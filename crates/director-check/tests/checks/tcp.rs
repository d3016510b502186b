//! TCP, with and without data.

use director_config::state::health::{CheckKind, Expect, TcpCheck};

use crate::ask::{ask, ask_in_haste, ask_target, spec, target};
use crate::serve::{Full, hangs, nobody, resets, says, says_slowly, serve, wait_for_end};

fn plain() -> CheckKind {
    CheckKind::Tcp(TcpCheck::default())
}

fn expecting(send: &[u8], text: &str) -> CheckKind {
    CheckKind::Tcp(TcpCheck {
        send: send.to_vec(),
        expect: Some(Expect::Contains(text.as_bytes().to_vec())),
    })
}

#[test]
fn a_server_that_accepts_is_well() {
    assert_eq!(ask(plain(), hangs()).passed(), "");
}

#[test]
fn nobody_there() {
    assert_eq!(ask(plain(), nobody()).failed(), "connection refused");
    assert_eq!(
        ask(expecting(b"", "x"), nobody()).failed(),
        "connection refused"
    );
}

#[test]
fn no_answer_to_the_first_packet() {
    let full = Full::new();
    let text = "timed out after 1.5s while connecting";
    assert_eq!(ask_in_haste(plain(), full.at).failed(), text);
    assert_eq!(ask_in_haste(expecting(b"", "x"), full.at).failed(), text);
}

#[test]
fn what_is_expected_comes_in_pieces_or_never() {
    let greets = says(b"220 mail.example ESMTP\r\n");
    assert_eq!(ask(expecting(b"", "220 mail"), greets).passed(), "");
    let slow = says_slowly(b"220 mail.example ESMTP\r\n");
    assert_eq!(ask(expecting(b"", "220 "), slow).passed(), "");
    let answer = ask_in_haste(expecting(b"", "ESMTP"), slow);
    let text = "timed out after 1.5s while waiting for what is expected";
    assert_eq!(answer.failed(), text);
    assert_eq!(ask_in_haste(expecting(b"", "x"), hangs()).failed(), text);
}

#[test]
fn something_else_comes() {
    let busy = serve(|mut stream| {
        use std::io::Write;
        let _ = stream.write_all(b"421 too busy\r\n");
    });
    let text = "unexpected answer: \"421 too busy\", expected one that contains \"220\"";
    assert_eq!(ask(expecting(b"", "220"), busy).failed(), text);
    let closes = serve(drop);
    let answer = ask(expecting(b"", "220"), closes);
    let text = "closed without an answer, expected one that contains \"220\"";
    assert_eq!(answer.failed(), text);
}

#[test]
fn more_than_anybody_wants_comes() {
    let floods = serve(|mut stream| {
        use std::io::Write;
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    });
    let answer = ask(expecting(b"", "b"), floods);
    assert!(answer.failed().starts_with("unexpected answer: \"aaaa"));
}

#[test]
fn the_connection_is_reset() {
    let text = "connection reset by peer";
    assert_eq!(ask(expecting(b"", "220"), resets()).failed(), text);
}

#[test]
fn what_is_sent_arrives_and_a_pattern_matches_the_answer() {
    let echo = serve(|stream| {
        let mut from = stream.try_clone().unwrap();
        let mut to = stream;
        let _ = std::io::copy(&mut from, &mut to);
    });
    let kind = CheckKind::Tcp(TcpCheck {
        send: b"hello \xff 42\n".to_vec(),
        expect: Some(Expect::Matches(r"(?-u:\xff) \d+".into())),
    });
    assert_eq!(ask(kind, echo).passed(), "");
}

#[test]
fn the_source_address_is_the_one_asked_for() {
    let tells = serve(|mut stream| {
        use std::io::Write;
        let peer = stream.peer_addr().unwrap().ip();
        let _ = write!(stream, "{peer}");
        wait_for_end(stream);
    });
    let mut spec = spec(expecting(b"", "127.0.0.77"));
    spec.at.source = vec!["::1".parse().unwrap(), "127.0.0.77".parse().unwrap()];
    assert_eq!(ask_target(target(spec, tells)).passed(), "");
}

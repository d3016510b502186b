use super::super::endure;
use super::*;

fn get() -> HttpCheck {
    HttpCheck {
        body: Some(director_config::state::health::Expect::Contains(
            b"ok".to_vec(),
        )),
        weight: Some(WeightFrom::Header("X-Weight".to_owned())),
        ..HttpCheck::default()
    }
}

/// Status, weight and body of an answer that ends with its connection, or what is wrong with it.
fn read(spec: &HttpCheck, bytes: &[u8]) -> Result<(u16, Option<String>, String), Box<str>> {
    let mut answer = Response::default();
    answer.hear(spec, bytes)?;
    answer.closed(spec)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((
        answer.status(),
        answer.weight().map(text),
        text(answer.body()),
    ))
}

fn body(text: &str) -> Result<String, Box<str>> {
    read(&get(), text.as_bytes()).map(|(_, _, body)| body)
}

#[test]
fn a_folded_field_is_one_field() {
    let folded = b"HTTP/1.1 200 OK\r\nX-Weight:\r\n 4\r\nX-Other: a\r\n\tX-Weight: 9\r\nContent-Length\t: 2\r\n\r\nok";
    let (status, weight, body) = read(&get(), folded).expect("an answer");
    assert_eq!(
        (status, weight.as_deref(), body.as_str()),
        (200, Some("4"), "ok")
    );
}

#[test]
fn of_a_field_that_comes_twice_the_first_weight_and_the_last_length_count() {
    let twice =
        b"HTTP/1.1 200 OK\nx-weight: 1\nx-weight: 2\ncontent-length: 9\ncontent-length: 2\n\nokay";
    let (_, weight, body) = read(&get(), twice).expect("an answer");
    assert_eq!((weight.as_deref(), body.as_str()), (Some("1"), "ok"));
}

#[test]
fn an_interim_answer_is_not_the_answer() {
    let interim = b"HTTP/1.1 103 Early\r\nx-weight: 9\r\ncontent-length: 7\r\ntransfer-encoding: chunked\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(read(&get(), interim), Ok((200, None, "ok".to_owned())));
    let alone = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(read(&get(), alone), Err(INCOMPLETE.into()));
}

#[test]
fn answers_without_a_body_are_complete_with_their_head() {
    let head = HttpCheck {
        method: "HEAD".into(),
        ..HttpCheck::default()
    };
    let long = "Content-Length: 20\r\n\r\n";
    for (spec, status) in [(&head, 200), (&get(), 204), (&get(), 304), (&get(), 101)] {
        let mut answer = Response::default();
        let text = format!("HTTP/1.1 {status} x\r\n{long}");
        answer.hear(spec, text.as_bytes()).expect("an answer");
        assert!(answer.is_complete(), "{status}");
    }
}

#[test]
fn bodies_of_all_lengths() {
    let ok = |head: &str, rest: &str| body(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}"));
    for (head, rest) in [
        ("content-length: 2", "ok, and more"),
        ("content-length: +2", "ok"),
        ("content-length: 2, 2", "ok"),
        ("content-length: 99999999999999999999999", "ok"),
        (
            "transfer-encoding: gzip, chunked",
            "2;a=\"b\"\r\nok\r\n0\r\nx: y\r\n\r\n",
        ),
        (
            "transfer-encoding: Chunked\r\ncontent-length: 9",
            "1\nO\n1  \nk\n0\n\n",
        ),
        ("transfer-encoding: identity", "ok"),
        ("x: y", "ok"),
    ] {
        let body = ok(head, rest).expect(head);
        assert_eq!(body.to_lowercase(), "ok", "{head}");
    }
    for (head, rest, why) in [
        ("content-length: 3", "ok", INCOMPLETE),
        ("transfer-encoding: chunked", "2\r\nok\r\n0\r\n", INCOMPLETE),
        ("transfer-encoding: chunked", "3\r\nok", INCOMPLETE),
        (
            "content-length: two",
            "ok",
            "the answer is not HTTP: line 2: no length: \"two\"",
        ),
        (
            "transfer-encoding: chunked",
            "zz\r\nok",
            "the answer is not HTTP: no size of a chunk: \"zz\"",
        ),
        (
            "transfer-encoding: chunked",
            "0x2\r\nok",
            "the answer is not HTTP: no size of a chunk: \"0x2\"",
        ),
        (
            "transfer-encoding: chunked",
            "1\r\nok\r\n",
            "the answer is not HTTP: a chunk is longer than its size: \"k\"",
        ),
    ] {
        assert_eq!(ok(head, rest), Err(why.into()), "{head} {rest}");
    }
}

#[test]
fn what_is_refused_names_its_line() {
    for (text, why) in [
        (
            "HTTP/1.1 200 OK\r\nx: y\r\nnonsense\r\n\r\n",
            "line 3: no colon: \"nonsense\"",
        ),
        (
            "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
            "line 2: a NUL byte: \"x: a\\x00b\"",
        ),
        (
            "HTTP/1.1 200 OK\r\n y\r\n\r\n",
            "line 2: continues no field: \" y\"",
        ),
        ("SSH-2.0-x\r\n", "line 1: no status line: \"SSH-2.0-x\""),
        ("SSH", "line 1: no status line: \"SSH\""),
        ("\r\nSSH\r\n", "line 2: no status line: \"SSH\""),
        (
            "HTTP/3 200\r\n",
            "line 1: no known version of HTTP: \"HTTP/3 200\"",
        ),
        (
            "HTTP/1.1 2000\r\n",
            "line 1: no status code: \"HTTP/1.1 2000\"",
        ),
        (
            "HTTP/1.1 \x1b[2J\r\n",
            "line 1: no status code: \"HTTP/1.1 \\x1b[2J\"",
        ),
    ] {
        assert_eq!(
            body(text),
            Err(format!("the answer is not HTTP: {why}").into()),
            "{text:?}"
        );
    }
}

#[test]
fn an_answer_that_never_ends_is_refused_at_a_limit() {
    let line = "x".repeat(1000);
    for (first, more) in [
        ("HTTP/1.1 200 OK\r\nx: ", line.clone()),
        ("HTTP/1.1 200 OK\r\nx: y", format!("\r\n {line}")),
        ("HTTP/1.1 200 OK\r\n", format!("x: {line}\r\n")),
        ("", "HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        ("", "\r\n".to_owned()),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            format!("x: {line}\r\n"),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;",
            line.clone(),
        ),
    ] {
        let mut answer = Response::default();
        answer.hear(&get(), first.as_bytes()).expect("a beginning");
        let refused = (0..HEAD).find_map(|_| answer.hear(&get(), more.as_bytes()).err());
        assert!(refused.is_some(), "{first:?}");
    }
}

#[test]
fn a_body_in_chunks_of_one_byte_is_read_as_far_as_the_limit() {
    let mut answer = Response::default();
    let first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    answer.hear(&get(), first).expect("a head");
    for _ in 0..LIMIT {
        assert!(!answer.is_complete());
        answer.hear(&get(), b"1\r\nx\r\n").expect("a chunk");
    }
    assert!(answer.is_complete());
    assert_eq!(answer.body().len(), LIMIT);
}

#[test]
fn of_a_body_that_is_not_looked_at_nothing_is_kept() {
    let spec = HttpCheck::default();
    let mut answer = Response::default();
    answer
        .hear(&spec, b"HTTP/1.1 200 OK\r\n\r\nall is well")
        .expect("an answer");
    assert_eq!(answer.body(), b"");
}

#[test]
fn pieces_change_nothing() {
    for text in [
        "HTTP/1.1 200 OK\r\nx-weight: 1\r\n 2\r\n\r\nok",
        "\r\nHTTP/1.0 200\ntransfer-encoding: chunked\n\n2\nok\n0\n\n",
        "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 404 N\r\ncontent-length: 1\r\n\r\n!",
        "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTT",
        "",
    ] {
        endure(text.as_bytes());
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "HTTP/1.1 200", " ", "\r", "\n", "\r\n", ":", "x-weight: 1", "content-length", "transfer-encoding: chunked",
            "0", "2", "ok", "\0", "ffff", "100", ";", "\t", "\r\n\r\n",
        ]), 0..30))
    {
        endure(words.concat().as_bytes());
    }
}

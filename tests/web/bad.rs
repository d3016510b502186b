//! Clients that misbehave.

use std::io::{Read, Write};
use std::sync::Arc;

use director::control::snapshot::Snapshot;

use super::fake::{self, snapshot};
use super::raw::{Live, connect};
use super::site::{TOKEN, eventually, guarded, site, site_of};

#[test]
fn five_hundred_viewers_are_too_many_and_the_places_come_back() {
    let site = site();
    let opened: Vec<_> = (0..500)
        .map(|_| Live::open(site.address, "?of=overview", ""))
        .collect();
    let (mut seated, refused): (Vec<_>, Vec<_>) =
        opened.into_iter().partition(|(status, _)| *status == 200);
    assert_eq!(seated.len(), 256);
    assert!(refused.iter().all(|(status, _)| *status == 503));
    let answer = site.get("/api/stream?of=overview");
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("10"))
    );
    assert_eq!(site.get("/metrics").status, 200, "others are served");
    site.takes_down("status 500");
    for (_, live) in &mut seated {
        live.until("event", |event| event["text"] == "down: status 500");
    }
    drop((seated, refused));
    eventually("the places are free", || {
        (Live::open(site.address, "?of=overview", "").0 == 200).then_some(())
    });
}

#[test]
fn more_connections_than_there_are_places_for_are_told_so() {
    let site = site();
    let idle: Vec<_> = (0..640).map(|_| connect(site.address)).collect();
    let answer = site.get("/");
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("10"))
    );
    drop(idle);
    eventually("the places are free", || {
        (site.get("/").status == 200).then_some(())
    });
}

#[test]
fn a_viewer_that_does_not_read_is_let_go_and_holds_nobody_up() {
    let site = site_of(large(), &[]);
    // With a small buffer, the kernel takes little of what it does not read.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&site.address.into()).unwrap();
    let mut deaf = std::net::TcpStream::from(socket);
    write!(
        deaf,
        "GET /api/stream?of=overview HTTP/1.1\r\nHost: {}\r\n\r\n",
        site.address
    )
    .unwrap();
    let (_, mut other) = Live::open(site.address, "?of=overview", "");
    other.until("services", |data| {
        data["rows"].as_array().unwrap().len() == 2000
    });
    // Each change is 2,000 rows: more than the socket's buffers hold, and there is no other end to this.
    let mut revision = 100;
    eventually("the connection of the deaf one ends", || {
        revision += 1;
        site.running
            .fake
            .published
            .publish(named(large(), revision));
        other.until("services", |data| {
            data["rows"].as_array().unwrap().len() == 2000
        });
        is_over(&site, &deaf).then_some(())
    });
}

/// Whether the server has closed its side: then the kernel knows no such established connection.
fn is_over(site: &super::site::Site, stream: &std::net::TcpStream) -> bool {
    let port = |port: u16| format!(":{port:04X}");
    let (theirs, ours) = (
        port(site.address.port()),
        port(stream.local_addr().unwrap().port()),
    );
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let open = table.lines().filter(|line| {
        let mut words = line.split_whitespace().skip(1);
        let ends = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        ends.0.ends_with(&theirs) && ends.1.ends_with(&ours) && words.next() == Some("01")
    });
    open.count() == 0
}

#[test]
fn a_wrong_token_ten_thousand_times_is_hardly_ever_looked_at() {
    let site = guarded();
    let login = "Content-Type: application/x-www-form-urlencoded\r\n";
    let right = site.ask("POST", "/login", login, &format!("token={TOKEN}"));
    let cookie = right.header("set-cookie").unwrap();
    let session = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let mut stream = connect(site.address);
    let start = std::time::Instant::now();
    let (mut wrong, mut slowed) = (0, 0);
    let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
    for number in 0..10_000 {
        // In one piece, or each would wait for an acknowledgement.
        let host = site.address;
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {number}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        match status(&mut reader) {
            401 => wrong += 1,
            429 => slowed += 1,
            other => panic!("{other}"),
        }
    }
    // Ten, and one in five seconds.
    let most = 11 + start.elapsed().as_secs() / 5;
    assert!(
        wrong >= 1 && wrong <= most,
        "{wrong} in {:?}",
        start.elapsed()
    );
    assert_eq!(wrong + slowed, 10_000);
    // Now a right one has to wait, too, or it could be guessed; who is in stays in.
    let answer = site.ask(
        "GET",
        "/metrics",
        &format!("Authorization: Bearer {TOKEN}\r\n"),
        "",
    );
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        site.ask("POST", "/login", login, &format!("token={TOKEN}"))
            .status,
        429
    );
    assert_eq!(site.ask("GET", "/metrics", &session, "").status, 200);
}

/// Reads one answer with a length, and returns its status.
fn status(reader: &mut impl std::io::BufRead) -> u16 {
    let (mut status, mut length) = (0, 0);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert_ne!(
            reader.read_line(&mut line).unwrap(),
            0,
            "the connection goes on"
        );
        if line.starts_with("HTTP/1.1 ") {
            status = line[9..12].parse().unwrap();
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
    status
}

#[test]
fn requests_of_a_megabyte_are_refused_without_reading_them() {
    let site = guarded();
    let long = "x".repeat(1024 * 1024);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("token={long}");
    assert_eq!(site.ask("POST", "/login", form, &body).status, 413);
    let status = site.get(&format!("/{long}")).status;
    assert!([414, 431].contains(&status), "{status}");
    let status = site
        .ask("GET", "/", &format!("X-Filler: {long}\r\n"), "")
        .status;
    assert_eq!(status, 431);
    assert_eq!(site.get("/login").status, 200);
}

#[test]
fn a_request_that_does_not_end_is_not_waited_for() {
    let site = guarded();
    let mut head = connect(site.address);
    write!(head, "GET / HTT").unwrap();
    let mut body = connect(site.address);
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 40";
    write!(
        body,
        "POST /login HTTP/1.1\r\nHost: localhost\r\n{form}\r\n\r\ntoken="
    )
    .unwrap();
    // Both would wait for ever otherwise.
    super::site::rest(&mut head);
    let answer = super::raw::Answer::parse(&super::site::rest(&mut body));
    assert_eq!(answer.status, 408);
}

#[test]
fn what_is_no_http_is_refused() {
    let site = site();
    for bytes in [
        &b"\x16\x03\x01 hello\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\na b: c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = connect(site.address);
        stream.write_all(bytes).unwrap();
        let answer = super::site::rest(&mut stream);
        // Another version of HTTP gets no answer at all.
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "));
    }
    assert_eq!(site.get("/").status, 200);
}

#[test]
fn a_path_that_climbs_leads_nowhere() {
    let site = site();
    for path in [
        "/assets/../Cargo.toml",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/../../etc/passwd",
        "//etc/passwd",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/",
        "/v1/files",
        "/assets/app.js%2f..",
        "/api/../v1/files",
    ] {
        let answer = site.get(path);
        assert!(
            [400, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.body.contains("root:"), "{path}");
    }
    assert_eq!(site.get("/metrics?service=../../v1/files").status, 404);
}

#[test]
fn what_a_server_answers_cannot_hide_or_reorder_text() {
    let site = site();
    let (_, mut live) = Live::open(site.address, "?service=tcp%3A%2F%2F192.0.2.10%3A80", "");
    live.until("service", |data| data["full"] == true);
    site.takes_down("<script>alert(1)</script> \u{202e}gnp.exe\u{2066}\u{200b}\u{1b}[2J\u{0}");
    let shown = "<script>alert(1)</script> \u{fffd}gnp.exe\u{fffd}\u{fffd}\u{fffd}[2J\u{fffd}";
    let event = live.until("event", |_| true);
    assert_eq!(event["text"], format!("down: {shown}"));
    let news = live.until("service", |data| data["rows"][0]["state"] == "down");
    assert_eq!(news["rows"][0]["reason"], shown);
    assert_eq!(news["rows"][0]["checks"][0]["text"], shown);
    let past = site.get("/api/events?last=1").json();
    assert_eq!(past[0]["text"], format!("down: {shown}"));
}

/// Two thousand services.
fn large() -> Snapshot {
    let mut snapshot = snapshot();
    let model = snapshot.services[&fake::web()].clone();
    snapshot.services.clear();
    for port in 1..=2000 {
        snapshot.services.insert(
            ipvs::ServiceKey::tcp([192, 0, 2, 10], port),
            Arc::clone(&model),
        );
    }
    snapshot
}

/// The same with other names.
fn named(mut snapshot: Snapshot, revision: u64) -> Snapshot {
    snapshot.revision = revision;
    for service in snapshot.services.values_mut() {
        Arc::make_mut(service).name = format!("web-{revision}").into();
    }
    snapshot
}

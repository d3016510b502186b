//! Clients that misbehave, and the socket itself.

use std::io::{BufRead, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use director::control::snapshot::Snapshot;

use super::fake::{Mood, run, run_with, serve_at, snapshot};
use super::raw::{connect, get, post, read};

#[test]
fn the_socket_is_for_owner_and_group_and_goes_with_its_director() {
    let mut running = run();
    let socket = running.socket();
    let mode = socket.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o660);
    drop(running.server.take());
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_a_dead_director_left_is_used_again() {
    let mut running = run();
    let socket = running.socket();
    drop(running.server.take());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    running.server = Some(serve_at(&socket, &running.fake));
    assert_eq!(get(&socket, "/v1/version").status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let running = run();
    let body = format!(r#"{{"server": "{}"}}"#, "x".repeat(20_000));
    let answer = post(&running.socket(), "/v1/disable", &body);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.error().0, "invalid");
    assert!(running.fake.asked.lock().unwrap().is_empty());
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let running = run();
    let mut stream = connect(&running.socket());
    write!(
        stream,
        "POST /v1/disable HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n{{"
    )
    .unwrap();
    let answer = read(stream);
    assert_eq!(answer.status, 408);
    assert_eq!(answer.error().1, "the body did not arrive in time");
}

#[test]
fn a_head_that_does_not_come_or_does_not_end_is_not_waited_for() {
    let running = run();
    let mut silent = connect(&running.socket());
    let mut endless = connect(&running.socket());
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
    write!(endless, "GET /v1/status HTTP/1.1\r\n").unwrap();
    for _ in 0..64 {
        // The connection may be closed by now, which is the point.
        let _ = endless.write_all(line.as_bytes());
    }
    let answer = read(endless);
    assert_eq!(answer.status, 431);
    let said = "the head of a request is limited to 16384 bytes and 100 lines";
    assert_eq!(answer.error(), ("invalid".to_owned(), said.to_owned()));
    write!(silent, "GET /v1/status HT").unwrap();
    let answer = read(silent);
    assert_eq!(answer.status, 408);
    let said = "the head of the request did not arrive in time";
    assert_eq!(answer.error(), ("invalid".to_owned(), said.to_owned()));
}

#[test]
fn what_is_no_http_is_refused() {
    let running = run();
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    for (bytes, statuses) in [
        (&b"\x16\x03\x01 hello\r\n\r\n"[..], &[400][..]),
        (b"GET /v1/status HTTP/9.9\r\n\r\n", &[400]),
        (b"GET /v1/status HTTP/1.1\r\na b: c\r\n\r\n", &[400]),
        (b"GET /v1/\x00status HTTP/1.1\r\n\r\n", &[400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400]),
        (
            b"POST /v1/drain HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            &[400],
        ),
        (long.as_bytes(), &[414, 431]),
    ] {
        let mut stream = connect(&running.socket());
        // The connection may be closed before everything is written.
        let _ = stream.write_all(bytes);
        let answer = read(stream);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        assert!(
            statuses.contains(&answer.status),
            "{shown}: {}",
            answer.status
        );
        assert_eq!(answer.error().0, "invalid", "{shown}");
        assert!(answer.head.contains("director-version"), "{shown}");
    }
    assert_eq!(get(&running.socket(), "/v1/version").status, 200);
}

#[test]
fn a_client_that_reads_nothing_holds_no_other_up() {
    let running = run_with(large());
    let socket = running.socket();
    let mut slow: Vec<_> = (0..8).map(|_| connect(&socket)).collect();
    for stream in &mut slow {
        write!(stream, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for _ in 0..3 {
        assert_eq!(get(&socket, "/v1/version").status, 200);
        let whole = get(&socket, "/v1/status").json();
        assert_eq!(whole["services"].as_array().unwrap().len(), 2000);
    }
}

#[test]
fn too_many_followers_are_turned_away_and_leave_room_for_others() {
    let running = run();
    let socket = running.socket();
    let follow = || {
        let mut stream = connect(&socket);
        write!(
            stream,
            "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        .unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        (stream, String::from_utf8(first.to_vec()).unwrap())
    };
    let mut followers: Vec<_> = (0..32 + 4).map(|_| follow()).collect();
    assert!(followers.iter().all(|(_, head)| head == "HTTP/1.1 200"));
    assert_eq!(follow().1, "HTTP/1.1 503");
    assert_eq!(get(&socket, "/v1/version").status, 200);
    followers.pop();
    // The place is free as soon as the server notices that the client is gone.
    let free = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        follow().1 == "HTTP/1.1 200"
    });
    assert!(free);
}

#[test]
fn too_many_connections_are_told_so() {
    let running = run();
    let socket = running.socket();
    // 16 of them are reserved for root and the director's own user, which this is.
    let idle: Vec<_> = (0..128 + 16).map(|_| connect(&socket)).collect();
    let answer = read(connect(&socket));
    assert_eq!(answer.status, 503);
    assert_eq!(answer.error().1, "too many connections; try again");
    drop(idle);
    let free = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        get(&socket, "/v1/version").status == 200
    });
    assert!(free);
}

/// Run by the next test as another user: takes places again and again as soon as they are free.
#[test]
#[ignore = "run by another test"]
fn slow_clients_of_the_group() {
    let Some(socket) = std::env::var_os("SLOW_CLIENTS_OF") else {
        return;
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let mut held = std::collections::VecDeque::new();
    let mut said = false;
    while std::time::Instant::now() < end {
        let mut stream = connect(std::path::Path::new(&socket));
        let _ = write!(stream, "GET /v1/status HTT");
        stream
            .set_read_timeout(Some(std::time::Duration::from_millis(2)))
            .unwrap();
        let mut first = [0; 12];
        if stream.read_exact(&mut first).is_ok() && !said {
            assert_eq!(&first, b"HTTP/1.1 503");
            println!("\nno place is left");
            said = true;
        }
        held.push_back(stream);
        if held.len() > 400 {
            held.pop_front();
        }
    }
}

#[test]
fn slow_clients_of_the_group_do_not_keep_root_out() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can act as two users; `places.rs` covers this in a unit test.
        return;
    }
    let running = run();
    let socket = running.socket();
    for (path, mode) in [(running.directory.path(), 0o755), (socket.as_path(), 0o666)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("limits::slow_clients_of_the_group")
        .env("SLOW_CLIENTS_OF", &socket)
        .uid(65_534)
        .gid(65_534)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(helper.stdout.take().unwrap());
    let full = output
        .lines()
        .any(|line| line.unwrap() == "no place is left");
    assert!(full, "the helper takes all places");
    for _ in 0..70 {
        assert_eq!(get(&socket, "/v1/version").status, 200);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    helper.kill().unwrap();
    helper.wait().unwrap();
}

#[test]
fn stopping_does_not_wait_for_clients() {
    let mut running = run();
    *running.fake.mood.lock().unwrap() = Mood::Silent;
    let socket = running.socket();
    let mut asking = connect(&socket);
    write!(
        asking,
        "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut following = connect(&socket);
    write!(
        following,
        "GET /v1/events?follow=true HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    let mut first = [0; 12];
    following.read_exact(&mut first).unwrap();
    drop(running.server.take());
    // Both connections end, or this would wait for ever.
    let mut rest = Vec::new();
    let _ = asking.read_to_end(&mut rest);
    let _ = following.read_to_end(&mut rest);
}

/// Two thousand services: more than any socket buffer holds.
fn large() -> Snapshot {
    let mut snapshot = snapshot();
    let (_, model) = snapshot.services.pop_first().unwrap();
    snapshot.services.clear();
    for port in 1..=2000 {
        let key = ipvs::ServiceKey::tcp([192, 0, 2, 10], port);
        snapshot.services.insert(key, Arc::clone(&model));
    }
    snapshot
}

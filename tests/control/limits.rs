//! Clients that misbehave, and the socket itself.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use director::daemon::snapshot::Snapshot;

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
        // It may be closed by now, that is the point.
        let _ = endless.write_all(line.as_bytes());
    }
    let answer = read(endless);
    assert_eq!(answer.status, 431);
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn what_is_no_http_is_refused() {
    let running = run();
    let mut stream = connect(&running.socket());
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    assert_eq!(read(stream).status, 400);
    assert_eq!(get(&running.socket(), "/v1/version").status, 200);
}

#[test]
fn a_client_that_reads_nothing_holds_nobody_up() {
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
    let mut followers: Vec<_> = (0..32).map(|_| follow()).collect();
    assert!(followers.iter().all(|(_, head)| head == "HTTP/1.1 200"));
    assert_eq!(follow().1, "HTTP/1.1 503");
    assert_eq!(get(&socket, "/v1/version").status, 200);
    followers.pop();
    // The place is free as soon as the server sees that he has gone.
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
    let idle: Vec<_> = (0..128).map(|_| connect(&socket)).collect();
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

#[test]
fn stopping_waits_for_nobody() {
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
    let mut picture = snapshot();
    let (_, model) = picture.services.pop_first().unwrap();
    picture.services.clear();
    for port in 1..=2000 {
        let key = ipvs::ServiceKey::tcp([192, 0, 2, 10], port);
        picture.services.insert(key, Arc::clone(&model));
    }
    picture
}

//! Servers that answer before they have read the request, and close: scripts behind xinetd or
//! socat, and servers that refuse a client. Sending to them sometimes fails; what they sent still
//! counts as the answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use std::os::unix::fs::PermissionsExt;

use director_check::{TargetId, Verdict};
use director_config::state::health::{AgentCheck, CheckKind, Expect, LoginCheck, TcpCheck};

use tempfile::TempDir;

use crate::ask::{Running, eventually, pace, spec, target};
use crate::serve::serve;

/// Checks the server this many times. Returns the text of the last check.
#[track_caller]
fn often(kind: CheckKind, at: SocketAddr, checks: u64, well: bool) -> String {
    let mut spec = spec(kind);
    spec.pace = pace(Duration::from_secs(30));
    spec.pace.interval = Duration::from_millis(2);
    spec.pace.fast_interval = Duration::from_millis(2);
    let mut running = Running::start();
    running.add(TargetId(1), target(spec, at), Verdict::Open);
    let record = running.records[0].clone();
    let seen = eventually(|| {
        let seen = record.seen();
        let wrong = if well { seen.failures } else { seen.successes };
        (wrong > 0 || seen.successes + seen.failures >= checks).then_some(seen)
    });
    let wrong = if well { seen.failures } else { seen.successes };
    assert_eq!(wrong, 0, "{seen:?}");
    seen.text.map(String::from).unwrap_or_default()
}

fn expecting(send: &[u8], text: &str) -> CheckKind {
    CheckKind::Tcp(TcpCheck {
        send: send.to_vec(),
        expect: Some(Expect::Contains(text.as_bytes().to_vec())),
    })
}

/// Ways to answer first.
fn servers(answer: &'static [u8]) -> Vec<(&'static str, SocketAddr)> {
    let say = move |stream: &mut TcpStream| drop(stream.write_all(answer));
    vec![
        ("at once", serve(move |mut stream| say(&mut stream))),
        (
            "when the request lies there unread, so that closing is a reset",
            serve(move |mut stream| {
                let _ = stream.peek(&mut [0]);
                say(&mut stream);
            }),
        ),
        (
            "at once, and closes some time after that",
            serve(move |mut stream| {
                say(&mut stream);
                thread::sleep(Duration::from_millis(3));
            }),
        ),
        (
            "and ends only its own direction",
            serve(move |mut stream| {
                say(&mut stream);
                let _ = stream.shutdown(Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }),
        ),
        (
            "after a part of the request",
            serve(move |mut stream| {
                let _ = stream.read(&mut [0]);
                say(&mut stream);
            }),
        ),
    ]
}

#[test]
fn a_server_that_answers_before_it_has_read_the_request_is_well_each_time() {
    // Longer than what the kernel accepts from a program before the other side reads.
    let long = vec![b'x'; 8 << 20];
    for (how, at) in servers(b"HTTP/1.1 200 OK\r\n\r\nGalera cluster node is synced\r\n") {
        println!("{how}");
        often(
            expecting(b"GET / HTTP/1.1\r\n\r\n", "200 OK"),
            at,
            300,
            true,
        );
        often(expecting(&long, "synced"), at, 20, true);
    }
    for (how, at) in servers(b"up 50%\n") {
        println!("{how}");
        let kind = CheckKind::Agent(AgentCheck {
            send: b"how are you?\n".to_vec(),
        });
        assert_eq!(often(kind, at, 300, true), "the agent says \"up 50%\"");
    }
    for (how, at) in servers(b"+PONG\r\n") {
        println!("{how}");
        often(CheckKind::Redis(LoginCheck::default()), at, 300, true);
    }
}

#[test]
fn a_server_that_refuses_before_it_has_read_the_request_is_quoted_each_time() {
    for (how, at) in servers(b"-ERR max number of clients reached\r\n") {
        println!("{how}");
        let text = often(CheckKind::Redis(LoginCheck::default()), at, 100, false);
        assert_eq!(
            text,
            r#"PING: ERR max number of clients reached (expected "+PONG")"#
        );
    }
    for (how, at) in servers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") {
        println!("{how}");
        let text = often(expecting(b"GET / HTTP/1.1\r\n\r\n", "200"), at, 100, false);
        assert_eq!(
            text,
            "unexpected answer: \"HTTP/1.1 503 Service Unavailable\", expected one that contains \"200\""
        );
    }
    let fatal = b"E\0\0\0\x37SFATAL\0VFATAL\0C57P03\0Mthe database is starting up\0\0";
    for (how, at) in servers(fatal) {
        println!("{how}");
        let text = often(CheckKind::Postgres(LoginCheck::default()), at, 100, false);
        let told = "FATAL 57P03: the database is starting up (expected to be asked for a password)";
        assert_eq!(text, told);
    }
}

#[test]
fn a_server_that_closes_without_a_word_is_down_whatever_becomes_of_the_request() {
    for kind in [
        expecting(b"hello\n", "x"),
        expecting(&vec![b'x'; 8 << 20], "x"),
    ] {
        often(kind, serve(drop), 50, false);
    }
    let closes = serve(|stream| drop(stream.peek(&mut [0])));
    often(CheckKind::Redis(LoginCheck::default()), closes, 50, false);
}

/// socat, which runs a program for each connection. The program lives for a moment: socat itself
/// sometimes loses the output of one that ends immediately ("child 0 has already died"), with or
/// without a request.
struct Socat(
    Child,
    SocketAddr,
    #[expect(dead_code, reason = "the script lies there")] TempDir,
);

impl Socat {
    fn start(script: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("script");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let child = Command::new("socat")
            .arg(format!(
                "TCP-LISTEN:{},bind=127.0.0.1,reuseaddr,fork",
                at.port()
            ))
            .arg(format!("EXEC:{}", path.display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("socat; `scripts/deps test` installs it");
        eventually(|| TcpStream::connect(at).ok());
        Self(child, at, directory)
    }
}

impl Drop for Socat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs socat"]
fn a_script_behind_socat_that_never_reads_is_well_each_time() {
    let socat = Socat::start(r"printf 'HTTP/1.1 200 OK\r\n\r\nGalera node is synced\n'; sleep 0.1");
    let http = expecting(b"GET / HTTP/1.0\r\n\r\n", "200 OK");
    often(http, socat.1, 300, true);
    let agent = Socat::start("echo up ready 75%; sleep 0.1");
    let kind = CheckKind::Agent(AgentCheck {
        send: b"status\n".to_vec(),
    });
    let text = often(kind, agent.1, 300, true);
    assert_eq!(text, "the agent says \"up ready 75%\"");
}

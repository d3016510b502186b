//! Servers that make the checks work for them, next to successful checks.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use director_check::{Finding, TargetId, Verdict};
use director_config::state::health::{CheckKind, FileCheck, LoginCheck};

use crate::ask::{Running, eventually, pace, spec, target};
use crate::serve::{serve, wait_for_end};

/// A PostgreSQL server that demands this many rounds of SCRAM.
fn wants(rounds: u32) -> SocketAddr {
    serve(move |mut stream| {
        let _ = challenge(&mut stream, rounds);
        wait_for_end(stream);
    })
}

fn challenge(stream: &mut TcpStream, rounds: u32) -> std::io::Result<()> {
    let mut heard = [0; 1024];
    let _ = stream.read(&mut heard)?;
    stream.write_all(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")?;
    let number = stream.read(&mut heard)?;
    let first = String::from_utf8_lossy(&heard[..number]).into_owned();
    let nonce = first.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
    let challenge = format!("r={nonce}more,s=c2FsdA==,i={rounds}");
    let length = u32::try_from(challenge.len() + 8).unwrap().to_be_bytes();
    stream.write_all(&[b"R", &length[..], &[0, 0, 0, 11], challenge.as_bytes()].concat())
}

fn postgres() -> CheckKind {
    CheckKind::Postgres(LoginCheck {
        user: Some("lb".into()),
        password: Some("secret".into()),
        database: None,
    })
}

#[test]
fn servers_that_ask_for_much_scram_take_no_time_from_a_check_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    fs::write(&path, "ready 50%").unwrap();
    // More than the maximum, and the maximum.
    for rounds in [1_000_000, 40_960] {
        let mut running = Running::start();
        for number in 0..20 {
            let mut spec = spec(postgres());
            spec.pace.timeout = Duration::from_millis(200);
            let at = wants(rounds);
            running.add(TargetId(number), target(spec, at), Verdict::Up);
        }
        let mut spec = spec(CheckKind::File(FileCheck {
            path: path.to_str().unwrap().into(),
        }));
        spec.pace = pace(Duration::from_secs(1));
        spec.pace.interval = Duration::from_millis(10);
        let nowhere = SocketAddr::from(([192, 0, 2, 1], 80));
        running.add(TargetId(99), target(spec, nowhere), Verdict::Up);
        let seen = eventually(|| {
            let seen = running.records[20].seen();
            (seen.successes + seen.failures >= 200).then_some(seen)
        });
        assert_eq!(seen.failures, 0, "{seen:?}");
        assert_eq!(seen.text.as_deref(), Some("the file says \"ready 50%\""));
        let hostile = eventually(|| {
            running.records[0]
                .seen()
                .text
                .filter(|text| !text.is_empty())
        });
        if rounds == 1_000_000 {
            let refused = "it demands 1000000 rounds of SCRAM; director does at most 40960";
            assert_eq!(&*hostile, refused);
        }
    }
}

/// The name of this test, and of the variable by which it knows that it runs in its own process.
const HUNG: (&str, &str) = (
    "hostile::certificates_that_hang_leave_other_checks_and_the_end_alone",
    "DIRECTOR_TEST_HUNG_CERTIFICATES",
);

#[test]
fn certificates_that_hang_leave_other_checks_and_the_end_alone() {
    if std::env::var_os(HUNG.1).is_some() {
        return with_certificates_that_hang();
    }
    // Opening a FIFO waits for a writer, like a file system that is gone: the library that looks
    // for the system's authorities opens it.
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("authorities.pem");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", HUNG.0])
        .env(HUNG.1, "1")
        .env("SSL_CERT_FILE", &fifo)
        .env_remove("SSL_CERT_DIR")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ended = eventually(|| child.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
}

fn with_certificates_that_hang() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server");
    fs::write(&path, "ready").unwrap();
    let mut running = Running::start();
    for number in 0..40 {
        let tls = director_config::state::health::TlsSpec {
            verify: true,
            ..Default::default()
        };
        let mut spec = spec(CheckKind::Http(director_config::state::health::HttpCheck {
            tls: Some(tls),
            ..Default::default()
        }));
        spec.pace.timeout = Duration::from_millis(300);
        let at = serve(wait_for_end);
        running.add(TargetId(number), target(spec, at), Verdict::Up);
    }
    let mut spec = spec(CheckKind::File(FileCheck {
        path: path.to_str().unwrap().into(),
    }));
    spec.pace.interval = Duration::from_millis(10);
    let nowhere = SocketAddr::from(([192, 0, 2, 1], 80));
    running.add(TargetId(99), target(spec, nowhere), Verdict::Up);
    // Long enough for the reads to count as hanging.
    for record in &running.records[..40] {
        eventually(|| {
            let text = record.seen().text.map(String::from).unwrap_or_default();
            let hung = "not checked: reading the system's certificate authorities has not answered";
            text.starts_with(hung).then_some(())
        });
        assert_eq!(record.seen().failures, 0);
    }
    let seen = eventually(|| {
        let seen = running.records[40].seen();
        (seen.successes + seen.failures >= 100).then_some(seen)
    });
    assert_eq!(seen.failures, 0, "{seen:?}");
    let judged = |finding: &Finding| matches!(finding, Finding::Judged { .. });
    assert_eq!(running.found.try_iter().find(judged), None);
    // It ends although a thread hangs for ever.
    drop(running);
}

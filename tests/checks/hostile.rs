//! Servers that would have the checks work for them, beside checks that are well.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use director::check::{TargetId, Verdict};
use director::state::health::{CheckKind, FileCheck, LoginCheck};

use crate::ask::{Running, eventually, pace, spec, target};
use crate::serve::{serve, wait_for_end};

/// A PostgreSQL server that wants so many rounds of SCRAM.
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
    // More than is done, and all that is done.
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
        assert_eq!(running.checks.statistics().not_asked, 0);
        let hostile = eventually(|| {
            running.records[0]
                .seen()
                .text
                .filter(|text| !text.is_empty())
        });
        if rounds == 1_000_000 {
            let refused = "it wants 1000000 rounds of SCRAM; at most 40960 are done";
            assert_eq!(&*hostile, refused);
        }
    }
}

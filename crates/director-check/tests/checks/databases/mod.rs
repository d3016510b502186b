//! Real servers under more than a hundred checks each: what they count and log.
//!
//! Each is an instance of its own on a loopback port, with a temporary data directory. The tests
//! are ignored because they need the Debian packages of `scripts/deps test`; `scripts/test` runs
//! them.

mod mariadb;
mod postgres;
mod redis;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use director_check::{Target, TargetId, Verdict};
use director_config::state::health::{CheckKind, CheckSpec, LoginCheck};

use crate::ask::{Running, eventually, pace, spec, target};

/// More than the number of errors after which MariaDB blocks an address by default.
const CHECKS: u64 = 120;

/// A server's process; killed when the test is over.
struct Server {
    process: Child,
    at: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it listens.
    fn start(command: &mut Command, port: u16) -> Self {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let program = command.get_program().to_owned();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program:?}: {error}; `scripts/deps test` installs it")
            });
        let mut server = Self { process, at };
        eventually(|| {
            if let Some(status) = server.process.try_wait().unwrap() {
                panic!("{program:?} ended: {status}");
            }
            TcpStream::connect(at).ok()
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A file for a program's output.
fn log(directory: &Path) -> (File, std::path::PathBuf) {
    let path = directory.join("log");
    (File::create(&path).unwrap(), path)
}

/// The lines of a log that contain one of these words.
fn lines(log: &Path, words: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    let with = |line: &&str| words.iter().any(|word| line.contains(word));
    text.lines().filter(with).map(str::to_owned).collect()
}

fn login(user: Option<&str>, password: Option<&str>) -> LoginCheck {
    LoginCheck {
        user: user.map(str::to_owned),
        password: password.map(str::to_owned),
        database: None,
    }
}

/// Checks it from this loopback address until [`CHECKS`] checks are done.
fn check_often(kind: CheckKind, at: SocketAddr, from: &str) -> Outcome {
    let mut spec: CheckSpec = spec(kind);
    spec.pace = pace(Duration::from_secs(30));
    spec.pace.interval = Duration::from_millis(10);
    spec.pace.fast_interval = Duration::from_millis(10);
    spec.at.source = vec![from.parse().unwrap()];
    let target: Target = target(spec, at);
    let mut running = Running::start();
    running.add(TargetId(1), target, Verdict::Open);
    let record = running.records[0].clone();
    let seen = eventually(|| {
        let seen = record.seen();
        (seen.successes + seen.failures >= CHECKS).then_some(seen)
    });
    // Checks in progress finish; only the end of the process would abort them.
    running
        .checks
        .send(vec![director_check::Command::Stop(TargetId(1))]);
    std::thread::sleep(Duration::from_millis(500));
    drop(running);
    Outcome {
        successes: seen.successes,
        failures: seen.failures,
        text: seen.text.map(String::from).unwrap_or_default(),
    }
}

/// The results of many checks.
#[derive(Debug)]
struct Outcome {
    successes: u64,
    failures: u64,
    text: String,
}

impl Outcome {
    #[track_caller]
    fn all_passed(&self) -> &str {
        assert_eq!(self.failures, 0, "{self:?}");
        &self.text
    }

    #[track_caller]
    fn all_failed(&self) -> &str {
        assert_eq!(self.successes, 0, "{self:?}");
        &self.text
    }
}

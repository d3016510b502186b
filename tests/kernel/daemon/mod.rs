//! `director run` on a real kernel, with real servers and clients that send requests all the time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod adoption;
mod ailing;
mod causes;
pub(crate) mod chaos;
mod crashes;
mod deaths;
mod deploying;
mod discovered;
pub(crate) mod disk;
mod drift;
mod exported;
mod files;
mod held;
mod history;
mod keepalived;
mod leaks;
mod machine;
mod named;
pub(crate) mod operator;
mod paused;
mod planned;
mod quorum;
mod refusals;
mod reloads;
mod sources;
mod statements;
mod top;
mod unasked;
mod watched;

use std::fmt::{Debug, Display};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use ipvs::ServiceKey;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lab::{Ask, Failure, Host, Process, eventually, paced_file, paced_ms};

/// The service of most of these tests.
const SERVICE: &str = "tcp://10.1.0.100:80";

/// Numbers of real servers, and their weights.
type Declared = &'static [(u8, u32)];

/// These servers in the notation of a service file.
fn listed<N: Display>(servers: impl IntoIterator<Item = (N, u32)>) -> String {
    let servers = servers
        .into_iter()
        .map(|(number, weight)| format!("{{ address = \"10.2.0.1{number}\", weight = {weight} }}"));
    servers.collect::<Vec<_>>().join(", ")
}

const DIRECTOR: &str = env!("CARGO_BIN_EXE_director");

/// A director that runs on a host. Its log is printed if a test fails.
pub(crate) struct Daemon<'h> {
    host: &'h Host,
    directory: tempfile::TempDir,
    /// Options besides those that every test needs.
    options: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
    process: Option<Process>,
}

impl<'h> Daemon<'h> {
    /// Starts one with this file, and waits until it is in force.
    #[track_caller]
    pub(crate) fn start(host: &'h Host, file: &str) -> Self {
        Self::start_with(host, file, &[])
    }

    /// The same with further options.
    #[track_caller]
    pub(crate) fn start_with(host: &'h Host, file: &str, options: &[&str]) -> Self {
        let mut daemon = Self::idle(host, file);
        daemon.options = options.iter().copied().map(str::to_owned).collect();
        daemon.launch();
        daemon
    }

    /// A director that does not run yet.
    pub(crate) fn idle(host: &'h Host, file: &str) -> Self {
        let daemon = Self {
            host,
            directory: tempfile::tempdir().unwrap(),
            options: Vec::new(),
            environment: Vec::new(),
            process: None,
        };
        daemon.write(file);
        daemon
    }

    /// Its process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Starts it (again) with the current file.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut command = Command::new(DIRECTOR);
        command
            .args(["run", "services.toml", "--socket", "control.sock"])
            .args(&self.options)
            .current_dir(self.directory.path())
            .env("DIRECTOR_STATE_DIR", self.path("state"))
            .envs(self.environment.iter().cloned())
            .stdout(Stdio::null())
            .stderr(log);
        let mut process = self.host.spawn_command(command);
        eventually("the director is ready", || {
            assert_eq!(process.ended(), None, "it has ended: {}", self.log());
            self.get("/v1/status")
                .filter(|status| !status["loaded"].is_null())
        });
        self.process = Some(process);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces the service file as an editor does: the director notices by itself. Its checks and
    /// drains are [paced](paced_file).
    pub(crate) fn write(&self, file: &str) {
        self.write_as("services.toml", file);
    }

    /// Writes another service file next to it, for the verbs.
    pub(crate) fn write_as(&self, name: &str, file: &str) {
        fs::write(self.path("beside"), paced_file(file)).unwrap();
        fs::rename(self.path("beside"), self.path(name)).unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Asks it to stop, and waits until it has; returns its exit code.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        let mut process = self.process.take().expect("it runs");
        eventually("the director has stopped", || process.ended())
    }

    /// Kills it as in a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::SIGKILL);
            eventually("the director is dead", || process.ended());
        }
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// The answer of its control socket; `None` while there is none.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let answer = self.http(&format!("GET {path} HTTP/1.0\r\n\r\n"))?;
        Some(serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// Sends it a request.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let head = "content-type: application/json\r\ncontent-length";
        let request = format!(
            "POST {path} HTTP/1.0\r\n{head}: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.http(&request).expect("the director answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The body of its answer to a request.
    pub(crate) fn http(&self, request: &str) -> Option<String> {
        let mut socket = UnixStream::connect(self.path("control.sock")).ok()?;
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
    }

    /// Waits until a service's servers have these weights, `1=1 2=0` for real servers 1 and 2.
    #[track_caller]
    pub(crate) fn weights(&self, service: &str, expected: &str) {
        let what = format!("the weights are {expected}");
        self.becomes(&what, &expected.to_owned(), || weights(self.host, service));
    }

    /// Waits until a value is as expected.
    #[track_caller]
    pub(crate) fn becomes<T: PartialEq + Debug>(
        &self,
        what: &str,
        expected: &T,
        look: impl Fn() -> T,
    ) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually(what, || (look() == *expected).then_some(()));
        }));
        if found.is_err() {
            let (last, log) = (look(), self.log());
            panic!("{what}: {last:?} instead of {expected:?}; the log:\n{log}");
        }
    }
}

/// A service's servers and weights in the kernel, by the number of the real server.
fn weights(host: &Host, service: &str) -> String {
    let key: ServiceKey = service.parse().unwrap();
    let servers = host.enter(|| {
        let mut client = ipvs::Client::connect().unwrap();
        client.consistent_servers(&key)
    });
    let mut shown: Vec<(u8, u32)> = servers
        .unwrap_or_default()
        .iter()
        .map(|entry| {
            let last = match entry.server.key.address {
                std::net::IpAddr::V4(address) => address.octets()[3],
                std::net::IpAddr::V6(address) => address.octets()[15],
            };
            (last, entry.server.weight.get())
        })
        .collect();
    shown.sort_unstable();
    let shown = shown
        .iter()
        .map(|(last, weight)| format!("{}={weight}", last % 10));
    shown.collect::<Vec<_>>().join(" ")
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// When it started.
    at: Instant,
    /// The server that answered.
    by: Result<String, Failure>,
}

/// Lets clients send requests continuously, each on a new connection and from the next address,
/// while something happens; returns all requests in order.
pub(crate) fn asked_during(ask: &Ask<'_>, threads: usize, happening: impl FnOnce()) -> Vec<Asked> {
    let over = AtomicBool::new(false);
    let mut asked = thread::scope(|scope| {
        let clients: Vec<_> = (0..threads)
            .map(|first| {
                let over = &over;
                scope.spawn(move || {
                    let mut asked = Vec::new();
                    while !over.load(Ordering::SeqCst) {
                        let at = Instant::now();
                        let by = ask.round(first + asked.len()).by;
                        asked.push(Asked { at, by });
                        thread::sleep(paced_ms(5));
                    }
                    asked
                })
            })
            .collect();
        // The clients have to stop even if it panics.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(happening));
        over.store(true, Ordering::SeqCst);
        let asked: Vec<Asked> = clients
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        asked
    });
    asked.sort_by_key(|asked| asked.at);
    asked
}

/// The failed requests.
pub(crate) fn failed(asked: &[Asked]) -> Vec<&Asked> {
    asked.iter().filter(|asked| asked.by.is_err()).collect()
}

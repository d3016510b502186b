//! A running `director web`, and the fake director behind it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use director::control::event::{Event, EventKind};
use director::control::snapshot::{ServerState, Snapshot};

use super::fake::{self, Running, run_with, snapshot};
use super::raw::{Answer, ask};

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct Site {
    pub(crate) running: Running,
    child: Child,
    pub(crate) address: SocketAddr,
    /// With its scheme.
    pub(crate) url: String,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page of the canned director.
pub(crate) fn site() -> Site {
    site_of(snapshot(), &[])
}

pub(crate) fn site_of(snapshot: Snapshot, options: &[&str]) -> Site {
    start(run_with(snapshot), options)
}

/// One that needs the token.
pub(crate) fn guarded() -> Site {
    let running = run_with(snapshot());
    let file = token_file(running.directory.path());
    start(running, &["--token-file", file.to_str().unwrap()])
}

pub(crate) fn token_file(directory: &Path) -> PathBuf {
    let file = directory.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

pub(crate) fn start(running: Running, options: &[&str]) -> Site {
    let mut child = web(&running.view(), options)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = loop {
        let line = lines.next().expect("it starts").unwrap();
        if let Some((_, url)) = line.split_once("the page is at ") {
            break url.to_owned();
        }
        eprintln!("{line}");
    };
    std::thread::spawn(move || lines.for_each(|line| eprintln!("web: {}", line.unwrap())));
    let address = url.split('/').nth(2).unwrap().parse().unwrap();
    Site {
        running,
        child,
        address,
        url,
    }
}

/// The command, on a port of the system's choice.
fn web(view: &Path, options: &[&str]) -> Command {
    let program = std::env::var_os("DIRECTOR_PROGRAM");
    let program = program.unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_director")));
    let mut command = Command::new(program);
    command.args(["web", "--view-socket"]).arg(view);
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(options).env("TZ", "UTC");
    command
}

/// What it says when it does not start.
pub(crate) fn refusal(options: &[&str]) -> String {
    let mut child = web(Path::new("/nowhere/view.sock"), options)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

impl Site {
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// With these lines of the head, each ended by CR and LF.
    pub(crate) fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let length = match body {
            "" => String::new(),
            body => format!("Content-Length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{head}{length}\r\n{body}",
            self.address
        );
        ask(self.address, request.as_bytes())
    }

    /// A server of the first service goes down, for this reason.
    pub(crate) fn takes_down(&self, reason: &str) {
        let mut snapshot = (*self.running.fake.published.snapshot()).clone();
        snapshot.revision += 1;
        let service = snapshot.services.get_mut(&fake::web()).unwrap();
        let service = Arc::make_mut(service);
        let server = &mut service.servers[0];
        server.state = ServerState::Down;
        server.reason = reason.into();
        server.checks = vec![(fake::check(), fake::found(false, reason, 3))];
        service.up -= 1;
        let event = Event {
            id: 0,
            at_ms: fake::NOON * 1000,
            kind: EventKind::ServerDown,
            service: Some("web".into()),
            listen: Some(fake::web()),
            server: Some(fake::server_key(11)),
            text: format!("down: {reason}").into(),
        };
        self.running.fake.published.publish(snapshot);
        self.running.fake.published.record(event);
    }

    /// The memory of the page's process, `VmHWM` and `VmRSS`.
    pub(crate) fn memory(&self) -> String {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let lines = status
            .lines()
            .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"));
        lines.collect::<Vec<_>>().join(", ")
    }

    /// The exit code after SIGTERM.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

/// Waits for a state.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All bytes until the end, or an error that ends the connection.
pub(crate) fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

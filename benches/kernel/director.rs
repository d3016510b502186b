//! A `director run` that is measured.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::checks::Running;
use crate::lab::Netns;

/// The timeout of every wait.
const PATIENCE: Duration = Duration::from_secs(120);

/// A director that runs in a namespace.
pub(crate) struct Daemon {
    process: Running,
    directory: PathBuf,
}

impl Daemon {
    pub(crate) fn start(net: &Netns, file: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("daemon-{}", net.name()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("services.toml"), file).unwrap();
        let daemon = Self {
            process: run(net, &directory),
            directory,
        };
        daemon.until_ready();
        daemon
    }

    /// Starts it again after [`Daemon::end`], with the current file and state.
    pub(crate) fn start_again(&mut self, net: &Netns) {
        self.process = run(net, &self.directory);
        self.until_ready();
    }

    fn until_ready(&self) {
        let end = Instant::now() + PATIENCE;
        let is_ready = || {
            self.status()
                .is_some_and(|status| !status["loaded"].is_null())
        };
        while !is_ready() {
            assert!(Instant::now() < end, "not ready: {}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid().as_raw()
    }

    /// Ends it by a signal and waits for that.
    pub(crate) fn end(&mut self, signal: Signal) {
        self.process.signal(signal);
        self.process.0.wait().unwrap();
    }

    /// The output of `director status --format json`; `None` without an answer.
    pub(crate) fn status(&self) -> Option<Value> {
        let body = self.get("/v1/status")?;
        serde_json::from_str(&body).ok()
    }

    /// What the view socket answers; `None` without an answer.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut socket = UnixStream::connect(self.directory.join("view.sock")).ok()?;
        let question = format!("GET {path} HTTP/1.0\r\n\r\n");
        socket.write_all(question.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some(body.to_owned())
    }

    /// The bytes of its history on disk.
    pub(crate) fn history(&self) -> u64 {
        let states = fs::read_dir(self.directory.join("state")).unwrap();
        let histories = states.map(|state| state.unwrap().path().join("history"));
        let files = histories
            .filter_map(|history| fs::read_dir(history).ok())
            .flatten();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    }

    /// A verb for this director, or another program of it; words are split at blanks.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program(&self.directory));
        command
            .args(line.split_whitespace())
            .current_dir(&self.directory)
            .env("DIRECTOR_STATE_DIR", self.directory.join("state"))
            .env("DIRECTOR_SOCKET", "control.sock")
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb, which must succeed.
    pub(crate) fn verb(&self, net: &Netns, line: &str) {
        let mut command = self.command(line);
        let done = net.enter(|| command.output().unwrap());
        assert!(done.status.success(), "{line}: {done:?}\n{}", self.log());
    }

    /// Replaces the program as a package manager does: the running process keeps the old file.
    pub(crate) fn replace_program(&self) {
        let own = self.directory.join("director");
        let new = self.directory.join("director.new");
        fs::copy(program(&self.directory), &new).unwrap();
        fs::rename(new, own).unwrap();
    }

    /// The longest time between two checks of a server so far, in seconds.
    pub(crate) fn longest_gap(&self) -> f64 {
        let status = self.status().unwrap();
        let services = status["services"].as_array().unwrap().iter();
        let servers = services.flat_map(|service| service["servers"].as_array().unwrap());
        let checks = servers.flat_map(|server| server["checks"].as_array().unwrap());
        let gaps = checks.map(|check| check["longest_gap_ms"].as_f64().unwrap());
        gaps.fold(0.0, f64::max) / 1e3
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap()
    }

    /// How often it has compared the tables so far.
    pub(crate) fn readings(&self) -> f64 {
        self.log().matches("tables read").count() as f64
    }

    /// Writes the next file next to the one in force.
    pub(crate) fn write(&self, file: &str) {
        fs::write(self.directory.join("next.toml"), file).unwrap();
    }

    /// Puts it in place and requests a reload.
    pub(crate) fn put_in_place(&self) {
        let next = self.directory.join("next.toml");
        fs::rename(next, self.directory.join("services.toml")).unwrap();
        self.process.signal(Signal::SIGHUP);
    }

    pub(crate) fn replace(&self, file: &str) {
        self.write(file);
        self.put_in_place();
    }

    /// Stops it, and prints how punctual its checks were.
    pub(crate) fn stop(self) {
        let Self { process, directory } = self;
        process.stop();
        let log = fs::read_to_string(directory.join("log")).unwrap();
        for line in log.lines().filter(|line| line.contains("kept their time")) {
            println!("{line}");
        }
    }
}

/// Its own copy if it has one, otherwise the one that is measured.
fn program(directory: &Path) -> PathBuf {
    let own = directory.join("director");
    if own.exists() {
        return own;
    }
    std::env::var_os("DIRECTOR_BIN")
        .expect("DIRECTOR_BIN names the release build of director: use scripts/bench")
        .into()
}

/// Starts the process; its log continues.
fn run(net: &Netns, directory: &Path) -> Running {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let child = net.enter(|| {
        Command::new(program(directory))
            .args(["run", "services.toml", "--socket", "control.sock"])
            .current_dir(directory)
            .env("DIRECTOR_STATE_DIR", directory.join("state"))
            .env("DIRECTOR_LOG", "info,director::daemon::worker=debug")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    });
    Running(child)
}

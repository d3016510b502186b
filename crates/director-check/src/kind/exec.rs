//! A program decides whether the server is up, by its exit code: 0 is success.
//!
//! ```text
//!   DIRECTOR_SERVICE   the service's name in the file
//!   DIRECTOR_LISTEN    its listen address, such as tcp://192.0.2.10:80
//!   DIRECTOR_SERVER    the server's name in the file, else its address
//!   DIRECTOR_ADDRESS   the server's address
//!   DIRECTOR_PORT      its port
//!   DIRECTOR_CHECK_ADDRESS, DIRECTOR_CHECK_PORT   where to ask, if the check says so; else the same
//! ```
//!
//! - **It leads a process group of its own**, which is killed completely when the program ends,
//!   when it times out, or when the result is no longer needed. A process that is to survive the
//!   check must leave the group (setsid(1)).
//! - **It is always waited for**, so that no zombie remains.
//! - **The daemon's own variables are hidden**: those by which systemd talks to it are removed from
//!   the environment.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::attempt::Attempt;
use super::words::percent;
use crate::failure::{Failure, Passed};
use crate::program;
use crate::{Advice, Target};
use director_config::state::health::ExecCheck;
use director_config::words::printable;

/// The part of a program's output that is kept, in bytes. The rest is read and discarded, so that
/// the program does not block.
const LIMIT: usize = 4096;

/// The variables that systemd sets for the daemon only.
const NOT_TOLD: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
];

pub(super) async fn run(spec: &ExecCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    attempt.stage("the program ran");
    let mut command = command(spec, attempt.target)?;
    let program = command.as_std().get_program().to_owned();
    // If the program's file system hangs, so does the system call that starts it.
    let path = Path::new(&program);
    let started = attempt
        .touch("starting", path, move || Group::start(&mut command))
        .await?;
    let mut group = started.map_err(|error| not_started(&program, &error))?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    let status = {
        let mut reading = std::pin::pin!(async {
            tokio::join!(read(stdout, &mut output), read(stderr, &mut errors));
        });
        // The program's exit counts, not the end of its output: a child in the background may hold
        // that open.
        tokio::select! {
            biased;
            () = &mut reading => group.child.wait().await,
            status = group.child.wait() => {
                // Its output is already there.
                let _ = tokio::time::timeout(std::time::Duration::ZERO, reading).await;
                status
            }
        }
    };
    let status = status.map_err(|error| Failure::ours(&error))?;
    let left = group.end();
    let line = first_line(&output).or_else(|| first_line(&errors));
    let passed = judge(spec, status, line, left);
    match (passed, status.code()) {
        // The interpreter did not find the program to run. Reading the script may hang, as starting
        // it may.
        (Err(mut failure), Some(program::NOT_FOUND)) => {
            let path = Path::new(&program);
            let script = program.clone();
            let why = attempt
                .touch("reading", path, move || program::doubt(&script))
                .await?;
            if let Some(why) = why {
                failure.text = format!("{}: {why}", failure.text).into();
            }
            Err(failure)
        }
        (passed, _) => passed,
    }
}

fn judge(
    spec: &ExecCheck,
    status: ExitStatus,
    line: Option<String>,
    left: bool,
) -> Result<Passed, Failure> {
    let told = line.as_deref().map_or(String::new(), |l| format!(": {l}"));
    match (status.code(), status.signal()) {
        (Some(0), _) => {}
        (Some(code), _) => {
            return Err(Failure::new(format_args!(
                "exit code {code}, expected 0{told}"
            )));
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            return Err(Failure::new(format_args!(
                "ended by signal {signal}, expected exit code 0{told}"
            )));
        }
    }
    let weight = line.as_deref().filter(|_| spec.weight).and_then(percent);
    let text = match (line, left) {
        (line, false) => line,
        (None, true) => Some(LEFT.to_owned()),
        (Some(line), true) => Some(format!("{line} ({LEFT})")),
    };
    Ok(Passed {
        text: text.map(Into::into),
        advice: weight.map(|weight| Advice {
            weight: Some(weight),
            ..Advice::default()
        }),
    })
}

/// The text for a program that ended and left processes behind.
const LEFT: &str = "it left processes behind, which were killed";

/// A program and everything that it starts; killed when this is dropped.
#[derive(Debug)]
struct Group {
    child: Child,
    /// Its leader, the program.
    leader: Option<Pid>,
}

impl Group {
    fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        let leader = leader.map(Pid::from_raw);
        Ok(Self { child, leader })
    }

    /// Kills what is left of it. Returns whether anything was left.
    ///
    /// The number belongs to the group as long as it has a process. After that, the kernel reuses
    /// it only after all others.
    fn end(&mut self) -> bool {
        let leader = self.leader.take();
        leader.is_some_and(|leader| killpg(leader, Signal::SIGKILL).is_ok())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
        // tokio waits for the leader.
    }
}

fn command(spec: &ExecCheck, target: &Target) -> Result<Command, Failure> {
    let mut command = if spec.shell {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").args(&spec.command);
        shell
    } else {
        let Some((program, arguments)) = spec.command.split_first() else {
            return Err(Failure::ours("no program to run".to_owned()));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    for name in NOT_TOLD {
        command.env_remove(name);
    }
    let (address, port) = target.server;
    let server = target.server_name.as_deref();
    command
        .env(
            "DIRECTOR_SERVICE",
            target.service_name.as_deref().unwrap_or_default(),
        )
        .env(
            "DIRECTOR_LISTEN",
            target.service.map_or(String::new(), |s| s.to_string()),
        )
        .env(
            "DIRECTOR_SERVER",
            server.map_or_else(|| address.to_string(), str::to_owned),
        )
        .env("DIRECTOR_ADDRESS", address.to_string())
        .env("DIRECTOR_PORT", port.to_string())
        .env("DIRECTOR_CHECK_ADDRESS", target.address.to_string())
        .env("DIRECTOR_CHECK_PORT", target.port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    Ok(command)
}

fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    Failure::ours(program::explain(program, error))
}

/// Reads to the end and keeps the start.
async fn read(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut piece = [0; 1024];
    while let Ok(number @ 1..) = from.read(&mut piece).await {
        let room = LIMIT - into.len();
        into.extend_from_slice(&piece[..number.min(room)]);
    }
}

/// The first line that is not empty, made safe to show.
fn first_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let shown: String = line.chars().take(200).collect();
    Some(printable(&shown))
}

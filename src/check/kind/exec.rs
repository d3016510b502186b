//! A program says whether the server is well: by its exit code, 0 for well.
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
//! - **It leads a process group of its own**, which is killed with all that is in it when time
//!   runs out, or when nobody wants to know any more.
//! - **It is always waited for**: no zombie stays.
//! - **The daemon's own affairs are not told**: the variables by which systemd speaks with it are
//!   taken out of the environment.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::words::percent;
use super::{Attempt, Failure, Passed};
use crate::check::{Advice, Target, net};
use crate::state::health::ExecCheck;
use crate::words::printable;

/// What is kept of a program's output, in bytes. The rest is read and forgotten, so that it does
/// not stand still.
const LIMIT: usize = 4096;

/// What systemd tells the daemon, and nobody else.
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
    let mut group = start(spec, attempt.target)?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (group.0.stdout.take(), group.0.stderr.take());
    let status = {
        let mut reading = std::pin::pin!(async {
            tokio::join!(read(stdout, &mut output), read(stderr, &mut errors));
        });
        // Its end counts, not its output's: a child in the background may hold that open.
        tokio::select! {
            biased;
            () = &mut reading => group.0.wait().await,
            status = group.0.wait() => {
                // What it has written is there already.
                let _ = tokio::time::timeout(std::time::Duration::ZERO, reading).await;
                status
            }
        }
    };
    let status = status.map_err(|error| Failure::ours(&error))?;
    let line = first_line(&output).or_else(|| first_line(&errors));
    judge(spec, status, line)
}

fn judge(spec: &ExecCheck, status: ExitStatus, line: Option<String>) -> Result<Passed, Failure> {
    let told = line.as_deref().map_or(String::new(), |l| format!(": {l}"));
    match (status.code(), status.signal()) {
        (Some(0), _) => {}
        (Some(code), _) => return Err(Failure::new(format_args!("exit code {code}{told}"))),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            return Err(Failure::new(format_args!("ended by signal {signal}{told}")));
        }
    }
    let weight = line.as_deref().filter(|_| spec.weight).and_then(percent);
    Ok(Passed {
        text: line.map(Into::into),
        advice: weight.map(|weight| Advice {
            weight: Some(weight),
            ..Advice::default()
        }),
    })
}

/// A program and all that it starts. Dropped before its end, it is killed.
#[derive(Debug)]
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // There is a number as long as it was not waited for, and as long it is nobody else's.
        if let Some(pid) = self.0.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            // tokio waits for it.
        }
    }
}

fn start(spec: &ExecCheck, target: &Target) -> Result<Group, Failure> {
    let mut command = if spec.shell {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").args(&spec.command);
        shell
    } else {
        let Some((program, arguments)) = spec.command.split_first() else {
            return Err(Failure::ours("there is no program to run".to_owned()));
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
    match command.spawn() {
        Ok(child) => Ok(Group(child)),
        Err(error) => {
            let program = command.as_std().get_program().to_string_lossy();
            let why = net::describe(&error);
            Err(Failure::ours(format!("{program}: {why}")))
        }
    }
}

/// Reads to the end; keeps the beginning.
async fn read(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut piece = [0; 1024];
    while let Ok(number @ 1..) = from.read(&mut piece).await {
        let room = LIMIT - into.len();
        into.extend_from_slice(&piece[..number.min(room)]);
    }
}

/// The first line that is not empty, fit to be shown.
fn first_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let shown: String = line.chars().take(200).collect();
    Some(printable(&shown))
}

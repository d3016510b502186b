//! The program `director` without a kernel that has IPVS: arguments, output, exit codes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod check;
mod completions;
mod features;
mod help;
mod hostile;
mod machine;
mod man;
mod version;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program under test: `DIRECTOR_PROGRAM`, which `scripts/test` sets to one built without the
/// tests' features, otherwise Cargo's, which includes those of dev-dependencies.
fn program() -> OsString {
    let built = || env!("CARGO_BIN_EXE_director").into();
    std::env::var_os("DIRECTOR_PROGRAM").unwrap_or_else(built)
}

const GOOD: &str = r#"
version = 1
[service.web]
listen = "tcp://192.0.2.10:80"
servers = ["10.0.0.1", "10.0.0.2"]
"#;

/// `sh` without its fallback flag: it works, but causes trouble.
const WARNED: &str = r#"
version = 1
[service.web]
listen = "tcp://192.0.2.10:80"
scheduler = "sh"
servers = ["10.0.0.1", "10.0.0.2"]
"#;

/// Two mistakes.
const WRONG: &str = r#"
version = 1
[service.web]
listen = "tcp://192.0.2.10:80"
shceduler = "rr"
servers = ["10.0.0.1", "10.0.0.300"]
"#;

/// The result of a run.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn command<A: AsRef<OsStr>>(args: &[A]) -> Command {
    let mut command = Command::new(program());
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("DIRECTOR_STATE_DIR")
        .env_remove("DIRECTOR_SOCKET")
        .stdin(Stdio::null());
    command
}

/// Runs `director`; words are split at blanks.
fn director(line: &str) -> Run {
    let words: Vec<_> = line.split_whitespace().collect();
    command(&words).output().unwrap().into()
}

/// Runs `director` in a directory.
fn director_in(directory: &Path, line: &str) -> Run {
    let words: Vec<_> = line.split_whitespace().collect();
    let output = command(&words).current_dir(directory).output();
    output.unwrap().into()
}

fn director_with(line: &str, input: &str) -> Run {
    let words: Vec<_> = line.split_whitespace().collect();
    let mut child = command(&words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Dropped once written, which ends the input.
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap().into()
}

/// A directory with the three files.
fn files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("good.toml", GOOD),
        ("warned.toml", WARNED),
        ("wrong.toml", WRONG),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

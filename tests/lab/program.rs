//! Programs that run in a namespace.
//!
//! A thread that is already inside starts them: the standard library then uses `posix_spawn`. A
//! hook before exec would make it fork, which copies the page tables of the whole test and takes
//! long where system calls are expensive.

use std::{
    fmt,
    io::Write,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The timeout of a program.
const LIMIT: Duration = Duration::from_secs(120);

/// The result of a program: its exit code and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The exit code; 128 + n if signal n ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn success(&self) -> bool {
        self.code == 0
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code();
        Self {
            code: code.unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}{}", self.code, self.stdout, self.stderr)
    }
}

/// Runs `command` to its end in the namespace of the calling thread, with `input` on its stdin.
///
/// # Panics
///
/// If it does not start, or does not end within two minutes (it is then killed).
pub(super) fn complete(mut command: Command, input: &[u8]) -> Outcome {
    let name = format!("{command:?}");
    let stdin = if input.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    let pid = pid(&child);
    let pipe = child.stdin.take();
    thread::scope(|scope| {
        // A program need not read its input to the end.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(input)));
        let (done, ended) = mpsc::channel();
        scope.spawn(move || done.send(child.wait_with_output()));
        let output = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
            let _ = kill(pid, Signal::SIGKILL);
            panic!("{name} did not end within {} s", LIMIT.as_secs())
        });
        output.expect("a child's output can be read").into()
    })
}

/// A background program. Dropping it ends it: SIGTERM, then SIGKILL if necessary.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child }
    }

    /// Its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill(pid(&self.child), signal);
    }

    /// Its exit code, as in [`Outcome::code`], if it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.child.try_wait().expect("a child can be waited for")?;
        Some(
            status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id fits pid_t"))
}

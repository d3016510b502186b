//! Whole runs against the in-memory kernel.

mod command_line;
mod kernel_errors;
mod lists;
mod restore;
mod save;
mod streams;

use std::io::BufWriter;

use ipvs::Client;
use ipvs::fake::FakeKernel;

use crate::names::tests::Table;
use crate::run::{self, Streams};

/// The results of a run.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: u8,
    stdout: String,
    stderr: String,
}

/// Runs `ipvsadm` with a line's words, split at single blanks: two blanks have an empty word
/// between them.
fn ipvsadm(kernel: &FakeKernel, line: &str) -> Outcome {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    ipvsadm_words(kernel, &words, b"")
}

/// Runs `ipvsadm -R`.
fn restore(kernel: &FakeKernel, input: impl AsRef<[u8]>) -> Outcome {
    ipvsadm_words(kernel, &[b"-R"], input.as_ref())
}

fn ipvsadm_words(kernel: &FakeKernel, words: &[&[u8]], mut stdin: &[u8]) -> Outcome {
    let (mut out, mut stderr) = (Vec::new(), Vec::new());
    let mut stdout = BufWriter::new(&mut out);
    let streams = Streams {
        stdin: &mut stdin,
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let connect = &mut || Client::over(kernel.clone());
    let code = run::run(b"ipvsadm", words, streams, &mut Table, connect);
    drop(stdout);
    Outcome {
        code,
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Asserts that a line succeeds and prints nothing.
#[track_caller]
fn done(kernel: &FakeKernel, line: &str) {
    assert_eq!(ipvsadm(kernel, line), printed(""), "{line}");
}

/// The stdout of a line that succeeds.
#[track_caller]
fn shown(kernel: &FakeKernel, line: &str) -> String {
    let outcome = ipvsadm(kernel, line);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{line}");
    outcome.stdout
}

/// Success with this stdout.
fn printed(stdout: &str) -> Outcome {
    Outcome {
        code: 0,
        stdout: stdout.to_owned(),
        stderr: String::new(),
    }
}

/// Failure with this line on stderr.
fn failed(code: u8, message: &str) -> Outcome {
    Outcome {
        code,
        stdout: String::new(),
        stderr: format!("{message}\n"),
    }
}

const TRY: &str = "Try `ipvsadm -h' or 'ipvsadm --help' for more information.";

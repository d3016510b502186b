//! A drop-in for `ipvsadm` 1.31, with `ipvsadm-save` and `ipvsadm-restore`.
//!
//! Commands, options, messages, exit codes and output are the same, byte for byte. The
//! implementation differs: one socket, the family resolved once, `-R` in chunks. The package's
//! README lists the intended differences.
//!
//! ```text
//!  words ─► args ─► Command ─┬─► run ──────► ipvs::Client ─► kernel
//!                            ├─► restore      (many changes in one send)
//!                            └─► list  ─► one buffer ─► stdout
//! ```
//!
//! Everything below [`main`] works on bytes and streams passed to it, so that tests can do whole
//! runs against an in-memory kernel.

mod args;
mod errors;
mod help;
mod init;
mod list;
mod names;
mod restore;
mod run;
mod scripts;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::ExitCode;

use ipvs::Client;

use names::SystemNames;
use run::Streams;

/// The three programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `ipvsadm`
    Ipvsadm,
    /// `ipvsadm-save`
    Save,
    /// `ipvsadm-restore`
    Restore,
}

impl Program {
    /// The program with this name, in any directory.
    fn called(name: &[u8]) -> Self {
        let name = OsString::from_vec(name.to_vec());
        match Path::new(&name).file_name().and_then(|name| name.to_str()) {
            Some("ipvsadm-save") => Self::Save,
            Some("ipvsadm-restore") => Self::Restore,
            _ => Self::Ipvsadm,
        }
    }
}

/// The size of the output buffer, in bytes.
const OUTPUT: usize = 16 * 1024;

/// Runs a program with this process's arguments, streams and network namespace. Without `program`,
/// the process's name selects it.
#[must_use]
pub fn main(program: Option<Program>) -> ExitCode {
    let mut words = std::env::args_os().map(OsString::into_vec);
    let name = words.next().unwrap_or_else(|| b"ipvsadm".to_vec());
    let words: Vec<Vec<u8>> = words.collect();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();

    // Not std's stdout: that searches each buffer for the last newline and writes it in two parts.
    let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            eprintln!("ipvsadm: cannot write: {error}");
            return ExitCode::from(errors::LIST_FAILED);
        }
    };
    let mut stdout = BufWriter::with_capacity(OUTPUT, file);
    let mut names = SystemNames::default();
    let streams = Streams {
        stdin: &mut io::stdin().lock(),
        stdout: &mut stdout,
        stderr: &mut io::stderr(),
    };
    let connect = &mut Client::connect;
    let code = match program.unwrap_or_else(|| Program::called(&name)) {
        Program::Ipvsadm => run::run(&name, &words, streams, &mut names, connect),
        Program::Save => scripts::save(&name, &words, streams, &mut names, connect),
        Program::Restore => scripts::restore(&words, streams, &mut names, connect),
    };
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;

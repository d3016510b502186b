//! Explains why a program cannot be run where the system's own words mislead: a script whose
//! interpreter is missing is "no such file or directory", although the script exists.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use director_config::regular;
use director_config::words::printable;

/// The part of a file that determines its type: what the kernel reads (`BINPRM_BUF_SIZE`).
const HEAD: u64 = 256;

/// Explains why this program could not be run, by name.
pub fn explain(program: &OsStr, error: &io::Error) -> String {
    let name = printable(&program.to_string_lossy());
    let why = error
        .raw_os_error()
        .and_then(|number| reason(program, Errno::from_raw(number)));
    match why {
        Some(why) => format!("{name}: {why}"),
        None => format!("{name}: {}", described(error)),
    }
}

/// The exit code of shells and env(1) for a missing program.
pub const NOT_FOUND: i32 = 127;

/// What is wrong with a script whose interpreter started and found nothing to run: `env bash\r`
/// looks for a program `bash\r`, and exits with code 127.
pub fn doubt(program: &OsStr) -> Option<&'static str> {
    let head = head(&found(program)?)?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    line.ends_with(b"\r").then_some(
        "the first line of the script ends with a carriage return (CRLF): save it with LF",
    )
}

/// The error in the system's words, to follow a colon.
fn described(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else {
        return error.to_string();
    };
    let text = Errno::from_raw(number).desc();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn reason(program: &OsStr, error: Errno) -> Option<String> {
    let path = found(program);
    match error {
        Errno::ENOENT => match path {
            Some(path) => interpreter(&path, "does not exist"),
            None if program.as_bytes().contains(&b'/') => None,
            None => Some("no such program in the PATH".into()),
        },
        Errno::EACCES => {
            let path = path?;
            let metadata = path.metadata().ok()?;
            if metadata.is_dir() {
                return Some("it is a directory".into());
            }
            if !metadata.is_file() {
                return Some("it is not a regular file".into());
            }
            if metadata.permissions().mode() & 0o111 == 0 {
                return Some("it is not executable: `chmod +x` makes it so".into());
            }
            let names = interpreter(&path, "cannot be run");
            Some(names.unwrap_or_else(|| {
                "permission denied: to it, to a directory above it, or by a mount with `noexec`"
                    .into()
            }))
        }
        Errno::ENOEXEC => Some(match path.and_then(|path| head(&path)) {
            Some(head) if head.is_empty() => "it is empty".into(),
            Some(head) if head.starts_with(b"\x7fELF") => {
                "it is a program for another architecture".into()
            }
            Some(head) if head.starts_with(b"\xef\xbb\xbf#!") => {
                "it starts with a byte order mark: save it without".into()
            }
            _ => {
                "it is neither a program for this machine nor a script that starts with `#!`".into()
            }
        }),
        Errno::ETXTBSY => Some("it is open for writing: replace it by a rename instead".into()),
        _ => None,
    }
}

/// What is wrong with the interpreter of an existing program.
fn interpreter(path: &Path, wrong: &str) -> Option<String> {
    let head = head(path)?;
    if head.starts_with(b"\x7fELF") {
        return Some(format!(
            "its loader {wrong}: it is for another architecture or C library"
        ));
    }
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let words = line.trim_ascii_start();
    let end = words.iter().position(|byte| matches!(byte, b' ' | b'\t'));
    let name = &words[..end.unwrap_or(words.len())];
    let shown = String::from_utf8_lossy(name).escape_debug().to_string();
    if name.ends_with(b"\r") {
        return Some(format!(
            "its first line ends with a carriage return (CRLF), and its interpreter `{shown}` {wrong}: save it \
             with LF"
        ));
    }
    Some(format!("its interpreter `{shown}` {wrong}"))
}

/// The file that would be run.
fn found(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return path.symlink_metadata().is_ok().then_some(path);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/bin:/usr/bin"));
    let directories: Vec<_> = env::split_paths(&path).collect();
    let candidates = directories.iter().map(|directory| directory.join(program));
    candidates.into_iter().find(|path| path.is_file())
}

fn head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let file = regular::open(path).ok()?;
    file.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::process::Command;

    use super::*;

    /// The explanation for a program with this content and mode.
    fn said(content: &[u8], mode: u32) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let run = || {
            let ended = Command::new(&path)
                .spawn()
                .and_then(|mut child| child.wait());
            ended.expect_err("it cannot be run")
        };
        let mut error = run();
        // A process just forked by another test may still hold it open.
        for _ in 0..100 {
            if error.kind() != io::ErrorKind::ExecutableFileBusy {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            error = run();
        }
        let said = explain(path.as_os_str(), &error);
        let name = path.to_string_lossy().into_owned();
        said.strip_prefix(&format!("{name}: ")).unwrap().to_owned()
    }

    #[test]
    fn a_script_with_carriage_returns_says_so() {
        for script in ["#!/bin/sh\r\nexit 0\r\n", "#! /bin/sh\r\n", "#!/bin/sh\r"] {
            assert_eq!(
                said(script.as_bytes(), 0o755),
                "its first line ends with a carriage return (CRLF), and its interpreter `/bin/sh\\r` does not \
                 exist: save it with LF"
            );
        }
    }

    #[test]
    fn a_script_with_carriage_returns_for_env_is_doubted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        fs::write(&path, "#!/usr/bin/env bash\r\nexit 0\r\n").unwrap();
        assert!(doubt(path.as_os_str()).unwrap().contains("save it with LF"));
        fs::write(&path, "#!/usr/bin/env bash\nexit 127\n").unwrap();
        assert_eq!(doubt(path.as_os_str()), None);
        assert_eq!(doubt(OsStr::new("/bin/sh")), None);
        assert_eq!(doubt(OsStr::new("/nowhere")), None);
    }

    #[test]
    fn an_interpreter_that_is_missing_is_named() {
        let why = said(b"#!/usr/bin/pyhton3 -u\nprint()\n", 0o755);
        assert_eq!(why, "its interpreter `/usr/bin/pyhton3` does not exist");
        let why = said(b"#!/etc\n", 0o755);
        assert_eq!(why, "its interpreter `/etc` cannot be run");
    }

    #[test]
    fn what_is_no_program_says_what_it_is() {
        assert_eq!(
            said(b"#!/bin/sh\n", 0o644),
            "it is not executable: `chmod +x` makes it so"
        );
        let other = "it is neither a program for this machine nor a script that starts with `#!`";
        assert_eq!(said(b"\x00\x01\x02 nothing", 0o755), other);
        assert_eq!(said(b"", 0o755), "it is empty");
        let mut arm = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
        arm.resize(120, 0);
        assert_eq!(
            said(&arm, 0o755),
            "it is a program for another architecture"
        );
        let mark = "it starts with a byte order mark: save it without";
        assert_eq!(said(b"\xef\xbb\xbf#!/bin/sh\n", 0o755), mark);
    }

    #[test]
    fn what_is_not_there_at_all_is_told_from_what_is() {
        let said = |program: &str| {
            let error = Command::new(program).spawn().expect_err("there is none");
            explain(OsStr::new(program), &error)
        };
        assert_eq!(
            said("/nowhere/check"),
            "/nowhere/check: no such file or directory"
        );
        assert_eq!(
            said("no-such-check"),
            "no-such-check: no such program in the PATH"
        );
        assert_eq!(said("/etc"), "/etc: it is a directory");
    }

    #[test]
    fn a_program_that_is_being_written_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        fs::copy("/bin/true", &path).unwrap();
        let _writer = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let error = Command::new(&path).spawn().expect_err("it is open");
        assert!(explain(path.as_os_str(), &error).ends_with("replace it by a rename instead"));
    }
}

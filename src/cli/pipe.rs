//! A pipe that a person names on the command line: `director check <(generate)`, `/dev/stdin`, `-`.
//!
//! All other files must be regular, since reading a FIFO can block forever. Here a writer usually
//! exists, and a timeout covers the other case.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::config::MAX_FILE;

/// How long to wait for data.
const SILENCE: Duration = Duration::from_secs(60);

/// The size of a read, in bytes.
const PIECE: usize = 64 << 10;

/// The most pieces queued.
const PIECES: usize = 4;

/// Whether a path is one that a shell makes for a descriptor of this process.
pub(crate) fn is_descriptor(path: &Path) -> bool {
    let below = ["/dev/fd/", "/proc/self/fd/"];
    let text = path.to_string_lossy();
    text == "/dev/stdin" || below.iter().any(|prefix| text.starts_with(prefix))
}

/// Whether a path is standard input, under any of its names.
pub(crate) fn is_stdin(path: &Path) -> bool {
    let names = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    names.iter().any(|name| path == Path::new(name))
}

/// Reads such a path to the end, at most one byte more than a service file may have.
///
/// # Errors
/// Those of open(2) and read(2); `TimedOut` if no data arrives for a minute.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    read_within(|| File::open(path), SILENCE)
}

/// Like [`read`] for standard input. Waits for a person who types.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn stdin() -> io::Result<Vec<u8>> {
    let typed = io::stdin().is_terminal();
    read_within(
        || Ok(io::stdin()),
        if typed { Duration::MAX } else { SILENCE },
    )
}

fn read_within<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    silence: Duration,
) -> io::Result<Vec<u8>> {
    let (pieces, come) = mpsc::sync_channel(PIECES);
    // Not joined: the thread ends with the process, or when the writer closes the pipe.
    thread::Builder::new().spawn(move || {
        let end = pieces.clone();
        if let Err(error) = copy(open, &pieces) {
            let _ = end.send(Err(error));
        }
    })?;
    let mut bytes = Vec::new();
    loop {
        match come.recv_timeout(silence) {
            Ok(piece) => bytes.extend_from_slice(&piece?),
            Err(RecvTimeoutError::Disconnected) => return Ok(bytes),
            Err(RecvTimeoutError::Timeout) => {
                let text = format!("no data for {}s", silence.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
        if bytes.len() > MAX_FILE {
            return Ok(bytes);
        }
    }
}

fn copy<R: Read>(
    open: impl FnOnce() -> io::Result<R>,
    pieces: &mpsc::SyncSender<io::Result<Vec<u8>>>,
) -> io::Result<()> {
    let mut file = open()?;
    loop {
        let mut piece = vec![0; PIECE];
        let length = match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            length => length?,
        };
        piece.truncate(length);
        if length == 0 || pieces.send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    fn path_of(reading: &io::PipeReader) -> std::path::PathBuf {
        format!("/proc/self/fd/{}", reading.as_raw_fd()).into()
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let (reading, mut writing) = io::pipe().unwrap();
        let path = path_of(&reading);
        assert!(is_descriptor(&path));
        writing.write_all(b"version = 1\n").unwrap();
        drop(writing);
        assert_eq!(read(&path).unwrap(), b"version = 1\n");
    }

    #[test]
    fn a_pipe_into_which_nothing_is_written_is_not_waited_for_without_end() {
        let (reading, _writing) = io::pipe().unwrap();
        let path = path_of(&reading);
        let open = || File::open(path);
        let error = read_within(open, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn what_never_ends_is_read_to_a_little_beyond_the_limit() {
        let bytes = read_within(|| Ok(io::repeat(b'#')), SILENCE).unwrap();
        assert!(bytes.len() > MAX_FILE && bytes.len() <= MAX_FILE + PIECE);
    }

    #[test]
    fn a_file_is_no_descriptor() {
        assert!(!is_descriptor(Path::new("/etc/director/director.toml")));
    }
}

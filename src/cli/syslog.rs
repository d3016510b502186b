//! A line in the system's log, for what happens where nobody looks.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::words::safe;

/// Where syslogd and journald listen.
const SOCKET: &str = "/dev/log";
/// Facility daemon, severity error (RFC 5424 section 6.2.1).
const PRIORITY: u8 = 3 * 8 + 3;

/// Logs an error, if anybody listens. One that waits is not waited for.
pub(crate) fn error(text: &str) {
    let _ = send(Path::new(SOCKET), text);
}

fn send(socket: &Path, text: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.connect(socket)?;
    let process = std::process::id();
    // RFC 3164 as the local socket takes it: the time is put in by whoever receives it.
    let text = safe(text);
    sender.send(format!("<{PRIORITY}>director[{process}]: {text}").as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_as_an_error_of_a_daemon() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        send(&path, "could not undo: a thing").unwrap();
        let mut buffer = [0; 100];
        let length = log.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let process = std::process::id();
        assert_eq!(
            line,
            format!("<27>director[{process}]: could not undo: a thing")
        );
    }

    #[test]
    fn where_nobody_listens_it_fails() {
        let directory = tempfile::tempdir().unwrap();
        assert!(send(&directory.path().join("log"), "x").is_err());
    }
}

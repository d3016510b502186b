//! A line in the system log, for failures that no terminal shows.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::words::safe;

/// The socket of syslogd and journald.
const SOCKET: &str = "/dev/log";
/// Facility daemon, severity error (RFC 5424 section 6.2.1).
const PRIORITY: u8 = 3 * 8 + 3;

/// Logs an error if a logger is listening. Does not wait for a slow one.
pub(crate) fn error(text: &str) {
    let _ = send(Path::new(SOCKET), text);
}

fn send(socket: &Path, text: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.connect(socket)?;
    let process = std::process::id();
    // RFC 3164 for the local socket: the receiver adds the time.
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
        send(&path, "cannot roll back: a thing").unwrap();
        let mut buffer = [0; 100];
        let length = log.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let process = std::process::id();
        assert_eq!(
            line,
            format!("<27>director[{process}]: cannot roll back: a thing")
        );
    }

    #[test]
    fn a_port_without_a_listener_fails() {
        let directory = tempfile::tempdir().unwrap();
        assert!(send(&directory.path().join("log"), "x").is_err());
    }
}

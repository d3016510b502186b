//! The start of what a server sends: it tells a port without TLS from a handshake that failed.
//!
//! A web server answers a TLS greeting with `HTTP/1.1 400 Bad Request`, SSH and SMTP send a banner of
//! their own, Redis waits for the end of a line. The library only says that the first byte is wrong,
//! or that the connection ended.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use director_config::words::printable;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The number of bytes kept.
const KEPT: usize = 64;

/// The types of TLS records: from `change_cipher_spec` to `heartbeat` (RFC 8446, section 5.1, and RFC
/// 6520). Text starts with none of them.
const RECORDS: std::ops::RangeInclusive<u8> = 20..=24;

/// What a server has sent first.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn add(&self, bytes: &[u8]) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(first.len());
        first.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }

    /// Whether it has sent nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.bytes().is_empty()
    }

    /// What is wrong, if it is not TLS.
    pub(super) fn is_no_tls(&self) -> Option<String> {
        let bytes = self.bytes();
        let first = bytes.first()?;
        if RECORDS.contains(first) {
            return None;
        }
        Some(match line(&bytes) {
            Some(line) => format!("no TLS on this port: the server answers `{line}`"),
            None => "no TLS on this port: the server answers in another protocol".to_owned(),
        })
    }
}

/// The first line, if it is text.
fn line(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let text = bytes[..end.unwrap_or(bytes.len())].trim_ascii();
    let is_text = text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if text.len() < 2 || !is_text {
        return None;
    }
    let text = printable(&String::from_utf8_lossy(text));
    // More is on its way.
    Some(match end {
        None if bytes.len() == KEPT => format!("{text}..."),
        _ => text,
    })
}

/// A connection whose first bytes are kept.
#[derive(Debug)]
pub(crate) struct Overheard {
    stream: TcpStream,
    heard: Heard,
}

impl Overheard {
    pub(super) fn new(stream: TcpStream) -> (Self, Heard) {
        let heard = Heard::default();
        let overheard = Self {
            stream,
            heard: heard.clone(),
        };
        (overheard, heard)
    }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if let Some(new) = buffer.filled().get(before..) {
            self.heard.add(new);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> Option<String> {
        let heard = Heard::default();
        heard.add(bytes);
        heard.is_no_tls()
    }

    #[test]
    fn what_is_not_tls_is_quoted_if_it_is_text() {
        let quoted = |line: &str| Some(format!("no TLS on this port: the server answers `{line}`"));
        for (bytes, line) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"[..],
                "HTTP/1.1 400 Bad Request",
            ),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
            (b"220 mail.example ESMTP\r\n", "220 mail.example ESMTP"),
            (b"-ERR unknown command", "-ERR unknown command"),
            (b"<html>\n", "<html>"),
        ] {
            assert_eq!(said(bytes), quoted(line));
        }
        let long = [b'x'; 200];
        assert_eq!(said(&long), quoted(&format!("{}...", "x".repeat(KEPT))));
    }

    #[test]
    fn other_protocols_are_told_from_tls() {
        let binary = Some("no TLS on this port: the server answers in another protocol".to_owned());
        // MySQL's greeting, HTTP/2 settings, a hostile line.
        assert_eq!(said(b"J\0\0\0\x0a8.0.36\0"), binary);
        assert_eq!(said(b"\0\0\x12\x04\0\0\0\0\0"), binary);
        assert_eq!(said(b"a\x1b[2Jb\r\n"), binary);
        // An alert, a greeting, nothing.
        assert_eq!(said(b"\x15\x03\x01\0\x02\x02\x28"), None);
        assert_eq!(said(b"\x16\x03\x03\0\x7a"), None);
        assert_eq!(said(b""), None);
    }
}

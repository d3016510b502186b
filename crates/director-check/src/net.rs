//! Sockets of checks: their destinations and sources, and how to read from them.
//!
//! A socket is non-blocking and close-on-exec from the system call that creates it, so that no
//! command of a check inherits it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::Target;
use super::failure::Failure;
use super::sources::{Source, Sources, own_address};
use super::through::{Door, Passages};
use director_config::words;

/// The destination and source of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The destination address and port.
    pub(crate) to: SocketAddr,
    /// The source address; by default the routing table decides.
    pub(crate) source: Option<IpAddr>,
    /// The source port; 0 for any.
    pub(crate) source_port: u16,
    /// The firewall mark of its packets; 0 for none.
    pub(crate) mark: u32,
}

impl Way {
    /// The way to a target according to its spec, with the source address of the target's family;
    /// without one in the spec, from no virtual address if there is another.
    pub(crate) fn to(target: &Target, sources: &Sources) -> Self {
        let at = &target.spec.at;
        let mark = at.mark.unwrap_or(0);
        let declared = at
            .source
            .iter()
            .find(|source| source.is_ipv4() == target.address.is_ipv4());
        let source = declared
            .copied()
            .or_else(|| match sources.of(target.address, mark) {
                Source::Own(address) => Some(address),
                Source::Kernels | Source::Virtual(_) => None,
            });
        Self {
            to: SocketAddr::new(target.address, target.port),
            source,
            source_port: 0,
            mark,
        }
    }

    /// The way to a target through the forwarding path, from the next of its source ports.
    pub(crate) fn through(
        target: &Target,
        passages: &Passages,
        sources: &Sources,
    ) -> Result<Self, Failure> {
        let ours = |why: String| Failure::ours(why);
        let door = Door::of(target).map_err(|why| ours(why.to_string()))?;
        let passage = passages
            .through(&door)
            .map_err(|why| ours(why.to_string()))?;
        let of_family = |address: &&IpAddr| address.is_ipv4() == door.to.is_ipv4();
        let declared = target.spec.at.source.iter().find(of_family).copied();
        let source = match (declared, sources.of(door.server, 0)) {
            (Some(source), _) | (None, Source::Own(source) | Source::Virtual(source)) => source,
            (None, Source::Kernels) => {
                own_address(door.server, None, 0).map_err(|error| Failure::io(&error))?
            }
        };
        if source.is_ipv4() != door.to.is_ipv4() {
            return Err(ours(format!(
                "{} and {} are of different address families: set the `source` in the check",
                door.server,
                door.to.ip()
            )));
        }
        if source == door.to.ip() {
            return Err(ours(format!(
                "this machine only has the virtual address towards {}: set the `source` in the \
                 check",
                door.server
            )));
        }
        Ok(Self {
            to: door.to,
            source: Some(source),
            source_port: passage.next_port(),
            mark: passage.mark,
        })
    }

    /// A socket that is marked and bound, but not connected.
    ///
    /// # Errors
    ///
    /// Those of socket(2), setsockopt(2) and bind(2). All concern this machine: descriptors,
    /// memory, privileges (`SO_MARK` needs `CAP_NET_ADMIN`), or a source address that it does not
    /// have.
    pub(crate) fn socket(&self, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
        let domain = Domain::for_address(self.to);
        let socket = Socket::new_raw(domain, kind.nonblocking().cloexec(), protocol)?;
        if self.mark != 0 {
            socket.set_mark(self.mark)?;
        }
        if self.source.is_some() || self.source_port != 0 {
            let unspecified = match self.to {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let source = self.source.unwrap_or(unspecified);
            if self.source_port == 0 {
                // connect(2) chooses the port, which it may share between destinations. Chosen by
                // bind(2), it would belong to this socket alone, TIME_WAIT included, and 28,000
                // checks per minute would use them all up. A raw socket has no port, and refuses the
                // option for IPv6 (`ipv6_setsockopt`).
                if kind != Type::RAW {
                    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
                }
            } else {
                // Checks to other addresses also use the port, and it stays in TIME_WAIT.
                socket.set_reuse_address(true)?;
            }
            socket.bind(&SocketAddr::new(source, self.source_port).into())?;
        }
        Ok(socket)
    }

    /// Opens a TCP connection. The caller sets the timeout.
    pub(crate) async fn connect(&self) -> Result<TcpStream, Failure> {
        let socket = self
            .socket(Type::STREAM, Some(Protocol::TCP))
            .map_err(|error| Failure::ours(&error))?;
        let stream = tokio::net::TcpSocket::from_std_stream(socket.into())
            .connect(self.to)
            .await
            .map_err(|error| Failure::io(&error))?;
        Ok(stream)
    }
}

/// Hides a TCP connection that is closed once established from the server's program: the answer to
/// the first packet shows that the port is open, and a reset instead of its acknowledgement cancels
/// the connection (HAProxy's checks do this too). If the acknowledgement was already sent, because
/// this process was late, the connection is reset.
pub(crate) fn stay_unseen(socket: &Socket) {
    // A failure here is only less polite.
    let _ = socket.set_tcp_quickack(false);
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// The length up to which data of another protocol is quoted, in bytes.
const QUOTED: usize = 60;

/// The length up to which a message for people in the server's protocol is shown, in characters.
const MESSAGE: usize = 120;

/// The received data for a report: the start of its first line, in quotes, with odd bytes escaped.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = &line[..line.len().min(QUOTED)];
    let dots = if shown.len() < line.len() { "..." } else { "" };
    format!("\"{}{dots}\"", shown.escape_ascii())
}

/// A message in the server's own words, such as an error's text, as one line: truncated, and
/// without characters that move a terminal's cursor.
pub(crate) fn message(bytes: &[u8]) -> String {
    // A character has at most four bytes, and leading blanks are dropped.
    let bytes = bytes.trim_ascii();
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * (MESSAGE + 1))]);
    let text = words::printable(&text);
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_one_short_line_of_printable_characters() {
        assert_eq!(quote(b"220 ready\r\nmore"), "\"220 ready\"");
        assert_eq!(quote(b"\x1b[31m\"\xff"), r#""\x1b[31m\"\xff""#);
        assert_eq!(quote(&[b'a'; 100]), format!("\"{}...\"", "a".repeat(60)));
        assert_eq!(quote(b""), "\"\"");
    }

    #[test]
    fn a_servers_message_is_one_line_of_at_most_120_characters() {
        let shown = message(b"  -ERR \x1b[2Jno\r\n");
        assert!(shown.starts_with("-ERR ") && shown.ends_with("[2Jno"));
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert_eq!(message(&[b'x'; 1000]), format!("{}...", "x".repeat(120)));
        assert_eq!(message(&[b'x'; 120]), "x".repeat(120));
        let umlauts = "\u{fc}".repeat(1000);
        assert_eq!(message(umlauts.as_bytes()).chars().count(), 123);
        assert_eq!(message(&[0xff, b'a']), "\u{fffd}a");
    }
}

//! Sockets of checks: where they go, what they leave with, and how to read from them.
//!
//! A socket is non-blocking and closed on exec from the system call that makes it, so that no
//! command a check runs inherits it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

use super::Target;
use super::failure::Failure;
use super::through::{Door, Passages, own_address};
use director_config::words;

/// Where a check goes, and what it leaves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The address and port asked.
    pub(crate) to: SocketAddr,
    /// The address it comes from; else the routing table says.
    pub(crate) source: Option<IpAddr>,
    /// The port it comes from; 0 for any.
    pub(crate) source_port: u16,
    /// The firewall mark of its packets; 0 for none.
    pub(crate) mark: u32,
}

impl Way {
    /// The way to a target as its spec has it: the source address of the target's family.
    pub(crate) fn to(target: &Target) -> Self {
        let at = &target.spec.at;
        let source = at
            .source
            .iter()
            .find(|source| source.is_ipv4() == target.address.is_ipv4());
        Self {
            to: SocketAddr::new(target.address, target.port),
            source: source.copied(),
            source_port: 0,
            mark: at.mark.unwrap_or(0),
        }
    }

    /// The way through the forwarding path to a target, from the next of its source ports.
    pub(crate) fn through(target: &Target, passages: &Passages) -> Result<Self, Failure> {
        let ours = |why: String| Failure::ours(why);
        let door = Door::of(target).map_err(|why| ours(why.to_string()))?;
        let passage = passages
            .through(&door)
            .map_err(|why| ours(why.to_string()))?;
        let of_family = |address: &&IpAddr| address.is_ipv4() == door.to.is_ipv4();
        let source = match target.spec.at.source.iter().find(of_family) {
            Some(source) => *source,
            None => own_address(door.server).map_err(|error| Failure::io(&error))?,
        };
        if source.is_ipv4() != door.to.is_ipv4() {
            return Err(ours(format!(
                "{} is reached over another family than {}: say in the check from which `source` \
                 it goes",
                door.server,
                door.to.ip()
            )));
        }
        if source == door.to.ip() {
            return Err(ours(format!(
                "towards {} this machine has no address but the virtual one: say in the check \
                 from which `source` it goes",
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
    /// Those of socket(2), setsockopt(2) and bind(2). All are this machine's: of descriptors,
    /// memory, rights (`SO_MARK` needs `CAP_NET_ADMIN`), or a source address it does not have.
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
                // The port is chosen by connect(2), which may share it between destinations.
                // Chosen by bind(2) it is this socket's alone, TIME_WAIT included, and 28,000
                // checks in a minute would use them up.
                setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            } else {
                // The port is also that of checks to other addresses, and stays so in TIME_WAIT.
                socket.set_reuse_address(true)?;
            }
            socket.bind(&SocketAddr::new(source, self.source_port).into())?;
        }
        Ok(socket)
    }

    /// A TCP connection. Whoever awaits it sets the limit.
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

/// Lets a TCP connection that is closed as soon as it stands be none for the server's program: the
/// answer to the first packet shows that somebody listens, and a reset instead of its
/// acknowledgement takes the matter back (HAProxy's checks do so, too). Where the acknowledgement
/// has gone out all the same, as this process came too late, it is a connection that is reset.
pub(crate) fn stay_unseen(socket: &Socket) {
    // What cannot be set is only less polite.
    let _ = socket.set_tcp_quickack(false);
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// What a server sent that is not its protocol is quoted up to this length, in bytes.
const QUOTED: usize = 60;

/// A message that a server's protocol has for people is shown up to this length, in characters.
const MESSAGE: usize = 120;

/// What came, for a report: the beginning of its first line, in quotes, odd bytes escaped.
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

/// A message in the server's own words, such as an error's text, as one line: cut, and without
/// characters that move a terminal's cursor.
pub(crate) fn message(bytes: &[u8]) -> String {
    // A character has at most four bytes, and blanks in front are left out.
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

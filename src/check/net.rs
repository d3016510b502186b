//! Sockets of checks: where they go, what they leave with, and how to read from them.
//!
//! A socket is non-blocking and closed on exec from the system call that makes it, so that no
//! command a check runs inherits it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::Target;
use super::kind::Failure;
use super::through::{Door, Passages, own_address};

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

/// What is wrong, as the system says it: "connection refused".
pub(crate) fn describe(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else {
        return error.to_string();
    };
    let text = Errno::from_raw(number).desc();
    let mut letters = text.chars();
    match letters.next() {
        // "No route to host", but not "I/O error".
        Some(first) if letters.as_str().starts_with(|c: char| c.is_lowercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// Whether an error is of this machine's doing, so that it says nothing about the server: no
/// descriptors, no memory, no free port, a source address that is not here, a firewall of its own.
pub(crate) fn is_ours(error: &io::Error) -> bool {
    let Some(number) = error.raw_os_error() else {
        return false;
    };
    matches!(
        Errno::from_raw(number),
        Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::ENOBUFS
            | Errno::EADDRNOTAVAIL
            | Errno::EADDRINUSE
            | Errno::EPERM
            | Errno::EACCES
            | Errno::EAFNOSUPPORT
    )
}

/// Reads until `enough` says so of all that came, the other side closes, or `limit` bytes came.
/// Returns whether there was enough.
///
/// `enough` is asked again after each piece that comes, so it should be cheap, and `limit` small.
pub(crate) async fn read_until(
    from: &mut (impl AsyncRead + Unpin),
    into: &mut Vec<u8>,
    limit: usize,
    mut enough: impl FnMut(&[u8]) -> bool,
) -> io::Result<bool> {
    loop {
        if enough(into) {
            return Ok(true);
        }
        if into.len() >= limit {
            return Ok(false);
        }
        let room = limit - into.len();
        into.reserve(room.min(4096));
        if from.take(room as u64).read_buf(into).await? == 0 {
            return Ok(false);
        }
    }
}

/// What came, for a report: the beginning of its first line, in quotes, odd bytes escaped.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = &line[..line.len().min(60)];
    let dots = if shown.len() < line.len() { "..." } else { "" };
    format!("\"{}{dots}\"", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences_go_on() {
        let text = |errno: Errno| describe(&io::Error::from_raw_os_error(errno as i32));
        assert_eq!(text(Errno::ECONNREFUSED), "connection refused");
        assert_eq!(text(Errno::EHOSTUNREACH), "no route to host");
        assert_eq!(text(Errno::EIO), "I/O error");
    }

    #[test]
    fn a_quote_is_one_short_line_of_printable_characters() {
        assert_eq!(quote(b"220 ready\r\nmore"), "\"220 ready\"");
        assert_eq!(quote(b"\x1b[31m\"\xff"), r#""\x1b[31m\"\xff""#);
        assert_eq!(quote(&[b'a'; 100]), format!("\"{}...\"", "a".repeat(60)));
        assert_eq!(quote(b""), "\"\"");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn reading_ends_at_the_limit_and_takes_no_byte_more() {
        let mut from: &[u8] = &[7; 100];
        let mut into = Vec::new();
        let enough = read_until(&mut from, &mut into, 64, |_| false).await;
        assert!(!enough.expect("memory can be read"));
        assert_eq!((into.len(), from.len()), (64, 36));
    }
}

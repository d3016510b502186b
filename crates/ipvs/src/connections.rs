//! The connection table, read lazily.
//!
//! IPVS lists its connections in `/proc/net/ip_vs_conn` only, one per line (`ip_vs_conn_seq_show`).
//! A director may hold millions, so this module keeps no more than one line and one buffer.
//!
//! The kernel walks its hash table as the file is read and holds no lock between reads. Connections
//! that start or end during the reading may or may not appear.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::model::Name;

/// The longest line that the kernel writes is about 400 bytes (IPv6, 255 bytes of engine data).
const MAX_LINE: u64 = 4096;
const BUFFER: usize = 64 * 1024;

/// A connection, or a persistence template, as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The protocol as the kernel spells it: `TCP`, `UDP`, `SCTP`, and `IP` for templates of
    /// firewall-mark services.
    pub protocol: Name,
    /// The client's address and port. A persistence template has port 0 and the masked address.
    pub client: SocketAddr,
    /// The virtual address and port. A template of a firewall-mark service has the mark here, as an
    /// address.
    pub virtual_service: SocketAddr,
    /// The real server's address and port.
    pub server: SocketAddr,
    /// The state as the kernel spells it, such as `ESTABLISHED`, `FIN_WAIT`, `UDP` or `NONE`.
    pub state: Name,
    /// The time until the entry expires if no packet arrives, in whole seconds.
    pub expires: Duration,
    /// The data that a persistence engine found in the packet.
    pub engine: Option<EngineData>,
    /// Where the entry came from; known only with [`Connections::open_with_origin`].
    pub origin: Option<Origin>,
}

/// A persistence engine's name and its data, such as a SIP call id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineData {
    /// The engine's name, such as `sip`.
    pub name: Name,
    /// Its data as the table shows it; not necessarily text.
    pub data: Vec<u8>,
}

/// Where an entry of the connection table came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This director scheduled it.
    Local,
    /// A master's sync daemon sent it.
    Sync,
}

/// An iterator over the connection table that holds one line at a time.
///
/// ```no_run
/// # fn main() -> ipvs::Result<()> {
/// let mut established = 0u64;
/// for connection in ipvs::Connections::open()? {
///     if connection?.state == "ESTABLISHED" {
///         established += 1;
///     }
/// }
/// println!("{established} established");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connections<R = BufReader<File>> {
    reader: R,
    path: &'static str,
    with_origin: bool,
    line: Vec<u8>,
    number: u64,
    failed: bool,
}

impl Connections {
    /// Opens the table of the calling thread's network namespace.
    ///
    /// # Errors
    /// [`Error::Connections`] if the file does not exist (no `ip_vs`) or cannot be read (not root).
    pub fn open() -> Result<Self> {
        Self::at("/proc/thread-self/net/ip_vs_conn", false)
    }

    /// Opens the table that shows each entry's origin but no engine data.
    ///
    /// # Errors
    /// The same as for [`Connections::open`].
    pub fn open_with_origin() -> Result<Self> {
        Self::at("/proc/thread-self/net/ip_vs_conn_sync", true)
    }

    fn at(path: &'static str, with_origin: bool) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Connections { path, source })?;
        let mut connections = Self::over(BufReader::with_capacity(BUFFER, file));
        connections.path = path;
        connections.with_origin = with_origin;
        Ok(connections)
    }
}

impl<R: BufRead> Connections<R> {
    /// Reads a table in the format of `/proc/net/ip_vs_conn` from any reader.
    pub fn over(reader: R) -> Self {
        Self {
            reader,
            path: "(given)",
            with_origin: false,
            line: Vec::with_capacity(512),
            number: 0,
            failed: false,
        }
    }

    /// Reads a line without its line ending; `false` at the end of the table.
    fn read_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        let length = (&mut self.reader)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line)?;
        self.number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(length > 0)
    }
}

impl<R: BufRead> Iterator for Connections<R> {
    type Item = Result<Connection>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.failed {
                return None;
            }
            match self.read_line() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(source) => {
                    self.failed = true;
                    return Some(Err(Error::Connections {
                        path: self.path,
                        source,
                    }));
                }
            }
            // The first line is the title.
            if self.number == 1 || self.line.is_empty() {
                continue;
            }
            let connection = parse(&self.line, self.with_origin).ok_or_else(|| {
                let shown = &self.line[..self.line.len().min(200)];
                Error::BadConnection {
                    line: self.number,
                    text: String::from_utf8_lossy(shown).into_owned(),
                }
            });
            return Some(connection);
        }
    }
}

fn parse(line: &[u8], with_origin: bool) -> Option<Connection> {
    let mut fields = Fields { rest: line };
    let protocol = Name::new(fields.next()?).ok()?;
    let client = endpoint(&mut fields)?;
    let virtual_service = endpoint(&mut fields)?;
    let server = endpoint(&mut fields)?;
    let state = Name::new(fields.next()?).ok()?;
    let origin = if with_origin {
        Some(match fields.next()? {
            b"LOCAL" => Origin::Local,
            b"SYNC" => Origin::Sync,
            _ => return None,
        })
    } else {
        None
    };
    let seconds = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let engine = match fields.next() {
        Some(name) => Some(EngineData {
            name: Name::new(name).ok()?,
            data: fields.remainder(),
        }),
        None => None,
    };
    let expires = Duration::from_secs(seconds);
    Some(Connection {
        protocol,
        client,
        virtual_service,
        server,
        state,
        expires,
        engine,
        origin,
    })
}

/// An address and a port, both hexadecimal.
fn endpoint(fields: &mut Fields<'_>) -> Option<SocketAddr> {
    let address = str::from_utf8(fields.next()?).ok()?;
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?).into(),
        _ => address.parse::<Ipv6Addr>().ok()?.into(),
    };
    let port = str::from_utf8(fields.next()?).ok()?;
    Some(SocketAddr::new(
        address,
        u16::from_str_radix(port, 16).ok()?,
    ))
}

/// Words separated by blanks.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| *byte != b' ')?;
        let rest = &self.rest[start..];
        let end = rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        Some(word)
    }

    /// Everything after the one blank behind the last word, including further blanks.
    fn remainder(self) -> Vec<u8> {
        self.rest.strip_prefix(b" ").unwrap_or(self.rest).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLE: &str =
        "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

    fn read(rows: &str) -> Vec<Result<Connection>> {
        Connections::over(format!("{TITLE}{rows}").as_bytes()).collect()
    }

    #[test]
    fn rows_of_both_families() {
        let rows = read(
            "TCP 0A010002 E5CE 0A010064 0050 0A020102 0050 ESTABLISHED     898\n\
             TCP fd01:0000:0000:0000:0000:0000:0000:0002 A76A fd01:0000:0000:0000:0000:0000:0000:0100 1F90 0A020102 1F90 TIME_WAIT       116\n",
        );
        let first = rows[0].as_ref().unwrap();
        assert_eq!(first.client, "10.1.0.2:58830".parse().unwrap());
        assert_eq!(first.virtual_service, "10.1.0.100:80".parse().unwrap());
        assert_eq!(first.server, "10.2.1.2:80".parse().unwrap());
        assert!(first.protocol == "TCP" && first.state == "ESTABLISHED");
        assert_eq!(first.expires, Duration::from_secs(898));
        let second = rows[1].as_ref().unwrap();
        assert_eq!(second.client, "[fd01::2]:42858".parse().unwrap());
        assert_eq!(second.server, "10.2.1.2:8080".parse().unwrap());
    }

    #[test]
    fn engine_data_is_kept_to_the_byte() {
        let rows = read(
            "UDP 0A010002 0000 0A010064 13C4 0A020102 13C4 ASSURED          57 sip a b@host\n",
        );
        let engine = rows[0].as_ref().unwrap().engine.as_ref().unwrap();
        assert!(engine.name == "sip");
        assert_eq!(engine.data, b"a b@host");
    }

    #[test]
    fn origin() {
        let row = "TCP 0A010002 E5CE 0A010064 0050 0A020102 0050 ESTABLISHED SYNC       898\n";
        let text = format!("{TITLE}{row}");
        let mut table = Connections::over(text.as_bytes());
        table.with_origin = true;
        assert_eq!(table.next().unwrap().unwrap().origin, Some(Origin::Sync));
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_read() {
        let rows = read("TCP nonsense\nTCP 0A010002 E5CE 0A010064 0050 0A020102 0050 CLOSE 1\n");
        assert!(matches!(
            &rows[0],
            Err(Error::BadConnection { line: 2, .. })
        ));
        assert!(rows[1].is_ok());
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn an_endless_line_costs_no_memory() {
        let endless = io::repeat(b'x').take(1 << 24);
        let table = Connections::over(BufReader::new(endless));
        assert!(table.line.capacity() < 8192);
        let errors = table.take(3).filter(Result::is_err).count();
        assert_eq!(errors, 3);
    }
}

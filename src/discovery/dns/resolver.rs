//! Asks resolvers, one after the other, with a limit for each.
//!
//! A question goes out over UDP from a port that the kernel chooses, with a random id, and counts as
//! answered only from the address that was asked. An answer that does not fit comes over TCP.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use super::message::{Found, Records, Unusable, decode, encode};
use crate::regular;

/// How long one resolver may take for one question.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often each is asked.
const ROUNDS: usize = 2;
/// The port of DNS, RFC 1035 section 4.2.
const PORT: u16 = 53;
/// The most resolvers of resolv.conf(5), `MAXNS`.
const MAX_OF_SYSTEM: usize = 3;
/// The longest resolv.conf, in bytes.
const LONGEST: u64 = 1 << 20;

/// The records of a name.
pub(super) fn ask(resolvers: &[SocketAddr], name: &str, records: Records) -> Result<Found, String> {
    let mut said = "no resolver is known".to_owned();
    for _ in 0..ROUNDS {
        for resolver in resolvers {
            match ask_one(*resolver, name, records) {
                Ok(found) => return Ok(found),
                Err(why) => said = format!("{name}: {why}, says {}", shown(*resolver)),
            }
        }
    }
    Err(said)
}

fn shown(resolver: SocketAddr) -> String {
    match resolver.port() {
        PORT => resolver.ip().to_string(),
        _ => resolver.to_string(),
    }
}

fn ask_one(resolver: SocketAddr, name: &str, records: Records) -> Result<Found, String> {
    let id = random()?;
    let question = encode(name, records, id)?;
    match over_udp(resolver, &question, |answer| {
        decode(answer, name, records, id)
    }) {
        Err(Unusable::CutOff) => {}
        Err(Unusable::NotOurs) => return Err("no answer".to_owned()),
        Err(Unusable::Failed(why)) => return Err(why),
        Ok(found) => return Ok(found),
    }
    let answer = over_tcp(resolver, &question).map_err(|error| error.to_string())?;
    decode(&answer, name, records, id).map_err(|problem| match problem {
        Unusable::Failed(why) => why,
        Unusable::NotOurs => "an answer to another question".to_owned(),
        Unusable::CutOff => "an answer cut off, over TCP".to_owned(),
    })
}

fn random() -> Result<u16, String> {
    let mut id = [0; 2];
    let filled = rustix::rand::getrandom(&mut id, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(2) => Ok(u16::from_ne_bytes(id)),
        _ => Err("no random bytes for an id".to_owned()),
    }
}

/// Waits for the answer; what belongs to other questions is skipped.
fn over_udp(
    resolver: SocketAddr,
    question: &[u8],
    decode: impl Fn(&[u8]) -> Result<Found, Unusable>,
) -> Result<Found, Unusable> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Unusable::NotOurs,
        _ => Unusable::Failed(error.to_string()),
    };
    let any: IpAddr = match resolver {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
    socket.connect(resolver).map_err(failed)?;
    socket.send(question).map_err(failed)?;
    let end = Instant::now() + PATIENCE;
    let mut buffer = [0; u16::MAX as usize];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unusable::NotOurs);
        }
        socket.set_read_timeout(Some(left)).map_err(failed)?;
        let length = socket.recv(&mut buffer).map_err(failed)?;
        match decode(&buffer[..length]) {
            Err(Unusable::NotOurs) => {}
            other => return other,
        }
    }
}

fn over_tcp(resolver: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&resolver, PATIENCE)?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    read(&mut stream, &mut length, end)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read(&mut stream, &mut answer, end)?;
    Ok(answer)
}

/// Fills the buffer before `end`: a resolver that sends a byte a second does not hold up more.
fn read(stream: &mut TcpStream, mut buffer: &mut [u8], end: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => buffer = &mut buffer[length..],
        }
    }
    Ok(())
}

/// The resolvers of this system, as resolv.conf(5) has them.
pub(super) fn of_system(path: &Path) -> Result<Vec<SocketAddr>, String> {
    let text = regular::read(path, LONGEST)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let resolvers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, PORT))
        .take(MAX_OF_SYSTEM)
        .collect();
    match resolvers.is_empty() {
        true => Err(format!("{} names no resolver", path.display())),
        false => Ok(resolvers),
    }
}

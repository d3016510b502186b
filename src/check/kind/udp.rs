//! A datagram: it is answered as expected, or at least not refused.
//!
//! ```text
//!             expect                       no expect
//!   answer    well if it is the expected   well
//!   ICMP      not well                     not well
//!   silence   not well                     well, at the end of the time
//! ```
//!
//! Every ICMP error counts, those too that connected sockets pass over because the route may get
//! better (`IP_RECVERR`; `icmp_err_convert` in the kernel): a check is not patient.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{Attempt, Failure, Passed};
use crate::check::net::quote;
use crate::state::health::UdpCheck;

/// So many bytes of a datagram are looked at.
const LARGEST: usize = 16_384;

/// So many datagrams of an answer are looked at.
const DATAGRAMS: usize = 64;

pub(super) async fn run(spec: &UdpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let pattern = spec
        .expect
        .as_ref()
        .map(|expect| attempt.means.patterns.get(expect));
    let pattern = pattern.transpose()?;
    let socket = connect(attempt).map_err(|error| Failure::io(&error))?;
    let io = |error: io::Error| Failure::io(&error);
    attempt.stage("sending");
    socket.send(&spec.send).await.map_err(io)?;
    let mut buffer = vec![0; LARGEST];
    let Some(pattern) = pattern else {
        attempt.content_with_silence();
        socket.recv(&mut buffer).await.map_err(io)?;
        return Ok(Passed::default());
    };
    attempt.stage("waiting for what is expected");
    let mut last = String::new();
    for _ in 0..DATAGRAMS {
        let length = socket.recv(&mut buffer).await.map_err(io)?;
        if pattern.is_match(&buffer[..length]) {
            return Ok(Passed::default());
        }
        last = quote(&buffer[..length]);
        attempt.stage("waiting for another answer than it got");
    }
    Err(Failure::new(format_args!("unexpected answer: {last}")))
}

/// A connected socket that hears of every ICMP error.
pub(super) fn connect(attempt: &Attempt<'_>) -> io::Result<UdpSocket> {
    let socket = attempt.way.socket(Type::DGRAM, Some(Protocol::UDP))?;
    hear_all_errors(&socket, attempt.way.to.is_ipv4())?;
    socket.connect(&attempt.way.to.into())?;
    UdpSocket::from_std(socket.into())
}

/// Errors that came by ICMP are returned by the next call, and it is not needed to know which
/// router sent them.
pub(super) fn hear_all_errors(socket: &Socket, v4: bool) -> io::Result<()> {
    if v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

//! An ICMP echo request of either family.
//!
//! Uses a raw socket if allowed (`CAP_NET_RAW`), otherwise an unprivileged one (icmp(7),
//! `net.ipv4.ping_group_range`), which chooses the identifier itself. Both are connected, so that
//! the kernel delivers nothing from other hosts: ten thousand pings do not wake each other. ICMP
//! errors end the check immediately.

mod echo;

use std::io;

use socket2::{Protocol, Type};
use tokio::net::UdpSocket;

use self::echo::{Echo, Framing};
use super::attempt::Attempt;
use super::udp::hear_all_errors;
use crate::failure::{Failure, Passed};
use director_config::state::health::PingCheck;

/// An IPv4 header with all its options.
const IP_HEADER: usize = 60;
/// The most packets from the server that are examined.
const PACKETS: usize = 1024;

pub(super) async fn run(spec: &PingCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut random = [0; 12];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Failure::ours("no random bytes for an identifier".to_owned()))?;
    let io = |error: io::Error| Failure::io(&error);
    let (socket, framing) = open(attempt).map_err(io)?;
    let echo = Echo::new(attempt.way.to.is_ipv4(), framing, random, spec.size);
    let request = echo.request();
    attempt.stage("sending");
    socket.send(&request).await.map_err(io)?;
    attempt.stage("waiting for the reply");
    let mut buffer = vec![0; request.len() + IP_HEADER];
    for _ in 0..PACKETS {
        let length = socket.recv(&mut buffer).await.map_err(io)?;
        if echo.is_answered_by(&buffer[..length]) {
            return Ok(Passed::default());
        }
    }
    Err(Failure::new("no reply among a thousand packets"))
}

/// A connected socket and the form of its packets. It has the type of a datagram socket, since the
/// system calls to send and receive are the same.
fn open(attempt: &Attempt<'_>) -> io::Result<(UdpSocket, Framing)> {
    let v4 = attempt.way.to.is_ipv4();
    let protocol = Some(if v4 {
        Protocol::ICMPV4
    } else {
        Protocol::ICMPV6
    });
    // Raw sockets ignore ports; for the other kind they are the identifier.
    let way = crate::net::Way {
        source_port: 0,
        ..attempt.way
    };
    let (socket, raw) = match way.socket(Type::RAW, protocol) {
        Ok(socket) => (socket, true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            (way.socket(Type::DGRAM, protocol)?, false)
        }
        Err(error) => return Err(error),
    };
    hear_all_errors(&socket, v4)?;
    let mut to = way.to;
    to.set_port(0);
    socket.connect(&to.into())?;
    let framing = match (raw, v4) {
        (true, true) => Framing::Ip,
        (true, false) => Framing::Icmp,
        (false, _) => Framing::Anonymous,
    };
    Ok((UdpSocket::from_std(socket.into())?, framing))
}

/// Examines a packet as if it were a reply, for fuzzing.
pub(super) fn decode(bytes: &[u8]) {
    for framing in [Framing::Ip, Framing::Icmp, Framing::Anonymous] {
        for v4 in [true, false] {
            let _ = Echo::new(v4, framing, [0; 12], 8).is_answered_by(bytes);
        }
    }
}

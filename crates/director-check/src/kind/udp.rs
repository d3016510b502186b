//! A datagram that is answered as expected, or at least not refused.
//!
//! ```text
//!             expect                       no expect
//!   answer    well if it is the expected   well
//!   ICMP      not well                     not well
//!   silence   not well                     as refusals.rs has it: well, unless it was refused
//! ```
//!
//! Every ICMP error counts, even those that connected sockets ignore because the route may recover
//! (`IP_RECVERR`; `icmp_err_convert` in the kernel): a check does not wait for that.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::attempt::Attempt;
use super::expect;
use super::refusals::Silence;
use crate::failure::{self, Failure, Passed};
use crate::net::quote;
use director_config::state::health::UdpCheck;

/// The part of a datagram that is examined, in bytes.
const LARGEST: usize = 16_384;

/// The most datagrams of an answer that are examined.
const DATAGRAMS: usize = 64;

pub(super) async fn run(spec: &UdpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let Some(expect) = &spec.expect else {
        return unexpectant(spec, attempt).await;
    };
    let pattern = attempt.means.patterns.get(expect)?;
    let socket = connect(attempt).map_err(|error| Failure::io(&error))?;
    attempt.stage("sending");
    let sent = Instant::now();
    let io = |error: io::Error| refusal(attempt, sent, &error);
    socket.send(&spec.send).await.map_err(io)?;
    attempt.stage("waiting for what is expected");
    let mut buffer = vec![0; LARGEST];
    let mut last = String::new();
    for _ in 0..DATAGRAMS {
        let length = socket.recv(&mut buffer).await.map_err(io)?;
        if pattern.is_match(&buffer[..length]) {
            return Ok(Passed::default());
        }
        last = quote(&buffer[..length]);
        attempt.stage("waiting for a different answer");
    }
    Err(Failure::new(format_args!(
        "unexpected answer: {last}, expected one that {}",
        expect::words(expect)
    )))
}

/// Any answer is a success, and silence may be.
async fn unexpectant(spec: &UdpCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let (target, fall) = (asked(attempt), attempt.target.spec.pace.fall);
    let refusals = &attempt.means.refusals;
    let mut memory = attempt.memory.get();
    let began = Instant::now();
    if !refusals.may_ask(target, &memory.refused, fall, began) {
        return Err(still_refused(attempt));
    }
    let socket = connect(attempt).map_err(|error| Failure::io(&error))?;
    attempt.stage("sending");
    let sent = Instant::now();
    let answer = async {
        socket.send(&spec.send).await?;
        attempt.content_with_silence(sent);
        socket.recv(&mut [0; 16]).await
    };
    match answer.await {
        Ok(_) => {
            memory.refused = super::refusals::Refused::default();
            attempt.memory.set(memory);
            refusals.forget(target);
            Ok(Passed::default())
        }
        Err(error) => {
            let failure = refusal(attempt, sent, &error);
            if !failure.ours {
                let mut chance = [0];
                // Without randomness they still take turns, though less evenly.
                let _ = aws_lc_rs::rand::fill(&mut chance);
                let now = Instant::now();
                refusals.refused(target, &mut memory.refused, fall, chance[0], now);
                attempt.memory.set(memory);
            }
            Err(failure)
        }
    }
}

/// Nothing was received until the timeout.
pub(super) fn silence(attempt: &Attempt<'_>, sent: Instant) -> Result<Passed, Failure> {
    let (target, fall) = (asked(attempt), attempt.target.spec.pace.fall);
    let refusals = &attempt.means.refusals;
    let mut memory = attempt.memory.get();
    let meaning = memory
        .refused
        .silent(refusals.shadow(target, sent), fall, sent);
    let failure = still_refused(attempt);
    attempt.memory.set(memory);
    match meaning {
        Silence::Well => {
            refusals.forget(target);
            Ok(Passed::default())
        }
        Silence::Failed => Err(failure),
        Silence::Unknown => Err(Failure::ours(
            "no answer, but a refusal may have been suppressed, as ICMP is rate-limited".to_owned(),
        )),
    }
}

fn still_refused(attempt: &Attempt<'_>) -> Failure {
    // Without a time: `status` shows the text as long as the server is down.
    Failure::new(match attempt.memory.get().refused.at() {
        Some(_) => "connection refused, no answer since",
        None => "no answer",
    })
}

/// The target of the datagram: the server itself if the way leads to it over the virtual address.
fn asked(attempt: &Attempt<'_>) -> SocketAddr {
    match attempt.target.spec.at.through {
        true => attempt.target.server.into(),
        false => attempt.way.to,
    }
}

/// Handles a socket error after a datagram was sent. Records a refusal, as it may hide another
/// target's.
pub(super) fn refusal(attempt: &Attempt<'_>, sent: Instant, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            let refusals = &attempt.means.refusals;
            refusals.note(asked(attempt), sent, Instant::now());
            Failure::new(failure::describe(error))
        }
        _ => Failure::io(error),
    }
}

/// A connected socket that reports every ICMP error.
pub(super) fn connect(attempt: &Attempt<'_>) -> io::Result<UdpSocket> {
    let socket = attempt.way.socket(Type::DGRAM, Some(Protocol::UDP))?;
    hear_all_errors(&socket, attempt.way.to.is_ipv4())?;
    socket.connect(&attempt.way.to.into())?;
    UdpSocket::from_std(socket.into())
}

/// The next call returns errors received by ICMP; which router sent them does not matter.
pub(super) fn hear_all_errors(socket: &Socket, v4: bool) -> io::Result<()> {
    if v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    Ok(())
}

//! A DNS query (RFC 1035) over UDP or TCP.
//!
//! The transaction id is random. Over UDP, an answer to another query is skipped: it is late or
//! forged. Over TCP it is a failure.

mod message;

use std::io;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::message::{NotOurs, Question};
use super::attempt::Attempt;
use super::udp;
use crate::failure::{Failure, Passed};
use director_config::state::health::{DnsAnswer, DnsCheck, DnsType};

/// The largest message over UDP without EDNS (RFC 1035, section 4.2.1), with extra room for servers
/// that send more.
const LARGEST: usize = 4096;

/// The most datagrams examined.
const DATAGRAMS: usize = 64;

pub(super) async fn run(spec: &DnsCheck, attempt: &Attempt<'_>) -> Result<Passed, Failure> {
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id)
        .map_err(|_| Failure::ours("no random bytes for an id".to_owned()))?;
    let question = Question::new(spec, u16::from_be_bytes(id));
    let asked = question.encode().map_err(Failure::ours)?;
    let verdict = if spec.tcp {
        over_tcp(&question, &asked, attempt).await
    } else {
        over_udp(&question, &asked, attempt).await
    };
    verdict?.map_err(Failure::new)?;
    Ok(Passed::default())
}

/// Judges an answer to some query, for fuzzing.
pub(super) fn decode(bytes: &[u8]) {
    let spec = DnsCheck {
        name: "www.example.org".to_owned(),
        kind: DnsType::A,
        rcode: 0,
        answer: Some(DnsAnswer::Data("192.0.2.7".to_owned())),
        tcp: false,
    };
    // Uses the answer's id; otherwise hardly any would be examined.
    let id = bytes.first_chunk().copied().unwrap_or_default();
    let _ = Question::new(&spec, u16::from_be_bytes(id)).judge(bytes);
}

type Verdict = Result<(), String>;

async fn over_udp(
    question: &Question<'_>,
    asked: &[u8],
    attempt: &Attempt<'_>,
) -> Result<Verdict, Failure> {
    let socket = udp::connect(attempt).map_err(|error| Failure::io(&error))?;
    let sent = Instant::now();
    let io = |error: io::Error| udp::refusal(attempt, sent, &error);
    socket.send(asked).await.map_err(io)?;
    attempt.stage("waiting for the answer");
    let mut buffer = vec![0; LARGEST];
    for _ in 0..DATAGRAMS {
        let length = socket.recv(&mut buffer).await.map_err(io)?;
        match question.judge(&buffer[..length]) {
            Ok(verdict) => return Ok(verdict),
            Err(NotOurs) => attempt.stage("waiting for the answer, others came"),
        }
    }
    Err(Failure::new(NotOurs))
}

async fn over_tcp(
    question: &Question<'_>,
    asked: &[u8],
    attempt: &Attempt<'_>,
) -> Result<Verdict, Failure> {
    let io = |error: io::Error| Failure::io(&error);
    let mut stream = attempt.connect().await?;
    // Length and message in one segment (RFC 7766, section 8).
    let length = u16::try_from(asked.len()).map_err(|_| Failure::new("a question too long"))?;
    let framed = [&length.to_be_bytes(), asked].concat();
    stream.write_all(&framed).await.map_err(io)?;
    attempt.stage("waiting for the answer");
    let closed = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::new("closed before the end of an answer"),
        _ => Failure::io(&error),
    };
    let length = stream.read_u16().await.map_err(closed)?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.map_err(closed)?;
    question.judge(&answer).map_err(Failure::new)
}

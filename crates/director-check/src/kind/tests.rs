//! Checks against small servers on loopback: what a conversation without a socket cannot show.

#![allow(clippy::panic, reason = "a test that fails")]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use director_config::state::health::{
    CheckAt, CheckSpec, DnsAnswer, DnsCheck, DnsType, Expect, LoginCheck, Pace, PingCheck,
    SmtpCheck, UdpCheck,
};

/// Runs a check of an address and port with a timeout in milliseconds.
async fn check(kind: CheckKind, to: SocketAddr, millis: u64) -> Outcome {
    let (means, memory) = (Means::default(), Memory::default());
    check_again(kind, to, millis, &means, memory).await.0
}

/// The same with existing memory.
async fn check_again(
    kind: CheckKind,
    to: SocketAddr,
    millis: u64,
    means: &Means,
    memory: Memory,
) -> (Outcome, Memory) {
    let pace = Pace {
        timeout: Duration::from_millis(millis),
        ..Pace::default()
    };
    let target = Target {
        spec: Arc::new(CheckSpec {
            kind,
            pace,
            at: CheckAt::default(),
        }),
        address: to.ip(),
        port: to.port(),
        service: None,
        server: (to.ip(), to.port()),
        service_name: None,
        server_name: None,
    };
    let (report, memory) = run(&target, means, memory, Instant::now()).await;
    (report.outcome, memory)
}

/// Long enough for everything that happens at all.
const LONG: u64 = 20_000;
/// For what does not happen.
const SHORT: u64 = 300;

fn failed(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(why) => why,
        other => panic!("it should have failed: {other:?}"),
    }
}

fn passed(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Passed(_)), "{outcome:?}");
}

/// A TCP server for one connection.
async fn serve<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    address
}

/// A UDP server that answers each datagram with the given function.
async fn answer(with: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            for answer in with(&buffer[..length]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

fn udp(expect: Option<&str>) -> CheckKind {
    CheckKind::Udp(UdpCheck {
        send: b"are you there".to_vec(),
        expect: expect.map(|bytes| Expect::Contains(bytes.as_bytes().to_vec())),
    })
}

/// A closed port.
async fn closed() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.local_addr().unwrap()
}

#[tokio::test]
async fn udp_hears_answers_refusals_and_silence() {
    let server = answer(|question| vec![b"who asks".to_vec(), question.to_vec()]).await;
    passed(&check(udp(Some("are you")), server, LONG).await);
    passed(&check(udp(None), server, LONG).await);
    let other = check(udp(Some("nobody")), server, SHORT).await;
    let words = "timed out after 300ms while waiting for a different answer";
    assert_eq!(failed(&other), words);
    let silent = answer(|_| Vec::new()).await;
    passed(&check(udp(None), silent, SHORT).await);
    let waited = check(udp(Some("x")), silent, SHORT).await;
    assert!(failed(&waited).ends_with("waiting for what is expected"));
    for expect in [None, Some("x")] {
        let refused = check(udp(expect), closed().await, LONG).await;
        assert_eq!(failed(&refused), "connection refused");
    }
}

#[tokio::test]
async fn a_refusal_outweighs_silence_until_it_has_proved_itself_or_an_answer_comes() {
    let (means, to) = (Means::default(), closed().await);
    let check = |memory| check_again(udp(None), to, 100, &means, memory);
    let mut memory = Memory::default();
    for _ in 0..3 {
        let refused = check(memory).await;
        assert_eq!(failed(&refused.0), "connection refused");
        memory = refused.1;
    }
    // Its turn has not come.
    let waits = check(memory).await;
    assert_eq!(failed(&waits.0), "connection refused, no answer since");
    let silent = UdpSocket::bind(to).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..2 {
        let waits = check(memory).await;
        assert_eq!(failed(&waits.0), "connection refused, no answer since");
        memory = waits.1;
    }
    passed(&check(memory).await.0);
    tokio::spawn(async move {
        let mut buffer = [0; 64];
        loop {
            let (_, from) = silent.recv_from(&mut buffer).await.unwrap();
            silent.send_to(b"here", from).await.unwrap();
        }
    });
    passed(&check(memory).await.0);
}

fn dns(tcp: bool) -> CheckKind {
    CheckKind::Dns(DnsCheck {
        name: "www.example.org".to_owned(),
        kind: DnsType::A,
        rcode: 0,
        answer: Some(DnsAnswer::Data("192.0.2.7".to_owned())),
        tcp,
    })
}

/// The query with an answer appended.
fn resolve(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    (answer[2], answer[3], answer[7]) = (0x85, 0x80, 1);
    answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
    answer
}

#[tokio::test]
async fn dns_over_udp_passes_over_answers_to_others() {
    let server = answer(|question| {
        let (right, mut forged) = (resolve(question), resolve(question));
        forged[1] ^= 1;
        *forged.last_mut().unwrap() = 99;
        vec![forged, b"junk".to_vec(), right]
    });
    passed(&check(dns(false), server.await, LONG).await);
    let wrong = answer(|question| {
        let mut wrong = resolve(question);
        *wrong.last_mut().unwrap() = 8;
        vec![wrong]
    });
    let outcome = check(dns(false), wrong.await, LONG).await;
    assert_eq!(
        failed(&outcome),
        "unexpected answer: 192.0.2.8, expected 192.0.2.7"
    );
    let refused = check(dns(false), closed().await, LONG).await;
    assert_eq!(failed(&refused), "connection refused");
}

#[tokio::test]
async fn dns_over_tcp_reads_a_whole_message() {
    let serve_cut = |cut: usize| {
        serve(move |mut stream| async move {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            let answer = resolve(&question);
            let mut bytes = u16::try_from(answer.len()).unwrap().to_be_bytes().to_vec();
            bytes.extend(&answer[..answer.len() - cut]);
            for byte in bytes {
                stream.write_all(&[byte]).await.unwrap();
            }
        })
    };
    passed(&check(dns(true), serve_cut(0).await, LONG).await);
    let outcome = check(dns(true), serve_cut(1).await, LONG).await;
    assert_eq!(failed(&outcome), "closed before the end of an answer");
}

#[tokio::test]
async fn conversations_go_over_a_socket_and_end_in_time() {
    let smtp = || CheckKind::Smtp(SmtpCheck::default());
    let server = serve(|mut stream| async move {
        stream.write_all(b"220 mail ESMTP\r\n").await.unwrap();
        let mut said = Vec::new();
        while !said.ends_with(b"\n") {
            said.push(stream.read_u8().await.unwrap());
        }
        assert!(said.starts_with(b"HELO ") && said.len() > 7);
        stream.write_all(b"250 mail\r\n").await.unwrap();
    });
    passed(&check(smtp(), server.await, LONG).await);
    let mute = serve(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    });
    let outcome = check(smtp(), mute.await, SHORT).await;
    let words = "timed out after 300ms while waiting for the greeting";
    assert_eq!(failed(&outcome), words);
    let drip = serve(|mut stream| async move {
        for byte in b"220 a byte at a time, and never a line end".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let outcome = check(smtp(), drip.await, SHORT).await;
    assert!(failed(&outcome).starts_with("timed out"), "{outcome:?}");
    let redis = || CheckKind::Redis(LoginCheck::default());
    let server = serve(|mut stream| async move {
        stream
            .write_all(b"-ERR max number of clients reached\r\n")
            .await
            .unwrap();
    });
    let outcome = check(redis(), server.await, LONG).await;
    let told = r#"PING: ERR max number of clients reached (expected "+PONG")"#;
    assert_eq!(failed(&outcome), told);
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    for kind in [smtp(), redis(), dns(true)] {
        assert_eq!(
            failed(&check(kind, closed, LONG).await),
            "connection refused"
        );
    }
}

#[tokio::test]
async fn loopback_answers_a_ping_where_pings_are_allowed() {
    for to in [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        Ipv6Addr::LOCALHOST.into(),
    ] {
        for size in [0, 56, 8000] {
            let kind = CheckKind::Ping(PingCheck { size });
            match check(kind, (to, 0).into(), LONG).await {
                // Not carried out: neither the capability nor the group, or no IPv6 here. It says
                // nothing about the target.
                Outcome::Passed(_) | Outcome::NotAsked(_) => {}
                Outcome::Failed(why) => panic!("{to}, {size} bytes: {why}"),
            }
        }
    }
}

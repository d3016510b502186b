//! Against resolvers of this process, on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use simple_dns::rdata::{A, AAAA, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::*;

/// What a resolver knows: for a name and a type, records, or an error.
type Knows = fn(&str, TYPE) -> Result<Vec<RData<'static>>, RCODE>;

/// Answers questions over UDP, cut off with `is_long`, and over TCP.
fn resolver(knows: Knows, is_long: bool) -> SocketAddr {
    let (udp, tcp) = sockets();
    let at = udp.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            // First one that answers nothing of ours.
            let _ = udp.send_to(&buffer[..length], from);
            let _ = udp.send_to(&answer(&buffer[..length], knows, is_long), from);
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question, knows, false);
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length, &*answer].concat()).unwrap();
        }
    });
    at
}

/// Both on one port. Other tests may have that of the first one for TCP.
fn sockets() -> (UdpSocket, TcpListener) {
    let both = (0..100).find_map(|_| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
        Some((udp, tcp))
    });
    both.expect("a port that is free for both")
}

fn answer(question: &[u8], knows: Knows, is_long: bool) -> Vec<u8> {
    let mut packet = Packet::parse(question).unwrap().into_reply();
    let name = packet.questions[0].qname.to_string();
    let QTYPE::TYPE(kind) = packet.questions[0].qtype else {
        panic!("{:?}", packet.questions);
    };
    let owner = Name::new(&name).unwrap().into_owned();
    if is_long {
        packet.set_flags(PacketFlag::TRUNCATION);
        return packet.build_bytes_vec().unwrap();
    }
    match knows(&name, kind) {
        Ok(records) => {
            let records = records.into_iter();
            let records =
                records.map(|data| ResourceRecord::new(owner.clone(), CLASS::IN, 30, data));
            packet.answers = records.collect();
        }
        Err(rcode) => *packet.rcode_mut() = rcode,
    }
    packet.build_bytes_vec().unwrap()
}

fn source(resolvers: &[SocketAddr], record: RecordType) -> DnsSource {
    DnsSource {
        name: "app.example.org".to_owned(),
        record,
        resolvers: resolvers.to_vec(),
        min_ttl: Duration::from_secs(5),
        max_ttl: Duration::from_secs(300),
    }
}

fn a(last: u8) -> RData<'static> {
    let address = u32::from_be_bytes([10, 0, 0, last]);
    RData::A(A { address })
}

fn srv(priority: u16, weight: u16, target: &'static str) -> RData<'static> {
    RData::SRV(SRV {
        priority,
        weight,
        port: 80,
        target: Name::new(target).unwrap(),
    })
}

fn places(answer: Answer) -> Vec<String> {
    match answer {
        Answer::Servers(servers) => {
            let shown = servers.iter().map(|(place, listed)| {
                let backup = if listed.is_backup { " backup" } else { "" };
                let weight = listed
                    .weight
                    .map_or(String::new(), |weight| format!(" {weight}"));
                format!("{}{weight}{backup}", crate::discovery::rules::shown(*place))
            });
            shown.collect()
        }
        Answer::Failed(why) => vec![why],
    }
}

const BOTH: Knows = |_, kind| {
    Ok(match kind {
        TYPE::A => vec![a(2), a(1), a(1)],
        TYPE::AAAA => vec![RData::AAAA(AAAA {
            address: 1 << 96 | 1,
        })],
        _ => vec![],
    })
};

#[test]
fn both_families_are_asked_for_and_the_ttl_says_when_to_ask_again() {
    let at = resolver(BOTH, false);
    let answered = ask(&source(&[at], RecordType::Address));
    assert_eq!(answered.again, Duration::from_secs(30));
    assert_eq!(places(answered.answer), ["10.0.0.1", "10.0.0.2", "0:1::1"]);
    let four = ask(&source(&[at], RecordType::A));
    assert_eq!(places(four.answer), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_long_answer_comes_over_tcp() {
    let at = resolver(BOTH, true);
    let answered = ask(&source(&[at], RecordType::A));
    assert_eq!(places(answered.answer), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn the_next_resolver_is_asked_if_one_fails() {
    let bad = resolver(|_, _| Err(RCODE::ServerFailure), false);
    let good = resolver(BOTH, false);
    let answered = ask(&source(&[bad, good], RecordType::A));
    assert_eq!(places(answered.answer), ["10.0.0.1", "10.0.0.2"]);
    let answered = ask(&source(&[bad], RecordType::A));
    let said = &places(answered.answer)[0];
    assert!(
        said.contains("SERVFAIL") && said.contains(&bad.to_string()),
        "{said}"
    );
    assert_eq!(answered.again, Duration::from_secs(5));
}

#[test]
fn of_two_families_one_that_fails_fails_the_list() {
    let at = resolver(
        |_, kind| match kind {
            TYPE::AAAA => Err(RCODE::ServerFailure),
            _ => Ok(vec![a(1)]),
        },
        false,
    );
    let answered = ask(&source(&[at], RecordType::Address));
    assert!(matches!(answered.answer, Answer::Failed(_)), "{answered:?}");
}

#[test]
fn srv_records_name_machines_with_weights_and_backups() {
    let at = resolver(
        |name, kind| {
            Ok(match (name, kind) {
                (_, TYPE::SRV) => vec![
                    srv(5, 10, "a.example.org"),
                    srv(5, 0, "b.example.org"),
                    srv(9, 1, "c.example.org"),
                    srv(9, 1, "a.example.org"),
                    srv(0, 0, "."),
                ],
                ("a.example.org", TYPE::A) => vec![a(1)],
                ("b.example.org", TYPE::A) => vec![a(2)],
                ("c.example.org", TYPE::A) => vec![a(3)],
                _ => vec![],
            })
        },
        false,
    );
    let answered = ask(&source(&[at], RecordType::Srv));
    assert_eq!(
        places(answered.answer),
        ["10.0.0.1:80 10", "10.0.0.2:80 1", "10.0.0.3:80 1 backup"]
    );
}

#[test]
fn where_all_weights_are_0_they_say_nothing_and_the_root_is_no_server() {
    let knows: Knows = |_, kind| {
        Ok(match kind {
            TYPE::SRV => vec![srv(0, 0, "a.example.org"), srv(0, 0, ".")],
            TYPE::A => vec![a(1)],
            _ => vec![],
        })
    };
    let answered = ask(&source(&[resolver(knows, false)], RecordType::Srv));
    assert_eq!(places(answered.answer), ["10.0.0.1:80"]);
    let none: Knows = |_, _| Ok(vec![srv(0, 0, ".")]);
    let answered = ask(&source(&[resolver(none, false)], RecordType::Srv));
    assert_eq!(answered.answer, Answer::Servers(vec![]));
}

#[test]
fn a_name_of_an_srv_record_without_an_address_fails_the_list() {
    let at = resolver(
        |name, kind| {
            Ok(match (name, kind) {
                (_, TYPE::SRV) => vec![srv(0, 1, "a.example.org"), srv(0, 1, "gone.example.org")],
                ("a.example.org", TYPE::A) => vec![a(1)],
                _ => vec![],
            })
        },
        false,
    );
    let answered = ask(&source(&[at], RecordType::Srv));
    assert_eq!(places(answered.answer), ["gone.example.org has no address"]);
}

#[test]
fn the_resolvers_of_the_system_are_the_first_three_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("resolv.conf");
    let text = "# comment\nsearch example.org\nnameserver 10.0.0.1\n nameserver 2001:db8::1 # b\n\
                nameserver fe80::1%eth0\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
    std::fs::write(&path, text).unwrap();
    let found = resolver::of_system(&path).unwrap();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.1:53", "[2001:db8::1]:53", "10.0.0.2:53"]);
    std::fs::write(&path, "options ndots:1\n").unwrap();
    assert!(
        resolver::of_system(&path)
            .unwrap_err()
            .contains("names no resolver")
    );
}

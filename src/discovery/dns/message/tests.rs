use proptest::prelude::*;
use simple_dns::ResourceRecord;
use simple_dns::rdata::{A, AAAA, CNAME, SRV};

use super::*;

const NAME: &str = "app.example.org";
const ID: u16 = 0x1234;

fn name(text: &str) -> Name<'_> {
    Name::new(text).unwrap()
}

fn record<'a>(owner: &'a str, ttl: u32, rdata: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(name(owner), CLASS::IN, ttl, rdata)
}

fn a(owner: &str, ttl: u32, last: u8) -> ResourceRecord<'_> {
    let address = u32::from_be_bytes([10, 0, 0, last]);
    record(owner, ttl, RData::A(A { address }))
}

/// The answer to our question, after a change.
fn answer(change: impl FnOnce(&mut Packet<'_>)) -> Vec<u8> {
    let question = encode(NAME, Records::A, ID).unwrap();
    let mut packet = Packet::parse(&question).unwrap().into_reply();
    change(&mut packet);
    packet.build_bytes_vec().unwrap()
}

fn read(bytes: &[u8]) -> Result<Found, Unusable> {
    decode(bytes, NAME, Records::A, ID)
}

fn address(last: u8) -> Record {
    Record::Address(IpAddr::from([10, 0, 0, last]))
}

#[test]
fn a_question_says_how_long_an_answer_may_be() {
    let bytes = encode(NAME, Records::Srv, ID).unwrap();
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.opt().unwrap().udp_packet_size, 1232);
    assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
    assert!(encode(&"a".repeat(64), Records::A, ID).is_err());
}

#[test]
fn the_records_of_the_name_count_with_the_smallest_ttl() {
    let bytes = answer(|packet| {
        packet.answers = vec![
            a(NAME, 60, 1),
            a("APP.example.ORG", 7, 2),
            a("other.example.org", 1, 3),
        ];
    });
    let found = read(&bytes).unwrap();
    assert_eq!(found.records, [address(1), address(2)]);
    assert_eq!(found.ttl, Some(Duration::from_secs(7)));
}

#[test]
fn an_alias_leads_to_other_records_and_a_circle_of_them_to_none() {
    let alias = |from, to| record(from, 9, RData::CNAME(CNAME(name(to))));
    let bytes = answer(|packet| {
        packet.answers = vec![
            a("c.example.org", 60, 1),
            alias("b.example.org", "c.example.org"),
            alias(NAME, "b.example.org"),
        ];
    });
    let found = read(&bytes).unwrap();
    assert_eq!(
        (found.records, found.ttl),
        (vec![address(1)], Some(Duration::from_secs(9)))
    );
    let bytes = answer(|packet| {
        packet.answers = vec![alias(NAME, "b.example.org"), alias("b.example.org", NAME)];
    });
    assert!(read(&bytes).unwrap().records.is_empty());
}

#[test]
fn an_answer_to_another_question_is_not_ours() {
    let good = answer(|packet| packet.answers = vec![a(NAME, 60, 1)]);
    assert!(read(&good).is_ok());
    let not_ours = [
        decode(&good, NAME, Records::A, ID + 1),
        decode(&good, NAME, Records::Aaaa, ID),
        decode(&good, "web.example.org", Records::A, ID),
        read(&encode(NAME, Records::A, ID).unwrap()),
        read(&answer(|packet| packet.questions.clear())),
        read(&good[..11]),
        read(&[]),
    ];
    for (number, found) in not_ours.into_iter().enumerate() {
        assert_eq!(found, Err(Unusable::NotOurs), "{number}");
    }
}

#[test]
fn what_a_resolver_refuses_has_its_name() {
    for (rcode, expected) in [
        (RCODE::NameError, "NXDOMAIN"),
        (RCODE::ServerFailure, "SERVFAIL"),
        (RCODE::Refused, "REFUSED"),
        (RCODE::NotImplemented, "NotImplemented"),
    ] {
        let found = read(&answer(|packet| *packet.rcode_mut() = rcode));
        let Err(Unusable::Failed(why)) = found else {
            panic!("{found:?}");
        };
        assert!(why.contains(expected), "{why}");
    }
    let cut_off = answer(|packet| packet.set_flags(PacketFlag::TRUNCATION));
    assert_eq!(read(&cut_off), Err(Unusable::CutOff));
}

#[test]
fn a_header_that_promises_more_than_there_is_costs_nothing() {
    let mut bytes = answer(|_| {});
    bytes[6..12].fill(0xff);
    assert_eq!(read(&bytes), Err(Unusable::NotOurs));
}

#[test]
fn records_of_other_types_are_not_mixed_up() {
    let srv = SRV {
        priority: 1,
        weight: 2,
        port: 3,
        target: name("a.example.org"),
    };
    let question = encode(NAME, Records::Srv, ID).unwrap();
    let mut packet = Packet::parse(&question).unwrap().into_reply();
    packet.answers = vec![
        record(NAME, 60, RData::SRV(srv)),
        record(NAME, 60, RData::AAAA(AAAA { address: 1 })),
        a(NAME, 60, 1),
    ];
    let bytes = packet.build_bytes_vec().unwrap();
    let found = decode(&bytes, NAME, Records::Srv, ID).unwrap();
    let expected = Srv {
        priority: 1,
        weight: 2,
        port: 3,
        target: "a.example.org".to_owned(),
    };
    assert_eq!(found.records, [Record::Srv(expected)]);
}

proptest! {
    #[test]
    fn no_bytes_panic(mut bytes: Vec<u8>, at: proptest::sample::Index, cut: proptest::sample::Index) {
        let _ = read(&bytes);
        // An answer with some of its bytes replaced, and the end cut off: what a resolver that is not
        // ours would send.
        let mut message = answer(|packet| {
            packet.answers = vec![
                record(NAME, 60, RData::CNAME(CNAME(name("other.example.org")))),
                a("other.example.org", 60, 1),
                record("other.example.org", 60, RData::AAAA(AAAA { address: 1 })),
                record("other.example.org", 60, RData::SRV(SRV {
                    priority: 1, weight: 2, port: 3, target: name("a.example.org"),
                })),
            ];
        });
        let start = at.index(message.len());
        bytes.truncate(4);
        let end = (start + bytes.len()).min(message.len());
        message.splice(start..end, bytes);
        message.truncate(cut.index(message.len()) + 1);
        for records in [Records::A, Records::Aaaa, Records::Srv] {
            let _ = decode(&message, NAME, records, ID);
        }
    }
}

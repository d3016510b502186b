use proptest::prelude::*;
use simple_dns::rdata;

use super::*;

fn spec(name: &str, kind: DnsType, answer: Option<&str>) -> DnsCheck {
    DnsCheck {
        name: name.to_owned(),
        kind,
        rcode: 0,
        answer: answer.map(|data| DnsAnswer::Data(data.to_owned())),
        tcp: false,
    }
}

/// The answer of `dnsmasq --address=/www.example.org/192.0.2.7`, as captured.
const CAPTURED: &[u8] = b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0\
    \x03www\x07example\x03org\0\0\x01\0\x01\
    \xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x07";

#[test]
fn a_question_is_what_dig_sends() {
    let spec = spec("www.example.org", DnsType::A, None);
    let wanted = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";
    assert_eq!(Question::new(&spec, 0x1234).encode().unwrap(), wanted);
    let long = "a".repeat(64);
    let spec = self::spec(&long, DnsType::A, None);
    assert!(Question::new(&spec, 1).encode().is_err());
}

#[test]
fn an_answer_is_compared_with_what_is_expected() {
    for (name, data, well) in [
        ("www.example.org", "192.0.2.7", true),
        ("WWW.example.org.", "192.0.2.7", true),
        ("www.example.org", "192.0.2.8", false),
        ("www.example.org", "not an address", false),
    ] {
        let spec = spec(name, DnsType::A, Some(data));
        let verdict = Question::new(&spec, 0x1234).judge(CAPTURED).unwrap();
        assert_eq!(verdict.is_ok(), well, "{name} {data}: {verdict:?}");
    }
    let spec = spec("www.example.org", DnsType::A, Some("192.0.2.8"));
    let verdict = Question::new(&spec, 0x1234).judge(CAPTURED).unwrap();
    assert_eq!(
        verdict,
        Err("unexpected answer: 192.0.2.7, expected 192.0.2.8".to_owned())
    );
}

#[test]
fn an_answer_to_another_question_is_none() {
    let of = |name, kind| spec(name, kind, None);
    let www = of("www.example.org", DnsType::A);
    assert_eq!(Question::new(&www, 0x1235).judge(CAPTURED), Err(NotOurs));
    for other in [
        of("w.example.org", DnsType::A),
        of("www.example.org", DnsType::Mx),
    ] {
        assert_eq!(Question::new(&other, 0x1234).judge(CAPTURED), Err(NotOurs));
    }
    // The query itself, sent back.
    let question = Question::new(&www, 0x1234);
    assert_eq!(question.judge(&question.encode().unwrap()), Err(NotOurs));
    assert_eq!(question.judge(b""), Err(NotOurs));
}

#[test]
fn the_response_code_is_what_was_expected() {
    let mut spec = spec("www.example.org", DnsType::A, None);
    let mut refused = CAPTURED.to_vec();
    refused[3] = 0x85;
    let verdict = Question::new(&spec, 0x1234).judge(&refused).unwrap();
    assert_eq!(verdict, Err("REFUSED, expected NOERROR".to_owned()));
    // Without the question, as some servers refuse.
    let bare = b"\x12\x34\x80\x05\0\0\0\0\0\0\0\0";
    let verdict = Question::new(&spec, 0x1234).judge(bare).unwrap();
    assert_eq!(verdict, Err("REFUSED, expected NOERROR".to_owned()));
    spec.rcode = 5;
    assert_eq!(Question::new(&spec, 0x1234).judge(&refused), Ok(Ok(())));
    assert_eq!(Question::new(&spec, 0x1234).judge(bare), Ok(Ok(())));
    let without = b"\x12\x34\x80\0\0\0\0\0\0\0\0\0";
    spec.rcode = 0;
    let verdict = Question::new(&spec, 0x1234).judge(without).unwrap();
    assert!(verdict.unwrap_err().contains("repeat"));
}

#[test]
fn every_type_is_written_as_in_a_zone_file() {
    let name = |text| Name::new(text).unwrap();
    let text = rdata::TXT::new().with_string("v=spf1 ").unwrap();
    let text = text.with_string("-all").unwrap();
    let soa = rdata::SOA {
        mname: name("ns.example.org"),
        rname: name("root.example.org"),
        serial: 7,
        refresh: 1,
        retry: 2,
        expire: 3,
        minimum: 4,
    };
    let srv = rdata::SRV {
        priority: 1,
        weight: 2,
        port: 80,
        target: name("a.example.org"),
    };
    let mx = rdata::MX {
        preference: 10,
        exchange: name("mx.example.org"),
    };
    let aaaa = "2001:db8::7".parse::<Ipv6Addr>().unwrap();
    for (kind, record, data) in [
        (DnsType::Aaaa, RData::AAAA(aaaa.into()), "2001:DB8:0::7"),
        (
            DnsType::Cname,
            RData::CNAME(name("a.example.org").into()),
            "A.example.org.",
        ),
        (
            DnsType::Ns,
            RData::NS(name("ns.example.org").into()),
            "ns.example.org",
        ),
        (
            DnsType::Ptr,
            RData::PTR(name("h.example.org").into()),
            "h.example.org.",
        ),
        (DnsType::Mx, RData::MX(mx), "10   mx.example.org."),
        (DnsType::Srv, RData::SRV(srv), "1 2 80 a.example.org."),
        (
            DnsType::Soa,
            RData::SOA(soa),
            "ns.example.org. root.example.org. 7 1 2 3 4",
        ),
        (DnsType::Txt, RData::TXT(text.clone()), "v=spf1 -all"),
        (DnsType::Txt, RData::TXT(text), "\"v=spf1 \" \"-all\""),
    ] {
        let spec = spec("example.org", kind, Some(data));
        let question = Question::new(&spec, 9);
        let bytes = question.encode().unwrap();
        let mut packet = Packet::parse(&bytes).unwrap().into_reply();
        packet.answers.push(ResourceRecord::new(
            name("example.org"),
            CLASS::IN,
            60,
            record,
        ));
        let answer = packet.build_bytes_vec().unwrap();
        assert_eq!(question.judge(&answer), Ok(Ok(())), "{data}");
        let any = DnsCheck {
            answer: Some(DnsAnswer::Any),
            ..spec.clone()
        };
        assert_eq!(Question::new(&any, 9).judge(&answer), Ok(Ok(())), "{data}");
        let other = DnsCheck {
            answer: Some(DnsAnswer::Data("x".to_owned())),
            ..spec.clone()
        };
        assert!(
            Question::new(&other, 9).judge(&answer).unwrap().is_err(),
            "{data}"
        );
    }
}

#[test]
fn a_header_that_promises_too_much_is_malformed() {
    let spec = spec("www.example.org", DnsType::A, None);
    let mut answer = CAPTURED.to_vec();
    answer[6] = 0xff;
    let verdict = Question::new(&spec, 0x1234).judge(&answer).unwrap();
    assert_eq!(verdict, Err("a malformed answer".to_owned()));
}

#[test]
fn a_cut_answer_says_what_helps() {
    let spec = spec("www.example.org", DnsType::A, Some("192.0.2.8"));
    let mut answer = CAPTURED.to_vec();
    answer[2] |= 2;
    let verdict = Question::new(&spec, 0x1234).judge(&answer).unwrap();
    assert!(verdict.unwrap_err().ends_with("(cut off: ask over TCP)"));
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(bytes: Vec<u8>, at in 0_usize..50, byte: u8, cut in 0_usize..60) {
        let spec = spec("www.example.org", DnsType::A, Some("192.0.2.7"));
        let question = Question::new(&spec, 0x1234);
        let _ = question.judge(&bytes);
        let _ = question.judge(&[&CAPTURED[..12], &bytes].concat());
        let mut changed = CAPTURED.to_vec();
        let index = at % changed.len();
        changed[index] = byte;
        changed.truncate(cut);
        let _ = question.judge(&changed);
    }
}

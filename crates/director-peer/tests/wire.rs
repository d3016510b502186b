//! Messages between directors: round trips, limits, and bytes that are none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use director_peer::counts::Short;
use director_peer::served::Served;
use director_peer::wire::{
    Frame, Hello, LONGEST, NAMED, PAGE, PROTOCOL, Proof, Relayed, Request, Section, Services,
    State, TableEnd, WireError,
};
use ipvs::{Service, ServiceKey};
use ipvs_sync::Entry;
use proptest::prelude::*;

fn short(last: u8) -> Short {
    Short {
        server: [10, 0, 0, last].into(),
        missing: 11,
        of: 200,
    }
}

fn frames() -> Vec<Frame> {
    let entry = Entry::new(
        6,
        "10.0.0.1:1".parse().unwrap(),
        "10.0.0.2:2".parse().unwrap(),
        "10.0.0.3:3".parse().unwrap(),
    );
    let mut served = Served::default();
    let key = ServiceKey::tcp([192, 0, 2, 10], 80);
    served.add(&Service::new(key, Service::RR), [].iter());
    let (services, more) = served.page(None, PAGE);
    vec![
        Frame::Hello(Hello {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            name: "a".to_owned(),
            instance: u64::MAX,
        }),
        Frame::Request(Request::State),
        Frame::Request(Request::Services {
            after: Some("tcp://192.0.2.10:80".to_owned()),
        }),
        Frame::Request(Request::Table),
        Frame::State(State {
            served: 1,
            sections: vec![Section {
                name: "front".to_owned(),
                holds: true,
                priority: 100,
                lowered: Some(20),
                leaving: true,
                addresses: vec!["192.0.2.10".parse().unwrap()],
            }],
            relays: true,
        }),
        Frame::Request(Request::Relay),
        Frame::Relayed(Relayed {
            sent: u64::MAX,
            dropped: 1,
        }),
        Frame::Services(Services { services, more }),
        Frame::Entries(vec![entry; 3]),
        Frame::TableEnd(TableEnd {
            entries: 3,
            left_out: BTreeMap::from([("of no service".to_owned(), 2)]),
            failed: None,
            proof: Some(Proof {
                digest: u64::MAX,
                whole: false,
                short: vec![short(1)],
            }),
        }),
        Frame::Refused("another protocol".to_owned()),
    ]
}

#[test]
fn every_message_is_decoded_as_it_was_encoded() {
    for frame in frames() {
        let bytes = frame.encode().unwrap();
        let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        assert_eq!(Frame::decode(rest).unwrap(), frame);
    }
}

#[test]
fn a_key_that_a_version_does_not_know_does_no_harm() {
    let body = br#"{"protocol":2,"version":"9","name":"","instance":1,"new":[1]}"#;
    let bytes = [&[1], &body[..]].concat();
    let Frame::Hello(hello) = Frame::decode(&bytes).unwrap() else {
        panic!("a hello");
    };
    assert_eq!(hello.protocol, 2);
}

/// What a version without proofs reads.
#[derive(serde::Deserialize)]
struct Old {
    entries: u64,
    failed: Option<String>,
}

/// The end of a table as a version without proofs sends it, and as it reads that of this one.
#[test]
fn an_older_version_proves_nothing_and_reads_what_has_a_proof() {
    let old = br#"{"entries":3,"left_out":{},"failed":null}"#;
    let Frame::TableEnd(end) = Frame::decode(&[&[6], &old[..]].concat()).unwrap() else {
        panic!("an end");
    };
    assert_eq!((end.entries, end.proof), (3, None));
    let end = frames()
        .into_iter()
        .find(|frame| matches!(frame, Frame::TableEnd(_)));
    let bytes = end.unwrap().encode().unwrap();
    let old: Old = serde_json::from_slice(&bytes[5..]).unwrap();
    assert_eq!((old.entries, old.failed), (3, None));
}

#[test]
fn a_proof_names_few_servers() {
    let end = |number: u8| {
        let proof = Proof {
            digest: 0,
            whole: true,
            short: (0..number).map(short).collect(),
        };
        let end = Frame::TableEnd(TableEnd {
            entries: 0,
            left_out: BTreeMap::new(),
            failed: None,
            proof: Some(proof),
        });
        Frame::decode(&end.encode().unwrap()[4..])
    };
    assert!(end(u8::try_from(NAMED).unwrap()).is_ok());
    let why = end(9).unwrap_err().to_string();
    assert_eq!(why, "a proof that names 9 servers; at most 8 are allowed");
    // Numbers that no kernel counts.
    for lie in ["-1", "1e400", "18446744073709551616"] {
        let body = format!(r#"{{"entries":{lie},"left_out":{{}},"failed":null}}"#);
        let bytes = [&[6], body.as_bytes()].concat();
        assert!(matches!(
            Frame::decode(&bytes),
            Err(WireError::Json { kind: 6, .. })
        ));
    }
}

#[test]
fn limits_are_kept_and_named() {
    assert!(matches!(
        Frame::decode(&[]),
        Err(WireError::Length { found: 0 })
    ));
    let long = vec![b' '; LONGEST + 1];
    assert!(matches!(
        Frame::decode(&long),
        Err(WireError::Length { .. })
    ));
    assert!(Frame::Refused("x".repeat(LONGEST)).encode().is_none());
    assert!(matches!(
        Frame::decode(&[9]),
        Err(WireError::Kind { kind: 9 })
    ));
    let mut services = String::from(r#"{"more":false,"services":{"#);
    for number in 0..=PAGE {
        let comma = if number == 0 { "" } else { "," };
        services +=
            &format!(r#"{comma}"{number}":{{"settings":0,"servers":0,"order":0,"weights":0}}"#);
    }
    services += "}}";
    let bytes = [&[4], services.as_bytes()].concat();
    assert!(matches!(
        Frame::decode(&bytes),
        Err(WireError::Page { found: 501 })
    ));
    for (kind, what) in [(2, "kind 2"), (5, "entries")] {
        let error = Frame::decode(&[kind, b'{']).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), which in 0..9_usize, at: usize, to: u8) {
        let _ = Frame::decode(&bytes);
        let mut frame = frames()[which].encode().unwrap().split_off(4);
        let at = at % frame.len();
        frame[at] = to;
        let _ = Frame::decode(&frame);
    }
}

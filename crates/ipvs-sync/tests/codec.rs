//! Messages of a kernel, round trips, and bytes that are none.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, SocketAddr};

use ipvs_sync::{DecodeError, EncodeError, Encoder, Engine, Entry, Flags, Sequence, decode, tcp};
use proptest::prelude::*;

/// Sent by the master daemon of Linux 6.1: 40 connections of 10.0.0.3 to 10.0.0.100:80 under direct
/// routing.
const KERNEL: &[u8] = include_bytes!("kernel-6.1.bin");

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn all(message: &ipvs_sync::Message, limit: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(message.id, limit);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for entry in &message.entries {
        messages.extend(encoder.push(entry).unwrap());
    }
    messages.extend(encoder.finish());
    messages
}

#[test]
fn a_message_of_the_kernel_is_read_and_written_to_the_same_bytes() {
    let message = decode(KERNEL).unwrap();
    assert_eq!(message.entries.len(), 40);
    let first = Entry {
        flags: Flags::DIRECT_ROUTE | Flags::NO_OUTPUT,
        state: tcp::state("ESTABLISHED").unwrap(),
        timeout: 900,
        ..Entry::new(
            6,
            at("10.0.0.3:36234"),
            at("10.0.0.100:80"),
            at("10.0.0.5:80"),
        )
    };
    assert_eq!(message.entries[0], first);
    assert_eq!(all(&message, Encoder::ETHERNET), [KERNEL]);
}

#[test]
fn an_ipv6_template_with_an_engine_has_these_bytes() {
    let entry = Entry {
        flags: Flags::TEMPLATE,
        timeout: 300,
        mark: 7,
        engine: Some(Box::new(Engine {
            name: b"sip".to_vec(),
            data: b"a@b".to_vec(),
        })),
        ..Entry::new(
            17,
            at("[fd00::1]:0"),
            at("[fd00::2]:5060"),
            at("[fd00::3]:5060"),
        )
    };
    let mut encoder = Encoder::new(42, 1448);
    assert_eq!(encoder.push(&entry).unwrap(), None);
    let message = encoder.finish().unwrap();
    let mut expected = vec![0, 42, 0, 92, 1, 1, 0, 0];
    expected.extend([1, 17, 0, 82, 0, 0, 0x10, 0, 0, 0]);
    expected.extend([0, 0, 0x13, 0xc4, 0x13, 0xc4, 0, 0, 0, 7, 0, 0, 1, 44]);
    for last in 1..=3 {
        expected.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    expected.extend([2, 3, b'a', b'@', b'b', 3, 3, b's', b'i', b'p', 0, 0]);
    assert_eq!(message, expected);
    assert_eq!(decode(&message).unwrap().entries, [entry]);
    // A kernel does not fill up the last entry.
    let mut short = message[..message.len() - 2].to_vec();
    short[3] = 90;
    assert_eq!(decode(&short).unwrap(), decode(&message).unwrap());
}

#[test]
fn a_message_is_refused_by_what_is_wrong_with_it() {
    let changed = |at: usize, to: u8| {
        let mut bytes = KERNEL.to_vec();
        bytes[at] = to;
        decode(&bytes).unwrap_err()
    };
    assert_eq!(decode(&[0; 7]), Err(DecodeError::Short { found: 7 }));
    assert_eq!(changed(5, 0), DecodeError::Version { found: 0 });
    assert_eq!(changed(0, 3), DecodeError::Version { found: 0 });
    let length = DecodeError::Length {
        found: 1448,
        said: 1447,
    };
    assert_eq!(changed(3, 0xa7), length);
    assert_eq!(changed(4, 39), DecodeError::Rest { left: 36 });
    let cut = DecodeError::Entry {
        number: 40,
        said: 0,
        left: 0,
    };
    assert_eq!(changed(4, 41), cut);
    assert_eq!(changed(8, 2), DecodeError::Unknown { number: 0 });
    assert_eq!(changed(10, 0x10), DecodeError::Unknown { number: 0 });
    let short = DecodeError::Entry {
        number: 0,
        said: 35,
        left: 1440,
    };
    assert_eq!(changed(11, 35), short);
    // The next entry as an option: type 0.
    let option = DecodeError::Option {
        number: 0,
        option: 0,
    };
    assert_eq!(changed(11, 40), option);
    for error in [length, cut, short, option] {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn what_no_message_can_carry_is_refused_and_the_message_stays() {
    let good = Entry::new(6, at("10.0.0.1:1"), at("10.0.0.2:2"), at("10.0.0.3:3"));
    let mixed = Entry {
        server: at("[fd00::3]:3"),
        ..good.clone()
    };
    let engine = Entry {
        engine: Some(Box::new(Engine {
            name: b"sip".to_vec(),
            data: Vec::new(),
        })),
        ..good.clone()
    };
    let mut encoder = Encoder::new(0, 0);
    encoder.push(&good).unwrap();
    assert_eq!(encoder.push(&mixed), Err(EncodeError::Family));
    let refused = encoder.push(&engine);
    assert_eq!(refused, Err(EncodeError::Engine { name: 3, data: 0 }));
    let message = decode(&encoder.finish().unwrap()).unwrap();
    assert_eq!(message.entries, [good]);
    assert_eq!(encoder.finish(), None);
}

#[test]
fn no_message_has_more_than_255_entries() {
    let entry = Entry::new(6, at("10.0.0.1:1"), at("10.0.0.2:2"), at("10.0.0.3:3"));
    let message = ipvs_sync::Message {
        id: 0,
        entries: vec![entry; 300],
    };
    let counts: Vec<usize> = all(&message, Encoder::LONGEST)
        .iter()
        .map(|bytes| decode(bytes).unwrap().entries.len())
        .collect();
    assert_eq!(counts, [255, 45]);
}

fn entry() -> impl Strategy<Value = Entry> {
    let bytes = |most: usize| proptest::collection::vec(any::<u8>(), 1..=most);
    let engine = proptest::option::of((bytes(16), bytes(255)));
    let addresses = prop_oneof![
        any::<[[u8; 4]; 3]>().prop_map(|all| all.map(IpAddr::from)),
        any::<[[u8; 16]; 3]>().prop_map(|all| all.map(IpAddr::from)),
    ];
    let numbers = any::<(u8, u32, u16, u32, u32)>();
    let sequence = proptest::option::of(any::<[u8; 24]>());
    (addresses, any::<[u16; 3]>(), numbers, engine, sequence).prop_map(
        |([client, address, server], ports, numbers, engine, sequence)| {
            let (protocol, flags, state, mark, timeout) = numbers;
            Entry {
                flags: Flags(flags),
                state,
                mark,
                timeout,
                sequence: sequence.map(|bytes| Box::new(Sequence(bytes))),
                engine: engine.map(|(name, data)| Box::new(Engine { name, data })),
                ..Entry::new(
                    protocol,
                    SocketAddr::new(client, ports[0]),
                    SocketAddr::new(address, ports[1]),
                    SocketAddr::new(server, ports[2]),
                )
            }
        },
    )
}

proptest! {
    #[test]
    fn entries_are_decoded_as_they_were_encoded(
        id: u8,
        entries in proptest::collection::vec(entry(), 0..60),
        limit in 0_usize..4000,
    ) {
        let message = ipvs_sync::Message { id, entries };
        let mut back = Vec::new();
        for bytes in all(&message, limit) {
            prop_assert!(bytes.len() <= limit.max(512));
            let decoded = decode(&bytes).unwrap();
            prop_assert_eq!(decoded.id, id);
            back.extend(decoded.entries);
        }
        prop_assert_eq!(back, message.entries);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..1448_usize, to: u8) {
        let _ = decode(&bytes);
        let mut kernel = KERNEL.to_vec();
        kernel[at] = to;
        let _ = decode(&kernel);
    }
}

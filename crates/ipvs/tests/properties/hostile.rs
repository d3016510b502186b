//! Arbitrary bytes: random ones, and real ones with flipped bits. Nothing panics or hangs.

use ipvs::fake::FakeKernel;
use ipvs::transport::{Transport, Wait};
use ipvs::wire::{
    Encoder, Messages, decode_daemon, decode_family, decode_info, decode_server, decode_service,
    decode_timeouts,
};
use ipvs::{
    Client, Connections, DaemonRole, Family, ForwardMethod, Fwmark, Operation, Query, Server,
    ServerKey, Service, ServiceKey, Timeouts,
};
use proptest::prelude::*;

use crate::any;
use crate::scripted::{Line, Scripted};

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

fn decode_everything(bytes: &[u8]) {
    let _ = decode_service(bytes);
    let _ = decode_server(bytes, Family::V4);
    let _ = decode_server(bytes, Family::V6);
    let _ = decode_daemon(bytes);
    let _ = decode_timeouts(bytes);
    let _ = decode_info(bytes);
    let _ = decode_family(bytes);
    let mut count = 0;
    for message in Messages::new(bytes) {
        count += 1;
        if let Ok(message) = message {
            let _ = message.answer.service();
            let _ = message.answer.server(Family::V4);
            let _ = message.answer.daemon();
        }
    }
    assert!(count <= bytes.len() / 16 + 1, "{count} messages");
}

/// One datagram of every kind that a kernel with all kinds of objects sends.
fn real_datagrams() -> Vec<Vec<u8>> {
    let mut kernel = FakeKernel::new();
    let mark = Fwmark::new(7).unwrap();
    let v6 = ServiceKey::fwmark(Family::V6, mark);
    let daemon = ipvs::SyncDaemon::new(
        DaemonRole::Master,
        ipvs::Name::from_static("eth0"),
        ipvs::SyncId(1),
    );
    let mut setup = vec![
        Operation::AddService(Service::new(web(), Service::WLC).persistent(300)),
        Operation::AddService(Service::new(v6, Service::RR).engine(ipvs::Name::from_static("sip"))),
        Operation::StartDaemon(daemon),
    ];
    setup.extend((1..=12).map(|host| {
        let key = ServerKey::new([10, 0, 0, host], 80);
        Operation::AddServer(web(), Server::new(key, ForwardMethod::Tunnel))
    }));
    for operation in &setup {
        kernel.meddle(operation).unwrap();
    }
    let mut encoder = Encoder::new(0x1c);
    let mut datagrams = Vec::new();
    for query in [
        Query::Family,
        Query::Info,
        Query::Timeouts,
        Query::Services,
        Query::Servers(web()),
        Query::Daemons,
    ] {
        encoder.clear();
        encoder.query(&query, 1);
        kernel.send(encoder.as_bytes()).unwrap();
        let mut buffer = Vec::with_capacity(65_536);
        while kernel.receive(&mut buffer, Wait::Poll).is_ok() {
            datagrams.push(buffer.clone());
        }
    }
    encoder.clear();
    encoder.operation(
        &Operation::AddService(Service::new(web(), Service::WLC)),
        1,
        true,
    );
    kernel.send(encoder.as_bytes()).unwrap();
    let mut buffer = Vec::with_capacity(65_536);
    kernel.receive(&mut buffer, Wait::Poll).unwrap();
    datagrams.push(buffer);
    datagrams
}

/// A real datagram with some bits flipped and some bytes cut off, under a small sequence number, so
/// that it counts as an answer.
fn almost_real() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(real_datagrams()),
        prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 0..6),
        prop::option::weighted(0.3, any::<prop::sample::Index>()),
        0u32..12,
    )
        .prop_map(|(mut bytes, flips, cut, sequence)| {
            bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
            for (place, bit) in flips {
                let place = place.index(bytes.len());
                bytes[place] ^= 1 << bit;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        })
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        8 => almost_real().prop_map(Line::Datagram),
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Line::Datagram),
        1 => prop::sample::select(vec![105, 11, 4, 5]).prop_map(Line::Errno),
        1 => Just(Line::Nothing),
    ]
}

/// Calls every method once and ignores the results.
fn call_everything(client: &mut Client<Scripted>, operation: Operation) {
    let _ = client.info();
    let _ = client.timeouts();
    let _ = client.services();
    let _ = client.service(&web());
    let _ = client.servers(&web());
    let _ = client.daemons();
    let _ = client.apply(operation);
    let _ = client.consistent_services();
    let _ = client.consistent_servers(&web());
    let _ = client.table();
    let _ = client.set_timeouts(&Timeouts::default());
    let report = client.execute(&[operation; 20]);
    assert!(report.applied() <= report.sent() && report.sent() <= report.total());
}

/// The answer to the first query, without which there is no client.
fn family_answer() -> Line {
    Line::Datagram(real_datagrams().swap_remove(0))
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        decode_everything(&bytes);
    }

    #[test]
    fn flipped_bits_do_no_harm(bytes in almost_real()) {
        decode_everything(&bytes);
        for skip in [16, 20, 24, 28] {
            decode_everything(bytes.get(skip..).unwrap_or_default());
        }
    }

    #[test]
    fn attributes_of_any_kind_and_length_do_no_harm(
        attributes in prop::collection::vec((0u16..20, 0u16..40, any::<[u8; 24]>()), 0..20),
    ) {
        let mut bytes = Vec::new();
        for (kind, length, value) in attributes {
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(&value[..usize::from(length).saturating_sub(4).min(24).next_multiple_of(4)]);
        }
        decode_everything(&bytes);
    }

    #[test]
    fn any_line_of_the_connection_table_does_no_harm(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b" \n0Aa:"[..])], 0..400),
    ) {
        let lines = bytes.split(|byte| *byte == b'\n').count();
        prop_assert!(Connections::over(bytes.as_slice()).count() <= lines);
    }

    #[test]
    fn the_client_survives_any_answers(
        lines in prop::collection::vec(line(), 0..30),
        rounds in 1usize..4,
        operation in any::operation(),
    ) {
        let lines = [vec![family_answer()], lines].concat();
        let mut client = Client::over(Scripted::new(lines, rounds)).unwrap();
        call_everything(&mut client, operation);
    }

    #[test]
    fn no_answer_at_all_is_no_client(lines in prop::collection::vec(line(), 0..10)) {
        // It may succeed by chance: the bytes then contain a family's number.
        let _ = Client::over(Scripted::new(lines, 2));
    }
}

#[test]
fn a_flood_of_any_one_datagram_ends() {
    let strange = [
        vec![],
        vec![0; 16],
        vec![16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ];
    for datagram in real_datagrams().into_iter().chain(strange) {
        for sequence in 1u32..4 {
            let mut datagram = datagram.clone();
            if let Some(field) = datagram.get_mut(8..12) {
                field.copy_from_slice(&sequence.to_ne_bytes());
            }
            let lines = vec![Line::Datagram(datagram)];
            let client = Client::over(Scripted::new(
                [vec![family_answer()], lines].concat(),
                usize::MAX,
            ));
            let mut client = client.unwrap();
            let _ = client.timeouts();
            let _ = client.flush();
            let calls = client.transport_mut().received;
            assert!(calls < 100_000, "{calls} calls");
        }
    }
}

#[test]
fn a_list_without_end_ends() {
    let services = real_datagrams()
        .into_iter()
        .find(|datagram| {
            Messages::new(datagram)
                .filter(|m| m.as_ref().is_ok_and(|m| m.answer.service().is_ok()))
                .count()
                > 0
        })
        .unwrap();
    let mut one = services;
    one[8..12].copy_from_slice(&2u32.to_ne_bytes());
    let length = u32::from_ne_bytes(one[..4].try_into().unwrap());
    one.truncate(usize::try_from(length).unwrap());
    let script = Scripted::new(vec![Line::Datagram(one)], usize::MAX);
    let mut client = Client::over(WithFamily {
        asked: false,
        script,
    })
    .unwrap();
    let error = client.services().unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
}

/// Answers the first query correctly.
struct WithFamily {
    asked: bool,
    script: Scripted,
}

impl Transport for WithFamily {
    fn send(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, wait: Wait) -> std::io::Result<usize> {
        if self.asked {
            return self.script.receive(buffer, wait);
        }
        self.asked = true;
        let Line::Datagram(answer) = family_answer() else {
            unreachable!("it is a datagram")
        };
        buffer.clear();
        buffer.extend_from_slice(&answer);
        Ok(answer.len())
    }

    fn acknowledgement_room(&self) -> usize {
        277
    }

    fn time_limit(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }

    fn second(&self) -> std::io::Result<Option<Self>> {
        Ok(None)
    }
}

//! Whole messages: headers, commands and flags of every request, and every kind of answer.

use ipvs::wire::{Command, Content, Encoder, Messages};
use ipvs::{
    DaemonRole, DecodeError, Errno, ForwardMethod, Name, Operation, Query, Server, ServerKey,
    Service, ServiceKey, SyncDaemon, SyncId, Timeouts,
};

use crate::bytes::{attribute, hex, show};
use crate::captured::SERVICE_SIP;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

/// Length, type, flags and sequence number of the message, then command and version.
fn headers(message: &[u8]) -> (usize, u16, u16, u32, u8, u8) {
    let u16_at = |at: usize| u16::from_le_bytes([message[at], message[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
    let length = usize::try_from(u32_at(0)).unwrap();
    (
        length,
        u16_at(4),
        u16_at(6),
        u32_at(8),
        message[16],
        message[17],
    )
}

#[test]
fn every_operation_has_its_command() {
    let service = Service::new(web(), Service::WLC);
    let server = Server::new(
        ServerKey::new([10, 0, 0, 11], 80),
        ForwardMethod::Masquerade,
    );
    let daemon = SyncDaemon::new(DaemonRole::Master, Name::from_static("eth0"), SyncId(1));
    for (operation, command) in [
        (Operation::AddService(service), 1),
        (Operation::UpdateService(service), 2),
        (Operation::DeleteService(web()), 3),
        (Operation::AddServer(web(), server), 5),
        (Operation::UpdateServer(web(), server), 6),
        (Operation::DeleteServer(web(), server.key), 7),
        (Operation::StartDaemon(daemon), 9),
        (Operation::StopDaemon(DaemonRole::Master), 10),
        (Operation::SetTimeouts(Timeouts::default()), 12),
        (Operation::ZeroService(web()), 16),
        (Operation::ZeroAll, 16),
        (Operation::Flush, 17),
    ] {
        for ack in [false, true] {
            let mut encoder = Encoder::new(0x1c);
            encoder.operation(&operation, 77, ack);
            let message = encoder.as_bytes();
            let flags = if ack { REQUEST | ACK } else { REQUEST };
            let expected = (message.len(), 0x1c, flags, 77, command, 1);
            assert_eq!(headers(message), expected, "{operation}");
            assert_eq!(message.len() % 4, 0, "{operation}");
        }
    }
}

#[test]
fn every_query_has_its_command() {
    for (query, command, flags) in [
        (Query::Info, 15, REQUEST),
        (Query::Services, 4, REQUEST | DUMP),
        (Query::Service(web()), 4, REQUEST),
        (Query::Servers(web()), 8, REQUEST | DUMP),
        (Query::Daemons, 11, REQUEST | DUMP),
        (Query::Timeouts, 13, REQUEST),
    ] {
        let mut encoder = Encoder::new(0x1c);
        encoder.query(&query, 77);
        let message = encoder.as_bytes();
        let expected = (message.len(), 0x1c, flags, 77, command, 1);
        assert_eq!(headers(message), expected, "{query}");
    }
}

#[test]
fn commands_are_numbered_as_in_the_header() {
    for number in 1..=17 {
        assert_eq!(Command::from_number(number).unwrap().number(), number);
    }
    assert_eq!(Command::from_number(0), None);
    assert_eq!(Command::from_number(18), None);
}

#[test]
fn requests_lie_behind_each_other() {
    let mut encoder = Encoder::new(0x1c);
    encoder.operation(&Operation::DeleteService(web()), 1, false);
    let first = encoder.as_bytes().len();
    encoder.operation(&Operation::Flush, 2, true);
    assert_eq!(headers(encoder.as_bytes()).0, first);
    assert_eq!(headers(&encoder.as_bytes()[first..]).3, 2);
    encoder.clear();
    assert!(encoder.as_bytes().is_empty());
    encoder.set_family(0x1d);
    encoder.operation(&Operation::Flush, 3, true);
    assert_eq!(
        show(encoder.as_bytes()),
        "14 00 00 00 1d 00 05 00 03 00 00 00 00 00 00 00 11 01 00 00"
    );
}

#[test]
fn a_barrier_is_an_empty_message_that_is_acknowledged() {
    let mut encoder = Encoder::new(0x1c);
    encoder.barrier(5);
    let bytes = "10 00 00 00 01 00 05 00 05 00 00 00 00 00 00 00";
    assert_eq!(show(encoder.as_bytes()), bytes);
}

/// A message from the kernel.
fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(77u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

#[track_caller]
fn only(datagram: &[u8]) -> Result<Content<'_>, DecodeError> {
    let mut messages = Messages::new(datagram);
    let first = messages.next().expect("one message");
    assert!(messages.next().is_none(), "one message");
    first.map(|message| message.answer)
}

#[test]
fn acknowledgements() {
    // Behind the code comes the request's header (NETLINK_CAP_ACK), the whole request, or nothing.
    for rest in [vec![], vec![0; 16], vec![0; 200]] {
        let ack = message(2, 0, &[vec![0; 4], rest.clone()].concat());
        assert_eq!(only(&ack), Ok(Content::Ack));
        let eexist = [(-17i32).to_le_bytes().to_vec(), rest].concat();
        let refusal = message(2, 0, &eexist);
        assert_eq!(only(&refusal), Ok(Content::Refused(Errno::EEXIST)));
    }
    let odd = message(2, 0, &i32::MIN.to_le_bytes());
    assert_eq!(only(&odd), Ok(Content::Refused(Errno(i32::MAX))));
    for length in 0..4 {
        let short = message(2, 0, &[0; 4][..length]);
        assert!(only(&short).is_err(), "{length} bytes");
    }
}

#[test]
fn the_end_of_a_dump() {
    assert_eq!(only(&message(3, 2, &[0; 4])), Ok(Content::Done(None)));
    assert_eq!(only(&message(3, 2, &[])), Ok(Content::Done(None)));
    let interrupted = message(3, 2, &(-4i32).to_le_bytes());
    assert_eq!(only(&interrupted), Ok(Content::Done(Some(Errno::EINTR))));
}

#[test]
fn messages_that_say_nothing() {
    assert_eq!(only(&message(1, 0, &[])), Ok(Content::Nothing));
    assert_eq!(only(&message(4, 0, &[])), Ok(Content::Nothing));
}

#[test]
fn a_reply_is_taken_apart() {
    let nest = attribute(1, &hex(SERVICE_SIP));
    let payload = [vec![1, 1, 0, 0], nest.clone()].concat();
    let bytes = message(0x1c, 2, &payload);
    let answer = only(&bytes).unwrap();
    assert_eq!(answer.payload(Command::NewService), Ok(nest.as_slice()));
    let key = ServiceKey::udp([192, 0, 2, 10], 5060);
    assert_eq!(answer.service().unwrap().service.key, key);
    for error in [
        answer.server(ipvs::Family::V4).unwrap_err(),
        answer.daemon().unwrap_err(),
        answer.payload(Command::SetInfo).unwrap_err(),
    ] {
        assert!(matches!(error, DecodeError::Unexpected { .. }), "{error}");
    }
    for length in 0..4 {
        let short = message(0x1c, 0, &[1, 1, 0, 0][..length]);
        assert!(only(&short).is_err(), "{length} bytes of header");
    }
    let empty = message(0x1c, 2, &[1, 1, 0, 0]);
    assert!(matches!(
        only(&empty).unwrap().service(),
        Err(DecodeError::Missing { .. })
    ));
}

#[test]
fn an_interrupted_dump_is_known_by_its_flag() {
    let bytes = message(0x1c, 0x10 | 2, &[1, 1, 0, 0]);
    assert!(Messages::new(&bytes).next().unwrap().unwrap().interrupted);
    let bytes = message(0x1c, 2, &[1, 1, 0, 0]);
    assert!(!Messages::new(&bytes).next().unwrap().unwrap().interrupted);
}

#[test]
fn several_messages_in_one_datagram() {
    // The second message's length is not a multiple of 4, so it is padded.
    let mut bytes = message(2, 0, &[0; 4]);
    bytes.extend(message(3, 2, &[0; 5]));
    bytes.extend([0; 3]);
    bytes.extend(message(1, 0, &[]));
    let answers: Vec<_> = Messages::new(&bytes)
        .map(|message| message.unwrap().answer)
        .collect();
    assert_eq!(
        answers,
        [Content::Ack, Content::Done(None), Content::Nothing]
    );
}

#[test]
fn a_datagram_that_ends_anywhere_ends_with_an_error() {
    let mut bytes = message(2, 0, &[0; 4]);
    let first = bytes.len();
    bytes.extend(message(
        0x1c,
        2,
        &[vec![1, 1, 0, 0], hex(SERVICE_SIP)].concat(),
    ));
    for length in 1..bytes.len() {
        let results: Vec<_> = Messages::new(&bytes[..length]).collect();
        let whole = usize::from(length >= first);
        let broken = length != first;
        assert_eq!(results.len(), whole + usize::from(broken), "{length} bytes");
        assert_eq!(results.last().unwrap().is_err(), broken, "{length} bytes");
    }
    assert_eq!(Messages::new(&[]).count(), 0);
}

#[test]
fn a_length_that_cannot_be_is_an_error() {
    for length in [0u32, 1, 15, 21, u32::MAX] {
        let mut bytes = message(2, 0, &[0; 4]);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        let results: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!(results.len(), 1, "{length}");
        assert!(results[0].is_err(), "{length}");
    }
}

//! neli, an independent netlink library, as the oracle for our bytes.
//!
//! This file states the contents of each attribute a second time, from the uapi header and not from
//! `ipvs::wire`; neli makes the bytes. The order of attributes within a nest means nothing to the
//! kernel, so both sides are sorted before the comparison.

use std::io::Cursor;
use std::net::IpAddr;

use ipvs::wire::{
    Encoder, decode_daemon, decode_info, decode_server, decode_service, decode_timeouts,
};
use ipvs::{
    Family, Info, Netmask, Operation, Query, Server, ServerKey, Service, ServiceKey, Stats,
    SyncDaemon, Timeouts, Tunnel,
};
use neli::consts::nl::NlmF;
use neli::genl::{
    AttrTypeBuilder, Genlmsghdr, GenlmsghdrBuilder, Nlattr, NlattrBuilder, NoUserHeader,
};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::types::{Buffer, GenlBuffer};
use neli::{FromBytes, ToBytes};
use proptest::prelude::*;

use crate::any;

type Attribute = Nlattr<u16, Buffer>;
type Message = Nlmsghdr<u16, Genlmsghdr<u8, u16, NoUserHeader>>;

const FAMILY: u16 = 0x1c;

fn attribute(kind: u16, value: Vec<u8>) -> Attribute {
    let kind = AttrTypeBuilder::default().nla_type(kind).build().unwrap();
    NlattrBuilder::default()
        .nla_type(kind)
        .nla_payload(Buffer::from(value))
        .build()
        .unwrap()
}

fn nest(kind: u16, attributes: &[Attribute]) -> Attribute {
    attributes
        .iter()
        .fold(attribute(kind, vec![]), |nest, attribute| {
            nest.nest(attribute).unwrap()
        })
}

fn message(command: u8, flags: NlmF, sequence: u32, attributes: Vec<Attribute>) -> Vec<u8> {
    let mut run = GenlBuffer::new();
    for attribute in attributes {
        run.push(attribute);
    }
    let generic = GenlmsghdrBuilder::default()
        .cmd(command)
        .version(1)
        .attrs(run)
        .build()
        .unwrap();
    let message = NlmsghdrBuilder::default()
        .nl_type(FAMILY)
        .nl_flags(flags)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(generic))
        .build()
        .unwrap();
    let mut bytes = Cursor::new(Vec::new());
    message.to_bytes(&mut bytes).unwrap();
    bytes.into_inner()
}

fn family_number(family: Family) -> Vec<u8> {
    let number: u16 = if family == Family::V4 { 2 } else { 10 };
    number.to_ne_bytes().into()
}

fn address(address: IpAddr) -> Vec<u8> {
    let mut bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.resize(16, 0);
    bytes
}

fn text(name: ipvs::Name) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

fn service_key(key: &ServiceKey) -> Vec<Attribute> {
    let mut attributes = vec![attribute(1, family_number(key.family()))];
    match *key {
        ServiceKey::Address {
            protocol,
            address: virtual_address,
            port,
        } => {
            let number: u16 = match protocol {
                ipvs::Protocol::Tcp => 6,
                ipvs::Protocol::Udp => 17,
                ipvs::Protocol::Sctp => 132,
            };
            attributes.push(attribute(2, number.to_ne_bytes().into()));
            attributes.push(attribute(3, address(virtual_address)));
            attributes.push(attribute(4, port.to_be_bytes().into()));
        }
        ServiceKey::Fwmark { mark, .. } => {
            attributes.push(attribute(5, mark.get().to_ne_bytes().into()));
        }
    }
    attributes
}

fn service(service: &Service) -> Vec<Attribute> {
    let mut attributes = service_key(&service.key);
    let own: u32 = 0x2;
    let flags = [
        service.flags.bits().to_ne_bytes(),
        (u32::MAX ^ own).to_ne_bytes(),
    ];
    attributes.push(attribute(6, text(service.scheduler)));
    attributes.push(attribute(7, flags.concat()));
    attributes.push(attribute(8, service.timeout.to_ne_bytes().into()));
    let mask = match service.netmask {
        Netmask::V4(mask) => mask.octets(),
        Netmask::V6(length) => length.to_ne_bytes(),
    };
    attributes.push(attribute(9, mask.into()));
    if let Some(engine) = service.engine {
        attributes.push(attribute(11, text(engine)));
    }
    attributes
}

fn server_key(key: &ServerKey) -> Vec<Attribute> {
    vec![
        attribute(1, address(key.address)),
        attribute(2, key.port.to_be_bytes().into()),
        attribute(11, family_number(Family::of(key.address))),
    ]
}

fn server(server: &Server) -> Vec<Attribute> {
    let mut attributes = server_key(&server.key);
    for (kind, number) in [
        (3, server.forward.number()),
        (4, server.weight.get()),
        (5, server.upper_threshold),
        (6, server.lower_threshold),
    ] {
        attributes.push(attribute(kind, number.to_ne_bytes().into()));
    }
    if server.tunnel != Tunnel::IPIP {
        let Tunnel { kind, port, flags } = server.tunnel;
        attributes.push(attribute(13, vec![kind.number()]));
        attributes.push(attribute(14, port.to_be_bytes().into()));
        attributes.push(attribute(15, flags.bits().to_ne_bytes().into()));
    }
    attributes
}

fn daemon(daemon: &SyncDaemon) -> Vec<Attribute> {
    let mut attributes = vec![
        attribute(1, daemon.role.number().to_ne_bytes().into()),
        attribute(2, text(daemon.interface)),
        attribute(3, u32::from(daemon.sync_id.0).to_ne_bytes().into()),
    ];
    if daemon.max_length != 0 {
        attributes.push(attribute(4, daemon.max_length.to_ne_bytes().into()));
    }
    match daemon.group {
        Some(IpAddr::V4(group)) => attributes.push(attribute(5, group.octets().into())),
        Some(IpAddr::V6(group)) => attributes.push(attribute(6, group.octets().into())),
        None => {}
    }
    if daemon.port != 0 {
        attributes.push(attribute(7, daemon.port.to_ne_bytes().into()));
    }
    if daemon.ttl != 0 {
        attributes.push(attribute(8, vec![daemon.ttl]));
    }
    attributes
}

fn timeouts(timeouts: &Timeouts) -> Vec<Attribute> {
    [(4, timeouts.tcp), (5, timeouts.tcp_fin), (6, timeouts.udp)]
        .map(|(kind, seconds)| attribute(kind, seconds.to_ne_bytes().into()))
        .into()
}

fn numbers(stats: &Stats) -> [u64; 10] {
    let Stats { total, rate } = stats;
    [
        total.connections,
        total.packets_in,
        total.packets_out,
        total.bytes_in,
        total.bytes_out,
        rate.connections,
        rate.packets_in,
        rate.packets_out,
        rate.bytes_in,
        rate.bytes_out,
    ]
}

/// The nest of 64-bit numbers, with the kernel's padding in front of them.
fn wide(kind: u16, stats: &Stats) -> Attribute {
    let attributes: Vec<_> = (1..)
        .zip(numbers(stats))
        .flat_map(|(kind, number)| {
            [
                attribute(11, vec![]),
                attribute(kind, number.to_ne_bytes().into()),
            ]
        })
        .collect();
    nest(kind, &attributes)
}

/// The request for an operation: command and attributes.
fn request(operation: &Operation) -> (u8, Vec<Attribute>) {
    match operation {
        Operation::AddService(whole) => (1, vec![nest(1, &service(whole))]),
        Operation::UpdateService(whole) => (2, vec![nest(1, &service(whole))]),
        Operation::DeleteService(key) => (3, vec![nest(1, &service_key(key))]),
        Operation::AddServer(key, whole) => {
            (5, vec![nest(1, &service_key(key)), nest(2, &server(whole))])
        }
        Operation::UpdateServer(key, whole) => {
            (6, vec![nest(1, &service_key(key)), nest(2, &server(whole))])
        }
        Operation::DeleteServer(key, of) => (
            7,
            vec![nest(1, &service_key(key)), nest(2, &server_key(of))],
        ),
        Operation::StartDaemon(whole) => (9, vec![nest(3, &daemon(whole))]),
        Operation::StopDaemon(role) => {
            let number = attribute(1, role.number().to_ne_bytes().into());
            (10, vec![nest(3, &[number])])
        }
        Operation::SetTimeouts(limits) => (12, timeouts(limits)),
        Operation::ZeroService(key) => (16, vec![nest(1, &service_key(key))]),
        Operation::ZeroAll => (16, vec![]),
        Operation::Flush => (17, vec![]),
    }
}

/// The request for a query: command and attributes; `None` for queries to the controller.
fn question(query: &Query) -> Option<(u8, NlmF, Vec<Attribute>)> {
    let dump = NlmF::REQUEST | NlmF::DUMP;
    Some(match query {
        Query::Family => return None,
        Query::Services => (4, dump, vec![]),
        Query::Service(key) => (4, NlmF::REQUEST, vec![nest(1, &service_key(key))]),
        Query::Servers(key) => (8, dump, vec![nest(1, &service_key(key))]),
        Query::Daemons => (11, dump, vec![]),
        Query::Timeouts => (13, NlmF::REQUEST, vec![]),
        Query::Info => (15, NlmF::REQUEST, vec![]),
    })
}

/// A top-level attribute: its type with flags, and its sorted contents.
type Sorted = (u16, Vec<Vec<u8>>);

/// Headers, and the attributes with their nests sorted.
fn canonical(message: &[u8]) -> (Vec<u8>, Vec<Sorted>) {
    fn split(mut run: &[u8]) -> Vec<(u16, &[u8])> {
        let mut attributes = Vec::new();
        while !run.is_empty() {
            let length = usize::from(u16::from_ne_bytes([run[0], run[1]]));
            let whole = &run[..length.next_multiple_of(4)];
            attributes.push((u16::from_ne_bytes([run[2], run[3]]), whole));
            run = &run[whole.len()..];
        }
        attributes
    }
    let mut attributes: Vec<_> = split(&message[20..])
        .into_iter()
        .map(|(kind, whole)| {
            let mut inner = if kind & 0x8000 == 0 {
                vec![whole.to_vec()]
            } else {
                let parts = split(&whole[4..]).into_iter();
                parts.map(|(_, part)| part.to_vec()).collect()
            };
            inner.sort();
            (kind, inner)
        })
        .collect();
    attributes.sort();
    (message[..20].to_vec(), attributes)
}

/// The contents of a nest that neli wrote, its attributes in the given order.
fn contents(attributes: &[Attribute]) -> Vec<u8> {
    nest(1, attributes).nla_payload().as_ref().to_vec()
}

proptest! {
    #[test]
    fn operations_are_what_neli_writes(
        operation in any::operation(),
        sequence in proptest::prelude::any::<u32>(),
        ack in proptest::prelude::any::<bool>(),
    ) {
        let mut encoder = Encoder::new(FAMILY);
        encoder.operation(&operation, sequence, ack);
        let flags = if ack { NlmF::REQUEST | NlmF::ACK } else { NlmF::REQUEST };
        let (command, attributes) = request(&operation);
        let expected = message(command, flags, sequence, attributes);
        prop_assert_eq!(canonical(encoder.as_bytes()), canonical(&expected));
    }

    #[test]
    fn queries_are_what_neli_writes(
        query in any::query(),
        sequence in proptest::prelude::any::<u32>(),
    ) {
        if let Some((command, flags, attributes)) = question(&query) {
            let mut encoder = Encoder::new(FAMILY);
            encoder.query(&query, sequence);
            let expected = message(command, flags, sequence, attributes);
            prop_assert_eq!(canonical(encoder.as_bytes()), canonical(&expected));
        }
    }

    #[test]
    fn neli_reads_what_we_write(
        operation in any::operation(),
        sequence in proptest::prelude::any::<u32>(),
    ) {
        let mut encoder = Encoder::new(FAMILY);
        encoder.operation(&operation, sequence, true);
        let message = Message::from_bytes(&mut Cursor::new(encoder.as_bytes())).unwrap();
        prop_assert_eq!(usize::try_from(*message.nl_len()).unwrap(), encoder.as_bytes().len());
        prop_assert_eq!((*message.nl_type(), *message.nl_seq()), (FAMILY, sequence));
        let generic = message.get_payload().unwrap();
        let (command, expected) = request(&operation);
        prop_assert_eq!((*generic.cmd(), *generic.version()), (command, 1));
        let handle = generic.attrs().get_attr_handle();
        prop_assert_eq!(handle.get_attrs().len(), expected.len());
        for attribute in handle.get_attrs() {
            let kind = *attribute.nla_type().nla_type();
            let nested = *attribute.nla_type().nla_nested();
            prop_assert_eq!(nested, kind <= 3, "attribute {}", kind);
            if nested {
                let inner = attribute.get_attr_handle::<u16>().unwrap();
                prop_assert!(!inner.get_attrs().is_empty());
            }
        }
        if let Operation::AddServer(_, server) = operation {
            let inner = handle.get_nested_attributes::<u16>(2).unwrap();
            let weight: u32 = inner.get_attr_payload_as(4).unwrap();
            prop_assert_eq!(weight, server.weight.get());
        }
    }

    #[test]
    fn services_that_neli_wrote_are_read(
        entry in any::service_entry(),
        seed in proptest::prelude::any::<prop::sample::Index>(),
    ) {
        let mut attributes = service(&entry.service);
        attributes.push(wide(12, &entry.stats));
        let middle = seed.index(attributes.len());
        attributes.rotate_left(middle);
        prop_assert_eq!(decode_service(&contents(&attributes)).unwrap(), entry);
    }

    #[test]
    fn servers_that_neli_wrote_are_read(
        entry in any::server_entry(),
        seed in proptest::prelude::any::<prop::sample::Index>(),
    ) {
        let mut attributes = server(&entry.server);
        for (kind, count) in [(7, entry.active), (8, entry.inactive), (9, entry.persistent)] {
            attributes.push(attribute(kind, count.to_ne_bytes().into()));
        }
        attributes.push(wide(12, &entry.stats));
        let middle = seed.index(attributes.len());
        attributes.rotate_left(middle);
        for family in [Family::V4, Family::V6] {
            prop_assert_eq!(decode_server(&contents(&attributes), family).unwrap(), entry);
        }
    }

    #[test]
    fn daemons_that_neli_wrote_are_read(whole in any::daemon()) {
        prop_assert_eq!(decode_daemon(&contents(&daemon(&whole))).unwrap(), whole);
    }

    #[test]
    fn settings_that_neli_wrote_are_read(limits in any::timeouts(), info in any::info()) {
        prop_assert_eq!(decode_timeouts(&contents(&timeouts(&limits))).unwrap(), limits);
        let Info { version, connection_table_size } = info;
        let attributes = [
            attribute(1, version.code().to_ne_bytes().into()),
            attribute(2, connection_table_size.to_ne_bytes().into()),
        ];
        prop_assert_eq!(decode_info(&contents(&attributes)).unwrap(), info);
    }
}

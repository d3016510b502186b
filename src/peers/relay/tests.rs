//! Queues, what the kernel's list of sockets says, and what is refused; without a kernel.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use director_peer::outgoing::Known;
use director_peer::wire::{ENTRIES, Frame};
use ipvs::{
    ForwardMethod, Server, ServerEntry, ServerKey, Service, ServiceEntry, ServiceKey, Stats, Table,
    TableService,
};
use ipvs_sync::{Encoder, Engine, Entry, Sequence};

use super::ear::Sockets;
use super::follow::{Rate, admitted};
use super::give::{Drops, MOST, message};
use super::hub::Hub;
use super::pulse::reset;

fn entry(number: u16) -> Entry {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    Entry::new(
        6,
        SocketAddr::from((Ipv4Addr::new(198, 18, 0, 1), number)),
        at("192.0.2.10:80"),
        at("10.0.0.11:80"),
    )
}

/// Never waits for long.
const SOON: Duration = Duration::from_millis(1);

#[test]
fn what_a_slow_peer_does_not_take_is_dropped_and_counted_for_it_alone() {
    let hub = Hub::default();
    let (slow, quick) = (hub.queue(2), hub.queue(9));
    let entries: Vec<Entry> = (0..5).map(entry).collect();
    hub.give(&entries);
    assert_eq!((slow.dropped(), quick.dropped()), (3, 0));
    let first = slow.next(SOON).unwrap().unwrap();
    let (message, count) = message(first, &slow);
    assert_eq!(count, 2);
    assert_eq!(ipvs_sync::decode(&message).unwrap().entries, entries[..2]);
    assert_eq!(slow.next(SOON).unwrap(), None);
    // It has room again, and has missed what it missed.
    hub.give(&entries[4..]);
    assert_eq!(slow.next(SOON).unwrap().as_ref(), Some(&entries[4]));
    assert_eq!(slow.dropped(), 3);
    let mut all = 0;
    while quick.next(SOON).unwrap().is_some() {
        all += 1;
    }
    assert_eq!(all, 6);
}

#[test]
fn a_frame_has_room_for_the_longest_entries() {
    let mut longest = entry(1);
    let long = |text: &str| SocketAddr::new(text.parse().unwrap(), 80);
    longest.client = long("2001:db8::1");
    longest.virtual_service = long("2001:db8::2");
    longest.server = long("2001:db8::3");
    longest.sequence = Some(Box::new(Sequence([1; 24])));
    longest.engine = Some(Box::new(Engine {
        name: vec![1; 16],
        data: vec![1; 255],
    }));
    let hub = Hub::default();
    let queue = hub.queue(100);
    hub.give(&vec![longest.clone(); 100]);
    let first = queue.next(SOON).unwrap().unwrap();
    let (message, count) = message(first, &queue);
    assert_eq!(count, MOST);
    assert!(message.len() <= ENTRIES, "{}", message.len());
    let frame = Frame::of_entries(&message).unwrap();
    let Frame::Entries(entries) = Frame::decode(&frame[4..]).unwrap() else {
        panic!("entries");
    };
    assert_eq!(entries.len(), 40);
    assert!(entries.iter().all(|entry| *entry == longest));
}

#[test]
fn only_sockets_of_root_that_are_connected_to_the_group_are_masters() {
    // As the kernel writes it, on a machine with this order of bytes.
    let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
    let (group, own) = (hex([224, 0, 0, 81]), hex([10, 0, 0, 1]));
    let line = |local: &str, remote: &str, uid: u32, dropped: u32| {
        format!(
            "  212: {local} {remote} 01 00000000:00000000 00:00000000 00000000  {uid}        0 191 2 \
             00000000289b1684 {dropped}          \n"
        )
    };
    let text = [
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n".to_owned(),
        line(&format!("{own}:C9D4"), &format!("{group}:2292"), 0, 0),
        // A user, and the master of a sync that is not a relay.
        line(&format!("{own}:C9D5"), &format!("{group}:2292"), 1000, 0),
        line(&format!("{own}:C9D6"), &format!("{group}:2290"), 0, 0),
        line(&format!("{group}:2292"), "00000000:0000", 0, 7),
        "  cut\n".to_owned(),
    ];
    let found = Sockets::parse(&text.concat());
    assert_eq!(found.masters, [0xc9d4]);
    assert_eq!(found.dropped, 7);
}

#[test]
fn only_what_is_declared_and_not_held_here_reaches_the_own_daemon() {
    let mut known = Table::default();
    let key = ServiceKey::tcp([192, 0, 2, 10], 80);
    let server = ServerKey::new([10, 0, 0, 11], 80);
    known.services.push(service(key, server));
    let known = Known::new(&known, |_| false);
    let mut entries: Vec<Entry> = (0..4).map(entry).collect();
    entries[0].virtual_service.set_port(81);
    entries[1].server.set_ip(Ipv4Addr::new(10, 0, 0, 12).into());
    entries[2].mark = 7;
    let mut encoder = Encoder::new(9, Encoder::ETHERNET);
    let (messages, taken) = admitted(&entries, &known, &HashSet::new(), &mut encoder);
    assert_eq!((messages.len(), taken), (1, 1));
    let message = ipvs_sync::decode(&messages[0]).unwrap();
    assert_eq!((message.id, &message.entries[..]), (9, &entries[3..]));
    // This director holds the address: nothing.
    let held = HashSet::from([entries[3].virtual_service.ip()]);
    let (messages, taken) = admitted(&entries, &known, &held, &mut encoder);
    assert_eq!((messages.len(), taken), (0, 0));
}

fn service(key: ServiceKey, server: ServerKey) -> TableService {
    let server = Server::new(server, ForwardMethod::DirectRoute);
    TableService {
        entry: ServiceEntry {
            service: Service::new(key, Service::RR),
            stats: Stats::default(),
        },
        servers: vec![ServerEntry {
            server,
            active: 0,
            inactive: 0,
            persistent: 0,
            stats: Stats::default(),
        }],
    }
}

#[test]
fn a_peer_can_fill_the_table_only_so_fast() {
    let start = Instant::now();
    let mut rate = Rate::new(start);
    let at = |millis| start + Duration::from_millis(millis);
    assert_eq!(rate.take(Rate::MOST - 1, at(0)), Rate::MOST - 1);
    assert_eq!(rate.take(40, at(999)), 1);
    assert_eq!(rate.take(40, at(999)), 0);
    assert_eq!(rate.take(40, at(1000)), 40);
}

#[test]
fn drops_are_told_of_once_a_minute() {
    let (mut drops, start) = (Drops::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(drops.note(0, at(0)), None);
    let said = drops.note(1, at(1)).unwrap();
    assert!(said.starts_with("1 new connection: "), "{said}");
    assert_eq!(drops.note(5, at(30)), None);
    let said = drops.note(9, at(61)).unwrap();
    assert!(said.starts_with("8 new connections: "), "{said}");
    assert_eq!(drops.note(9, at(200)), None);
}

/// With the pseudo-header, the sum of all is 0xffff.
#[test]
fn the_packet_of_the_pulse_has_its_checksum() {
    let packet = reset();
    let pseudo = [127, 0, 88, 50, 127, 0, 88, 50, 0, 6, 0, 20];
    let all = packet.chunks_exact(2).chain(pseudo.chunks_exact(2));
    let mut sum: u32 = all
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    assert_eq!(sum, 0xffff);
}

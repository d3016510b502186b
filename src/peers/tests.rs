//! Ends of a channel that are not what they should be.

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use director_peer::wire::{Frame, Hello, LONGEST, PROTOCOL, Request};
use rustls::{ClientConnection, ServerConnection};

use super::answer::{self, Serving};
use super::link::{Link, PATIENCE};
use super::own::Own;
use super::relay::Hub;
use super::tls::{self, Identity};

fn key(digit: char) -> String {
    format!("{}f", String::from(digit).repeat(63))
}

fn identity(digit: char) -> Identity {
    Identity::parse(&key(digit)).unwrap()
}

fn hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
        name: "other".to_owned(),
        instance: 1,
    }
}

/// A connection: the end that connected, and the other one.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A director that answers `b`.
pub(super) fn serving(own: Own, generation: u64) -> Serving {
    Serving {
        own,
        hub: Hub::default(),
        generation,
        name: "b".into(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        tell: Arc::new(drop),
    }
}

/// What a director answers over a connection to it, and how its end of the connection ends.
fn ask(identity: &Identity, talk: impl FnOnce(&mut Link)) -> anyhow::Result<()> {
    let (near, far) = pair();
    let own = Own::new();
    let generation = own.declare(&Arc::from([]), false);
    let serving = serving(own, generation);
    let answering = thread::spawn(move || serving.serve(far, &self::identity('1')));
    let mut link = Link::client(near, identity).unwrap();
    talk(&mut link);
    drop(link);
    answering.join().unwrap()
}

#[test]
fn a_director_answers_a_peer_with_its_key() {
    let end = ask(&identity('1'), |link| {
        link.send(&Frame::Hello(hello())).unwrap();
        let answer = link.receive(PATIENCE).unwrap();
        assert!(matches!(answer, Frame::Hello(Hello { protocol, .. }) if protocol == PROTOCOL));
        link.send(&Frame::Request(Request::State)).unwrap();
        assert!(matches!(link.receive(PATIENCE), Ok(Frame::State(_))));
    });
    // The peer goes between two requests.
    assert!(answer::is_closed(&end.unwrap_err()));
}

#[test]
fn who_asks_with_another_key_is_refused() {
    // It knows the public half of the right key, and accepts the director's proof.
    let pair = |digit| tls::pair(&tls::digits(&key(digit)).unwrap()).unwrap();
    let stranger = Identity::new(pair('2').0, pair('1').1).unwrap();
    let end = ask(&stranger, |link| {
        let _ = link.send(&Frame::Hello(hello()));
        link.receive(PATIENCE).unwrap_err();
    });
    let why = format!("{:#}", end.unwrap_err());
    assert!(why.contains("invalid peer certificate"), "{why}");
}

#[test]
fn who_answers_with_another_key_is_refused() {
    let end = ask(&identity('2'), |link| {
        let _ = link.send(&Frame::Hello(hello()));
        let why = format!("{:#}", link.receive(PATIENCE).unwrap_err());
        assert!(why.contains("certificate"), "{why}");
    });
    let why = format!("{:#}", end.unwrap_err());
    assert!(why.contains("alert"), "{why}");
}

#[test]
fn another_version_of_the_protocol_is_refused_by_name() {
    let end = ask(&identity('1'), |link| {
        let hello = Hello {
            protocol: PROTOCOL + 1,
            version: "9.0".to_owned(),
            ..hello()
        };
        link.send(&Frame::Hello(hello)).unwrap();
        let why = link.receive(PATIENCE).unwrap_err().to_string();
        assert!(why.contains("version 9.0 speaks protocol 2"), "{why}");
    });
    assert!(end.unwrap_err().to_string().contains("protocol 2"));
}

#[test]
fn a_conversation_begins_with_a_hello_and_goes_on_with_requests() {
    let end = ask(&identity('1'), |link| {
        link.send(&Frame::Request(Request::Table)).unwrap();
        link.receive(PATIENCE).unwrap_err();
    });
    assert!(end.unwrap_err().to_string().contains("begin with a hello"));
    let end = ask(&identity('1'), |link| {
        link.send(&Frame::Hello(hello())).unwrap();
        link.receive(PATIENCE).unwrap();
        link.send(&Frame::Hello(hello())).unwrap();
        link.receive(PATIENCE).unwrap_err();
    });
    let why = end.unwrap_err().to_string();
    assert!(why.contains("something else than requests"), "{why}");
}

#[test]
fn a_message_that_is_cut_is_none() {
    let whole = Frame::Hello(hello()).encode().unwrap();
    for length in [1, 3, 4, 5, whole.len() - 1] {
        let end = ask(&identity('1'), |link| {
            link.send_bytes(&whole[..length]).unwrap();
        });
        assert!(answer::is_closed(&end.unwrap_err()), "after {length} bytes");
    }
}

#[test]
fn a_message_that_says_to_be_too_long_is_refused_before_it_comes() {
    for length in [u32::try_from(LONGEST).unwrap() + 1, u32::MAX] {
        let end = ask(&identity('1'), |link| {
            link.send_bytes(&length.to_be_bytes()).unwrap();
            link.receive(PATIENCE).unwrap_err();
        });
        let why = end.unwrap_err().to_string();
        assert!(
            why.contains(&format!("a message of {length} bytes")),
            "{why}"
        );
    }
}

#[test]
fn a_peer_has_four_connections_at_most() {
    let open = Arc::default();
    let [peer, other] = ["10.0.0.2", "10.0.0.3"].map(|text| text.parse().unwrap());
    assert!((0..4).all(|_| answer::admit(&open, peer)));
    assert!(!answer::admit(&open, peer) && answer::admit(&open, other));
    answer::leave(&open, peer);
    assert!(answer::admit(&open, peer) && !answer::admit(&open, peer));
}

/// TLS alone sees to this: the secrets of a connection are in what both sides of it made up.
#[test]
fn a_recorded_connection_cannot_be_replayed() {
    let identity = identity('1');
    let server = || ServerConnection::new(Arc::clone(&identity.server)).unwrap();
    let name = "director".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::clone(&identity.client), name).unwrap();
    let mut first = server();
    let mut recorded = Vec::new();
    while client.is_handshaking() || first.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        recorded.extend_from_slice(&bytes);
        first.read_tls(&mut &*bytes).unwrap();
        first.process_new_packets().unwrap();
        let mut bytes = Vec::new();
        while first.wants_write() {
            first.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut &*bytes).unwrap();
        client.process_new_packets().unwrap();
    }
    let mut second = server();
    let mut left = &*recorded;
    let mut refused = None;
    while !left.is_empty() && refused.is_none() {
        second.read_tls(&mut left).unwrap();
        refused = second.process_new_packets().err();
    }
    assert!(refused.is_some() && second.is_handshaking());
}

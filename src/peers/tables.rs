//! Tables that are not what they should be: a peer with the key, and with a fault.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use director_peer::digest::EntriesDigest;
use director_peer::incoming::{Intake, MOST};
use director_peer::outgoing::Known;
use director_peer::wire::{Frame, Proof, Request, TableEnd};
use ipvs_sync::{Encoder, Entry};

use super::link::{Link, PATIENCE};
use super::resync::{Received, receive};
use super::tls::Identity;

fn entry(number: u32) -> Entry {
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    Entry::new(
        6,
        SocketAddr::new(Ipv4Addr::from_bits(0xc612_0000 + number).into(), 40_000),
        at("192.0.2.10:80"),
        at("10.0.0.11:80"),
    )
}

fn end(entries: u64, digest: EntriesDigest) -> Frame {
    Frame::TableEnd(TableEnd {
        entries,
        left_out: BTreeMap::new(),
        failed: None,
        proof: Some(Proof {
            digest: digest.value(),
            whole: true,
            short: Vec::new(),
        }),
    })
}

/// Three entries, and their digest.
fn three() -> (Frame, EntriesDigest) {
    let entries: Vec<Entry> = (0..3).map(entry).collect();
    let mut digest = EntriesDigest::default();
    entries.iter().for_each(|entry| digest.add(entry));
    (Frame::Entries(entries), digest)
}

/// What a director makes of the table that this peer sends.
fn table(
    send: impl FnOnce(&mut Link) + Send + 'static,
) -> anyhow::Result<anyhow::Result<Received>> {
    let identity = Identity::parse(&"0123456789abcdef".repeat(4)).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    let theirs = identity.clone();
    let peer = thread::spawn(move || {
        let mut link = Link::server(far, &theirs).unwrap();
        let asked = link.receive(PATIENCE).unwrap();
        assert_eq!(asked, Frame::Request(Request::Table));
        send(&mut link);
    });
    let mut link = Link::client(near, &identity).unwrap();
    let intake = Intake::new(Known::default(), HashSet::new(), 0, std::iter::empty());
    let received = receive(&mut link, intake);
    drop(link);
    peer.join().unwrap();
    received
}

/// Why a table cannot be used.
fn refused(send: impl FnOnce(&mut Link) + Send + 'static) -> String {
    match table(send) {
        Ok(Ok(_)) => panic!("it is used"),
        Ok(Err(why)) | Err(why) => format!("{why:#}"),
    }
}

#[test]
fn a_table_with_its_digest_is_taken_and_one_without_a_proof_too() {
    let received = table(|link| {
        let (entries, digest) = three();
        link.send(&entries).unwrap();
        link.send(&end(3, digest)).unwrap();
    });
    assert!(received.unwrap().unwrap().proof.unwrap().whole);
    let received = table(|link| {
        link.send(&three().0).unwrap();
        let Frame::TableEnd(end) = end(3, EntriesDigest::default()) else {
            panic!("an end");
        };
        let end = TableEnd { proof: None, ..end };
        link.send(&Frame::TableEnd(end)).unwrap();
    });
    assert!(received.unwrap().unwrap().proof.is_none());
}

#[test]
fn a_wrong_number_and_the_digest_of_another_set_are_refused() {
    for lie in [0, 2, 4, u64::MAX] {
        let why = refused(move |link| {
            let (entries, digest) = three();
            link.send(&entries).unwrap();
            link.send(&end(lie, digest)).unwrap();
        });
        assert_eq!(why, format!("3 entries came of {lie}"));
    }
    let why = refused(|link| {
        let mut digest = three().1;
        digest.add(&entry(9));
        link.send(&three().0).unwrap();
        link.send(&end(3, digest)).unwrap();
    });
    assert_eq!(why, "what came is not what its digest is of");
    // The same entry twice, in the place of another one.
    let why = refused(|link| {
        let twice = Frame::Entries(vec![entry(0), entry(0), entry(2)]);
        link.send(&twice).unwrap();
        link.send(&end(3, three().1)).unwrap();
    });
    assert_eq!(why, "what came is not what its digest is of");
}

#[test]
fn a_table_that_is_cut_is_refused_wherever_it_is_cut() {
    let (entries, digest) = three();
    let whole = [entries.encode().unwrap(), end(3, digest).encode().unwrap()].concat();
    let first = entries.encode().unwrap().len();
    for length in [0, 1, first - 1, first, first + 1, whole.len() - 1] {
        let part = whole[..length].to_vec();
        let why = table(move |link| link.send_bytes(&part).unwrap()).err();
        let why = why.unwrap_or_else(|| panic!("{length} bytes are used"));
        assert!(super::answer::is_closed(&why), "{length} bytes: {why:#}");
    }
    let why = refused(|link| link.send(&Frame::Request(Request::State)).unwrap());
    assert_eq!(why, "an answer to another question");
}

#[test]
fn ten_million_entries_end_after_the_first_million() {
    let why = refused(|link| {
        let mut sent = 0;
        let mut encoder = Encoder::new(0, Encoder::LONGEST);
        for number in 0..255 {
            encoder.push(&entry(number)).unwrap();
        }
        let frame = Frame::of_entries(&encoder.finish().unwrap()).unwrap();
        while sent < 10 * MOST && link.send_bytes(&frame).is_ok() {
            sent += 255;
        }
        // What is on its way is not much more.
        assert!(sent < 2 * MOST, "{sent}");
    });
    assert_eq!(why, "the table has more than 1000000 entries");
}

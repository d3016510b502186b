//! A peer whose checksum covers the message only, as RFC 9568 says and Cisco and Juniper do it.

use std::net::Ipv4Addr;

use vrrp::codec::{AcceptForms, ChecksumForm, Datagram, Expect, MULTICAST_V4};
use vrrp::{Family, Version, VirtualRouterId};

use super::raw::{Forged, Rogue};
use super::{Link, becomes, counter, file, role};
use crate::daemon::Daemon;
use crate::lab::{Host, Wire, eventually};

/// Version 3, id 51, one address, 100 ms, by the bytes: priority 200, and 0 at its end.
const SENDS: [u8; 12] = [0x31, 51, 200, 1, 0, 10, 0xfc, 0x5c, 10, 0, 0, 100];
const ENDS: [u8; 12] = [0x31, 51, 0, 1, 0, 10, 0xc4, 0x5d, 10, 0, 0, 100];

fn advert(message: [u8; 12]) -> Forged {
    Forged {
        source: Ipv4Addr::new(10, 0, 0, 9),
        destination: MULTICAST_V4,
        ttl: 255,
        message: message.to_vec(),
    }
}

/// The form of the next advert that director sends.
fn sent_form(wire: &mut Wire, from: &Host) -> ChecksumForm {
    let source = from.address(crate::lab::V4);
    let forms = [ChecksumForm::PseudoHeader, ChecksumForm::Message];
    let router = VirtualRouterId::new(51).unwrap();
    // What was sent before now may have the other one.
    wire.packets_to(MULTICAST_V4.into());
    eventually("director sends an advert", || {
        let packets = wire.packets_to(MULTICAST_V4.into());
        let packet = packets.iter().find(|packet| packet.source == source)?;
        let datagram = Datagram {
            source,
            destination: packet.destination,
            hop_limit: 255,
            payload: &packet.payload,
        };
        forms.into_iter().find(|form| {
            let expect = Expect {
                checksum: AcceptForms::Only(*form),
                ..Expect::new(Version::V3, Family::V4, router)
            };
            expect.decode(&datagram).is_ok()
        })
    })
}

#[test]
#[ignore = "needs the lab"]
fn the_rfcs_checksum_is_understood_learned_and_sent_back() {
    let link = Link::new();
    let director = Daemon::start(&link.a, &file(150, "interval = \"100ms\"\npreempt = true"));
    becomes(&director, "active");
    let mut wire = link.client.tap();
    assert_eq!(sent_form(&mut wire, &link.a), ChecksumForm::PseudoHeader);
    let rogue = Rogue::on(&link.client);
    eventually("the other one is active", || {
        rogue.send(&advert(SENDS));
        (role(&director) == "backup").then_some(())
    });
    rogue.send(&advert(ENDS));
    becomes(&director, "active");
    assert_eq!(sent_form(&mut wire, &link.a), ChecksumForm::Message);
    assert_eq!(counter(&director, "discarded"), 0, "{}", director.log());
    let learned = "peers send the checksum ";
    assert!(director.log().contains(learned), "{}", director.log());
}

#[test]
#[ignore = "needs the lab"]
fn the_checksum_is_sent_as_the_file_says() {
    let link = Link::new();
    let settings = |word: &str| format!("interval = \"100ms\"\nchecksum = \"{word}\"");
    let director = Daemon::start(&link.a, &file(150, &settings("rfc")));
    becomes(&director, "active");
    let mut wire = link.client.tap();
    assert_eq!(sent_form(&mut wire, &link.a), ChecksumForm::Message);
    director.write(&file(150, &settings("pseudo-header")));
    eventually("the form changes", || {
        (sent_form(&mut wire, &link.a) == ChecksumForm::PseudoHeader).then_some(())
    });
    // It is set, so nothing is learned; all forms are accepted.
    let rogue = Rogue::on(&link.client);
    eventually("the other one is active", || {
        rogue.send(&advert(SENDS));
        (role(&director) == "backup").then_some(())
    });
    rogue.send(&advert(ENDS));
    becomes(&director, "active");
    assert_eq!(sent_form(&mut wire, &link.a), ChecksumForm::PseudoHeader);
    assert_eq!(counter(&director, "became_active"), 2, "{}", director.log());
}

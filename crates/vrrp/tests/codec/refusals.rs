//! Why a message is discarded: each cause by its name.

use std::net::IpAddr;

use vrrp::codec::{
    AcceptForms, AddressList, Advert, ChecksumForm, Datagram, DecodeError, EncodeError, Expect,
    max_addresses,
};
use vrrp::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

const PEER: [u8; 4] = [10, 0, 0, 1];
const GROUP: [u8; 4] = [224, 0, 0, 18];
const V3: [u8; 12] = [0x31, 51, 150, 1, 0, 100, 0x43, 0x73, 10, 0, 0, 100];
const V2: [u8; 20] = [
    0x21, 51, 150, 1, 0, 1, 0x3e, 0x66, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn id(id: u8) -> VirtualRouterId {
    VirtualRouterId::new(id).unwrap()
}

fn datagram(payload: &[u8]) -> Datagram<'_> {
    Datagram {
        source: PEER.into(),
        destination: GROUP.into(),
        hop_limit: 255,
        payload,
    }
}

fn v3() -> Expect<'static> {
    Expect::new(Version::V3, Family::V4, id(51))
}

fn v2() -> Expect<'static> {
    Expect::new(Version::V2, Family::V4, id(51))
}

fn refused(expect: Expect<'_>, datagram: Datagram<'_>, text: &str) {
    assert_eq!(expect.decode(&datagram).unwrap_err().to_string(), text);
}

/// Changes one byte and the checksum with it.
fn with<const N: usize>(mut bytes: [u8; N], at: usize, value: u8) -> [u8; N] {
    bytes[at] = value;
    bytes[6..8].fill(0);
    let sum: u32 = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
        .sum();
    let sum = !((sum & 0xffff) + (sum >> 16));
    bytes[6..8].copy_from_slice(&u16::try_from(sum & 0xffff).unwrap().to_be_bytes());
    bytes
}

#[test]
fn what_is_right_passes() {
    assert!(v3().decode(&datagram(&V3)).is_ok());
    assert!(v2().decode(&datagram(&V2)).is_ok());
}

#[test]
fn lengths() {
    refused(
        v3(),
        datagram(&V3[..7]),
        "message of 7 bytes; an advert has at least 8",
    );
    refused(
        v3(),
        datagram(&V3[..11]),
        "message of 11 bytes; with 1 address it has 12",
    );
    let longer = [&V3[..], &[0; 4]].concat();
    refused(
        v3(),
        datagram(&longer),
        "message of 16 bytes; with 1 address it has 12",
    );
    refused(
        v2(),
        datagram(&V2[..12]),
        "message of 12 bytes; with 1 address it has 20",
    );
}

#[test]
fn version_type_and_id() {
    refused(
        v3(),
        datagram(&V2),
        "VRRP version 2; this router speaks version 3",
    );
    refused(
        v2(),
        datagram(&V3),
        "VRRP version 3; this router speaks version 2",
    );
    let kind = with(V3, 0, 0x32);
    refused(
        v3(),
        datagram(&kind),
        "message of type 2; only type 1, advertisement, is defined",
    );
    let other = with(V3, 1, 52);
    refused(v3(), datagram(&other), "for virtual router 52, not 51");
    assert_eq!(vrrp::codec::peek(&other), Some(id(52)));
}

#[test]
fn who_sent_it() {
    let mut far = datagram(&V3);
    far.hop_limit = 254;
    refused(
        v3(),
        far,
        "TTL or hop limit 254 instead of 255: forwarded by a router, or forged",
    );
    let own = [IpAddr::from([10, 0, 0, 9]), IpAddr::from(PEER)];
    let mut expect = v3();
    expect.own = &own;
    refused(
        expect,
        datagram(&V3),
        "from our own address 10.0.0.1: the network returns our adverts, or the address is used twice",
    );
    let mut expect = v3();
    expect.peers = &own[..1];
    refused(
        expect,
        datagram(&V3),
        "from 10.0.0.1, which is not one of the peers",
    );
    let six = Expect::new(Version::V3, Family::V6, id(51));
    refused(six, datagram(&V3), "over IPv4; this router is one of IPv6");
}

#[test]
fn a_checksum_of_another_form_is_told_from_a_damaged_message() {
    let mut damaged = V3;
    damaged[11] ^= 1;
    refused(v3(), datagram(&damaged), "wrong checksum 0x4373");

    let mut expect = v3();
    expect.checksum = AcceptForms::Only(ChecksumForm::Message);
    refused(
        expect,
        datagram(&V3),
        "wrong checksum 0x4373: it is right with pseudo-header; set both sides to the same form",
    );

    // 0xcfe7 covers the password, as RFC 2338 wants it; 0x3d66 does not.
    let mut without = V2;
    without[4] = 1;
    without[6..8].copy_from_slice(&[0x3d, 0x66]);
    without[12..].copy_from_slice(b"secret12");
    let mut expect = v2();
    expect.auth = Auth::Password(Password::new("secret12").unwrap());
    assert_eq!(
        expect.decode(&datagram(&without)),
        Err(DecodeError::Checksum {
            found: 0x3d66,
            fits: Some(ChecksumForm::WithoutAuthData),
        })
    );
}

#[test]
fn all_three_forms_of_version_3_are_accepted_and_named() {
    let list = AddressList::from_iter([std::net::Ipv4Addr::new(10, 0, 0, 100)]);
    let advert = Advert {
        version: Version::V3,
        router: id(51),
        priority: Priority(150),
        interval: Interval::SECOND,
        addresses: list.as_addresses(),
        auth: Auth::None,
    };
    let us = IpAddr::from([10, 0, 0, 2]);
    for form in [
        ChecksumForm::Message,
        ChecksumForm::PseudoHeader,
        ChecksumForm::MulticastPseudoHeader,
    ] {
        let bytes = advert.encode(form, PEER.into(), us).unwrap();
        let mut datagram = datagram(&bytes);
        datagram.destination = us;
        assert_eq!(v3().decode(&datagram).unwrap().form, form);
        let mut only = v3();
        only.checksum = AcceptForms::Only(form);
        assert_eq!(only.decode(&datagram).unwrap().form, form);
    }
    // The message from golden.txt, as RFC 9568 computes it.
    let plain = advert
        .encode(ChecksumForm::Message, PEER.into(), us)
        .unwrap();
    assert_eq!(plain[6..8], [0x2e, 0x03]);
}

#[test]
fn authentication_of_version_2() {
    let ours = Password::new("1111").unwrap();
    let mut expect = v2();
    expect.auth = Auth::Password(ours);
    refused(
        expect,
        datagram(&V2),
        "authentication type 0 (none); this router uses 1 (password)",
    );
    let mut wrong = with(V2, 4, 1);
    wrong = with(wrong, 12, b'2');
    refused(expect, datagram(&wrong), "wrong password");
    refused(
        v2(),
        datagram(&wrong),
        "authentication type 1 (password); this router uses 0 (none)",
    );
    assert_eq!(format!("{ours:?}"), "Password(..)");
    assert_eq!(Password::new("secret123"), Password::new("secret12"));
}

#[test]
fn counts_and_intervals() {
    let none = with([0x31, 51, 150, 1, 0, 100, 0, 0], 3, 0);
    refused(v3(), datagram(&none), "address count 0");
    let zero = with(V3, 5, 0);
    refused(
        v3(),
        datagram(&zero),
        "advertisement interval 0 cs; this router has 1 s",
    );
    // Version 3 learns another interval; the reserved bits do not count.
    let other = with(with(V3, 5, 10), 4, 0xf0);
    let received = v3();
    let received = received.decode(&datagram(&other)).unwrap();
    assert_eq!(received.advert.interval.centiseconds(), 10);
    let three = with(V2, 5, 3);
    refused(
        v2(),
        datagram(&three),
        "advertisement interval 300 cs; this router has 1 s",
    );
}

#[test]
fn packets_that_are_none() {
    let mut packet = vec![
        0x45, 0, 0, 32, 0, 0, 0x40, 0, 255, 112, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18,
    ];
    packet.extend(V3);
    let whole = Datagram::from_ipv4(&packet).unwrap();
    assert_eq!(whole, datagram(&V3));
    let refused = |at: usize, value: u8, text: &str| {
        let mut packet = packet.clone();
        packet[at] = value;
        let error = Datagram::from_ipv4(&packet).unwrap_err().to_string();
        assert_eq!(error, format!("not an IPv4 packet of VRRP: {text}"));
    };
    refused(0, 0x65, "not version 4");
    refused(0, 0x44, "its lengths are wrong");
    refused(0, 0x4f, "its lengths are wrong");
    refused(3, 33, "its lengths are wrong");
    refused(6, 0x20, "a fragment");
    refused(7, 1, "a fragment");
    refused(9, 17, "another protocol");
    assert!(Datagram::from_ipv4(&packet[..19]).is_err());
}

#[test]
fn what_cannot_be_said_is_not_encoded() {
    let many: AddressList = (0..=255)
        .map(|n| std::net::Ipv4Addr::new(10, 0, 1, n))
        .collect();
    let mut advert = Advert {
        version: Version::V3,
        router: id(1),
        priority: Priority(1),
        interval: Interval::SECOND,
        addresses: many.as_addresses(),
        auth: Auth::None,
    };
    let encode =
        |advert: &Advert<'_>| advert.encode(ChecksumForm::PseudoHeader, PEER.into(), GROUP.into());
    assert_eq!(
        encode(&advert),
        Err(EncodeError::TooManyAddresses { found: 256 })
    );
    advert.addresses = advert.addresses.first(255);
    assert_eq!(encode(&advert).unwrap().len(), 8 + 4 * 255);
    assert_eq!(
        advert.encode_into(
            ChecksumForm::Message,
            PEER.into(),
            GROUP.into(),
            &mut [0; 1027]
        ),
        Err(EncodeError::Buffer {
            needed: 1028,
            room: 1027
        })
    );
    advert.interval = Interval::from_seconds(41).unwrap();
    assert_eq!(
        encode(&advert).unwrap_err().to_string(),
        "version 3 cannot carry an interval of 41 s"
    );
    advert.version = Version::V2;
    assert!(encode(&advert).is_ok());
    advert.interval = Interval::from_centiseconds(50).unwrap();
    assert_eq!(
        encode(&advert).unwrap_err().to_string(),
        "version 2 cannot carry an interval of 500 ms"
    );
    advert.interval = Interval::SECOND;
    advert.version = Version::V3;
    advert.auth = Auth::Password(Password::new("x").unwrap());
    assert_eq!(encode(&advert), Err(EncodeError::Auth));
    advert.auth = Auth::None;
    advert.addresses = advert.addresses.first(0);
    assert_eq!(encode(&advert), Err(EncodeError::NoAddress));

    let global = AddressList::from_iter(["2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap()]);
    advert.addresses = global.as_addresses();
    assert_eq!(encode(&advert), Err(EncodeError::MixedFamilies));
    let six = |advert: &Advert<'_>| {
        let us: IpAddr = "fe80::1".parse().unwrap();
        advert.encode(
            ChecksumForm::PseudoHeader,
            us,
            vrrp::codec::MULTICAST_V6.into(),
        )
    };
    assert_eq!(six(&advert), Err(EncodeError::NotLinkLocal));
    advert.version = Version::V2;
    assert_eq!(six(&advert), Err(EncodeError::Family));
}

#[test]
fn how_many_addresses_fit_a_packet() {
    assert_eq!(max_addresses(Version::V3, Family::V4, 1500), 255);
    assert_eq!(max_addresses(Version::V3, Family::V6, 1500), 90);
    assert_eq!(max_addresses(Version::V2, Family::V4, 576), 135);
    assert_eq!(max_addresses(Version::V3, Family::V6, 9000), 255);
    assert_eq!(max_addresses(Version::V3, Family::V6, 40), 0);
}

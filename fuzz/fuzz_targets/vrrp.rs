//! VRRP messages: nothing panics, and what is decoded is encoded to the same bytes, except for bits
//! that a receiver ignores.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use vrrp::codec::{Datagram, Expect, peek};
use vrrp::{Auth, Family, Interval, Password, Version, VirtualRouterId};

fuzz_target!(|bytes: &[u8]| {
    let _ = Datagram::from_ipv4(bytes);
    let [choice, payload @ ..] = bytes else {
        return;
    };
    let (version, family) = match choice & 3 {
        0 => (Version::V2, Family::V4),
        1 => (Version::V3, Family::V6),
        _ => (Version::V3, Family::V4),
    };
    let (source, destination): (IpAddr, IpAddr) = match family {
        Family::V4 => (
            Ipv4Addr::new(10, 0, 0, 1).into(),
            Ipv4Addr::new(10, 0, 0, 2).into(),
        ),
        Family::V6 => (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    let Some(router) = peek(payload).or(VirtualRouterId::new(1)) else {
        return;
    };
    let mut expect = Expect::new(version, family, router);
    expect.interval = Interval::from_seconds(*choice).unwrap_or(Interval::SECOND);
    if choice & 4 != 0 {
        expect.auth = Password::new("secret12").map_or(Auth::None, Auth::Password);
    }
    let datagram = Datagram {
        source,
        destination,
        hop_limit: 255,
        payload,
    };
    match expect.decode(&datagram) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(received) => {
            let advert = received.advert;
            // Received leniently, sent strictly: over IPv6 the first address has to be link-local.
            let Ok(again) = advert.encode(received.form, source, destination) else {
                return;
            };
            assert_eq!(again.len(), payload.len());
            assert_eq!(again[..4], payload[..4]);
            assert_eq!(
                again[8..8 + advert.addresses.octets().len()],
                *advert.addresses.octets()
            );
            let datagram = Datagram {
                payload: &again,
                ..datagram
            };
            let twice = expect.decode(&datagram).expect("what we encode is right");
            assert_eq!(twice.advert, advert);
        }
    }
});

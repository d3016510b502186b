//! Messages of real programs, decoded, and encoded to the same bytes.

use std::net::IpAddr;

use vrrp::codec::{ChecksumForm, Datagram, DecodeError, Expect};
use vrrp::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

struct Line {
    capture: &'static str,
    source: IpAddr,
    destination: IpAddr,
    bytes: Vec<u8>,
}

impl Line {
    fn datagram(&self) -> Datagram<'_> {
        Datagram {
            source: self.source,
            destination: self.destination,
            hop_limit: 255,
            payload: &self.bytes,
        }
    }

    fn expect(&self) -> Expect<'static> {
        let version = match self.bytes[0] >> 4 {
            2 => Version::V2,
            _ => Version::V3,
        };
        let family = Family::of(self.source);
        let mut expect = Expect::new(version, family, VirtualRouterId::new(51).unwrap());
        if self.capture.ends_with("pass") {
            expect.auth = Auth::Password(Password::new("secret12").unwrap());
        }
        expect
    }
}

fn lines() -> Vec<Line> {
    include_str!("golden.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            Line {
                capture: word(),
                source: word().parse().unwrap(),
                destination: word().parse().unwrap(),
                bytes: word()
                    .as_bytes()
                    .chunks(2)
                    .map(|hex| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap())
                    .collect(),
            }
        })
        .collect()
}

#[test]
fn what_keepalived_and_frr_send_is_decoded_and_encoded_to_the_same_bytes() {
    let mut seen = 0;
    for line in lines() {
        if line.capture.ends_with("ah") {
            continue;
        }
        let received = line.expect().decode(&line.datagram()).unwrap();
        let advert = received.advert;
        assert!(
            [0, 100, 150, 200].contains(&advert.priority.0),
            "{advert:?}"
        );
        let interval = if line.capture.ends_with("centi") {
            10
        } else {
            100
        };
        assert_eq!(advert.interval.centiseconds(), interval);
        let addresses: Vec<String> = advert.addresses.iter().map(|a| a.to_string()).collect();
        let expected: &[&str] = match advert.addresses.family() {
            Family::V6 => &["fe80::100", "fd00::100"],
            Family::V4 if interval == 10 => &["10.0.0.100", "10.0.0.101"],
            Family::V4 => &["10.0.0.100"],
        };
        assert_eq!(addresses, expected);
        let form = match advert.version {
            Version::V2 => ChecksumForm::Message,
            Version::V3 => ChecksumForm::PseudoHeader,
        };
        assert_eq!(received.form, form, "{}", line.capture);
        let again = advert.encode(received.form, line.source, line.destination);
        assert_eq!(again.unwrap(), line.bytes);
        seen += 1;
    }
    assert_eq!(seen, 34);
}

#[test]
fn the_first_capture_in_full() {
    let line = lines().into_iter().next().unwrap();
    let received = line.expect().decode(&line.datagram()).unwrap();
    assert_eq!(received.source, "10.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!(received.advert.version, Version::V2);
    assert_eq!(received.advert.router.get(), 51);
    assert_eq!(received.advert.priority, Priority(150));
    assert_eq!(received.advert.interval, Interval::SECOND);
    assert_eq!(received.advert.auth, Auth::None);
}

#[test]
fn the_authentication_header_of_old_keepalived_is_named() {
    for line in lines().iter().filter(|line| line.capture.ends_with("ah")) {
        let error = line.expect().decode(&line.datagram()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "authentication type 2 (IP Authentication Header); this router uses 0 (none)"
        );
    }
    // As a raw socket receives it: the header is in between.
    let mut packet = vec![
        0x45, 0, 0, 64, 0, 0, 0, 0, 255, 51, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18,
    ];
    packet.resize(64, 0);
    assert_eq!(
        Datagram::from_ipv4(&packet),
        Err(DecodeError::AuthType {
            found: 2,
            expected: 0
        })
    );
}

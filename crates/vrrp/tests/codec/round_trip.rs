//! Random adverts there and back, and random bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use vrrp::codec::{AcceptForms, AddressList, Advert, ChecksumForm, Datagram, Expect};
use vrrp::{Auth, Family, Interval, Password, Priority, Version, VirtualRouterId};

#[derive(Debug, Clone)]
struct Sent {
    version: Version,
    router: VirtualRouterId,
    priority: Priority,
    interval: Interval,
    addresses: AddressList,
    auth: Auth,
    source: IpAddr,
    destination: IpAddr,
}

impl Sent {
    fn advert(&self) -> Advert<'_> {
        Advert {
            version: self.version,
            router: self.router,
            priority: self.priority,
            interval: self.interval,
            addresses: self.addresses.as_addresses(),
            auth: self.auth,
        }
    }

    fn expect(&self) -> Expect<'static> {
        let mut expect = Expect::new(self.version, Family::of(self.source), self.router);
        expect.interval = self.interval;
        expect.auth = self.auth;
        expect
    }
}

fn link_local() -> impl Strategy<Value = Ipv6Addr> {
    any::<u64>().prop_map(|low| Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(low)))
}

fn addresses(version: Version, family: Family) -> BoxedStrategy<AddressList> {
    match (family, version) {
        (Family::V4, Version::V2) => vec(any::<Ipv4Addr>(), 0..256)
            .prop_map(AddressList::from_iter)
            .boxed(),
        (Family::V4, Version::V3) => vec(any::<Ipv4Addr>(), 1..256)
            .prop_map(AddressList::from_iter)
            .boxed(),
        (Family::V6, _) => (link_local(), vec(any::<Ipv6Addr>(), 0..255))
            .prop_map(|(first, rest)| [vec![first], rest].concat().into_iter().collect())
            .boxed(),
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let kinds = prop_oneof![
        Just((Version::V2, Family::V4)),
        Just((Version::V3, Family::V4)),
        Just((Version::V3, Family::V6)),
    ];
    kinds.prop_flat_map(|(version, family)| {
        let interval = match version {
            Version::V2 => (1..=255_u8)
                .prop_map(|s| Interval::from_seconds(s).unwrap())
                .boxed(),
            Version::V3 => (1..=4095_u16)
                .prop_map(|cs| Interval::from_centiseconds(cs).unwrap())
                .boxed(),
        };
        let auth = match version {
            Version::V2 => prop_oneof![
                Just(Auth::None),
                "[ -~]{1,12}".prop_map(|text| Auth::Password(Password::new(&text).unwrap())),
            ]
            .boxed(),
            Version::V3 => Just(Auth::None).boxed(),
        };
        let ends = match family {
            Family::V4 => any::<[Ipv4Addr; 2]>()
                .prop_map(|ends| ends.map(IpAddr::from))
                .boxed(),
            Family::V6 => any::<[Ipv6Addr; 2]>()
                .prop_map(|ends| ends.map(IpAddr::from))
                .boxed(),
        };
        let parts = (
            1..=255_u8,
            any::<u8>(),
            interval,
            addresses(version, family),
            auth,
            ends,
        );
        parts.prop_map(
            move |(id, priority, interval, addresses, auth, ends)| Sent {
                version,
                router: VirtualRouterId::new(id).unwrap(),
                priority: Priority(priority),
                interval,
                addresses,
                auth,
                source: ends[0],
                destination: ends[1],
            },
        )
    })
}

fn form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![
        Just(ChecksumForm::Message),
        Just(ChecksumForm::PseudoHeader),
        Just(ChecksumForm::MulticastPseudoHeader),
    ]
}

proptest! {
    #[test]
    fn an_advert_comes_back(sent in sent(), form in form()) {
        let bytes = sent.advert().encode(form, sent.source, sent.destination).unwrap();
        prop_assert_eq!(bytes.len(), sent.advert().encoded_len());
        let datagram = Datagram {
            source: sent.source,
            destination: sent.destination,
            hop_limit: 255,
            payload: &bytes,
        };
        let received = sent.expect();
        let received = received.decode(&datagram).unwrap();
        prop_assert_eq!(received.advert, sent.advert());
        prop_assert_eq!(received.source, sent.source);
        let mut only = sent.expect();
        only.checksum = AcceptForms::Only(form);
        let received = only.decode(&datagram).unwrap();
        if sent.version == Version::V3 && sent.addresses.as_addresses().family() == Family::V4 {
            prop_assert_eq!(received.form, form);
        }
    }

    #[test]
    fn one_flipped_bit_is_noticed(sent in sent(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = sent
            .advert()
            .encode(ChecksumForm::PseudoHeader, sent.source, sent.destination)
            .unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let datagram = Datagram {
            source: sent.source,
            destination: sent.destination,
            hop_limit: 255,
            payload: &bytes,
        };
        let mut expect = sent.expect();
        expect.checksum = AcceptForms::Only(ChecksumForm::PseudoHeader);
        prop_assert!(expect.decode(&datagram).is_err());
    }

    #[test]
    fn hostile_bytes_do_not_panic(
        bytes in vec(any::<u8>(), 0..1200),
        sent in sent(),
        hop_limit in any::<u8>(),
        head in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if let (true, [first, id, ..]) = (head, &mut bytes[..]) {
            *first = sent.version.number() << 4 | 1;
            *id = sent.router.get();
        }
        let _ = Datagram::from_ipv4(&bytes);
        let datagram = Datagram {
            source: sent.source,
            destination: sent.destination,
            hop_limit,
            payload: &bytes,
        };
        let mut expect = sent.expect();
        expect.least_hop_limit = 0;
        if let Err(error) = expect.decode(&datagram) {
            prop_assert!(!error.to_string().is_empty());
        }
        let mut buffer = vec![0; bytes.len()];
        let _ = sent.advert().encode_into(
            ChecksumForm::Message,
            sent.source,
            sent.destination,
            &mut buffer,
        );
    }
}

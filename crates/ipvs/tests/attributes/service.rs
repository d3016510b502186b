//! `IPVS_SVC_ATTR_*`.

use ipvs::wire::decode_service;
use ipvs::{
    DecodeError, Family, Fwmark, Netmask, Operation, Protocol, Service, ServiceFlags, ServiceKey,
};

use crate::bytes::{hex, nest, value, with, without};
use crate::captured::{
    ADD_FWMARK6, ADD_SIP, ADD_V6, SERVICE_COUNTED, SERVICE_FWMARK6, SERVICE_SIP, SERVICE_V6,
};

const AF: u16 = 1;
const PROTOCOL: u16 = 2;
const ADDR: u16 = 3;
const PORT: u16 = 4;
const FWMARK: u16 = 5;
const SCHED_NAME: u16 = 6;
const FLAGS: u16 = 7;
const TIMEOUT: u16 = 8;
const NETMASK: u16 = 9;
const STATS: u16 = 10;
const PE_NAME: u16 = 11;
const STATS64: u16 = 12;

/// `IPVS_CMD_ATTR_SERVICE`.
const NEST: u16 = 1;

fn sip() -> Service {
    Service::new(
        ServiceKey::udp([192, 0, 2, 10], 5060),
        "sh".parse().unwrap(),
    )
    .persistent(300)
    .with_flags(ServiceFlags::ONE_PACKET | ServiceFlags::SH_FALLBACK | ServiceFlags::SH_PORT)
    .engine("sip".parse().unwrap())
}

fn v6() -> Service {
    let address = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10];
    Service::new(ServiceKey::tcp(address, 443), Service::RR)
        .persistent(60)
        .netmask(Netmask::V6(64))
}

fn fwmark6() -> Service {
    let mark = Fwmark::new(8).unwrap();
    Service::new(ServiceKey::fwmark(Family::V6, mark), Service::RR)
}

fn encoded(service: Service) -> Vec<u8> {
    nest(Operation::AddService(service), NEST)
}

#[track_caller]
fn decoded(nest: &[u8]) -> Service {
    decode_service(nest).unwrap().service
}

#[track_caller]
fn refused(nest: &[u8]) -> DecodeError {
    decode_service(nest).unwrap_err()
}

/// Tries too few bytes for the attribute, none, and more than it needs.
#[track_caller]
fn short_is_an_error_and_long_is_not(nest: &str, kind: u16, enough: usize) {
    let nest = hex(nest);
    let whole = hex(&value(&nest, kind));
    for length in 0..enough {
        let error = refused(&with(&nest, kind, &whole[..length]));
        assert!(
            matches!(error, DecodeError::Short { needed, .. } if needed == enough),
            "{length} bytes: {error}"
        );
    }
    let longer = [whole, vec![0xaa; 5]].concat();
    assert_eq!(decoded(&with(&nest, kind, &longer)), decoded(&nest));
}

#[test]
fn whole_services_as_the_kernel_writes_them() {
    assert_eq!(decoded(&hex(SERVICE_SIP)), sip());
    assert_eq!(decoded(&hex(SERVICE_V6)), v6());
    assert_eq!(decoded(&hex(SERVICE_FWMARK6)), fwmark6());
}

#[test]
fn whole_services_as_ipvsadm_writes_them() {
    // ipvsadm's mask covers all flags; this library's mask leaves out the kernel's own bit.
    let ipvsadm = |request| {
        let request = hex(request);
        let flags = hex(&value(&request, FLAGS));
        with(
            &request,
            FLAGS,
            &[&flags[..4], &hex("fd ff ff ff")].concat(),
        )
    };
    assert_eq!(encoded(sip()), ipvsadm(ADD_SIP));
    assert_eq!(encoded(v6()), ipvsadm(ADD_V6));
    assert_eq!(encoded(fwmark6()), ipvsadm(ADD_FWMARK6));
}

#[test]
fn address_family() {
    assert_eq!(value(&encoded(sip()), AF), "02 00");
    assert_eq!(value(&encoded(v6()), AF), "0a 00");
    assert_eq!(value(&hex(SERVICE_SIP), AF), "02 00");
    assert_eq!(value(&hex(SERVICE_V6), AF), "0a 00");
    short_is_an_error_and_long_is_not(SERVICE_SIP, AF, 2);
    let error = refused(&without(&hex(SERVICE_SIP), AF));
    assert!(matches!(error, DecodeError::Missing { .. }), "{error}");
    let unix = refused(&with(&hex(SERVICE_SIP), AF, &[1, 0]));
    assert!(
        matches!(unix, DecodeError::Value { value: 1, .. }),
        "{unix}"
    );
}

#[test]
fn protocol() {
    for (protocol, bytes) in [
        (Protocol::Tcp, "06 00"),
        (Protocol::Udp, "11 00"),
        // `ipvsadm -A --sctp-service 192.0.2.10:9 -s rr`
        (Protocol::Sctp, "84 00"),
    ] {
        let key = ServiceKey::Address {
            protocol,
            address: [192, 0, 2, 10].into(),
            port: 5060,
        };
        assert_eq!(
            value(&encoded(Service::new(key, Service::RR)), PROTOCOL),
            bytes
        );
        let nest = with(&hex(SERVICE_SIP), PROTOCOL, &hex(bytes));
        assert_eq!(decoded(&nest).key, key);
    }
    short_is_an_error_and_long_is_not(SERVICE_SIP, PROTOCOL, 2);
    let missing = refused(&without(&hex(SERVICE_SIP), PROTOCOL));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    let icmp = refused(&with(&hex(SERVICE_SIP), PROTOCOL, &[1, 0]));
    assert!(
        matches!(icmp, DecodeError::Value { value: 1, .. }),
        "{icmp}"
    );
}

#[test]
fn address() {
    let v4 = "c0 00 02 0a 00 00 00 00 00 00 00 00 00 00 00 00";
    assert_eq!(value(&encoded(sip()), ADDR), v4);
    assert_eq!(value(&hex(SERVICE_SIP), ADDR), v4);
    let bytes = "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 10";
    assert_eq!(value(&encoded(v6()), ADDR), bytes);
    assert_eq!(value(&hex(SERVICE_V6), ADDR), bytes);
    short_is_an_error_and_long_is_not(SERVICE_SIP, ADDR, 4);
    // `nla_memcpy` pads with zeros, and so does the decoder.
    let four = with(&hex(SERVICE_SIP), ADDR, &[192, 0, 2, 10]);
    assert_eq!(decoded(&four), sip());
    let missing = refused(&without(&hex(SERVICE_SIP), ADDR));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
}

#[test]
fn port_is_big_endian() {
    assert_eq!(value(&encoded(sip()), PORT), "13 c4");
    assert_eq!(value(&hex(SERVICE_SIP), PORT), "13 c4");
    assert_eq!(value(&encoded(v6()), PORT), "01 bb");
    short_is_an_error_and_long_is_not(SERVICE_SIP, PORT, 2);
    let missing = refused(&without(&hex(SERVICE_SIP), PORT));
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
}

#[test]
fn fwmark() {
    assert_eq!(value(&encoded(fwmark6()), FWMARK), "08 00 00 00");
    assert_eq!(value(&hex(SERVICE_FWMARK6), FWMARK), "08 00 00 00");
    short_is_an_error_and_long_is_not(SERVICE_FWMARK6, FWMARK, 4);
    let large = with(&hex(SERVICE_FWMARK6), FWMARK, &u32::MAX.to_le_bytes());
    let key = ServiceKey::fwmark(Family::V6, Fwmark::new(u32::MAX).unwrap());
    assert_eq!(decoded(&large).key, key);
    // Mark 0 is no mark, so the service needs an address.
    let zero = refused(&with(&hex(SERVICE_FWMARK6), FWMARK, &[0; 4]));
    assert!(matches!(zero, DecodeError::Missing { .. }), "{zero}");
}

#[test]
fn scheduler_name() {
    assert_eq!(value(&encoded(sip()), SCHED_NAME), "73 68 00");
    assert_eq!(value(&hex(SERVICE_SIP), SCHED_NAME), "73 68 00");
    let with_name = |name: &[u8]| decode_service(&with(&hex(SERVICE_SIP), SCHED_NAME, name));
    let scheduler = |name: &[u8]| with_name(name).unwrap().service.scheduler;
    assert!(scheduler(b"wlc\0") == "wlc");
    assert!(scheduler(b"wlc") == "wlc", "without its NUL");
    assert!(scheduler(b"wlc\0rest") == "wlc", "with bytes behind it");
    assert!(scheduler(b"a name of 16 b..\0") == "a name of 16 b..");
    assert!(matches!(
        with_name(b"a name of 17 b...\0"),
        Err(DecodeError::Malformed { .. })
    ));
    assert_eq!(scheduler(b"\0"), Service::NO_SCHEDULER);
    assert_eq!(scheduler(b""), Service::NO_SCHEDULER);
    let missing = decoded(&without(&hex(SERVICE_SIP), SCHED_NAME));
    assert_eq!(missing.scheduler, Service::NO_SCHEDULER);
}

#[test]
fn flags_are_sent_with_a_mask_and_read_without_the_kernels_own_bit() {
    assert_eq!(value(&encoded(sip()), FLAGS), "1d 00 00 00 fd ff ff ff");
    assert_eq!(value(&encoded(fwmark6()), FLAGS), "00 00 00 00 fd ff ff ff");
    assert_eq!(value(&hex(SERVICE_SIP), FLAGS), "1f 00 00 00 ff ff ff ff");
    assert_eq!(decoded(&hex(SERVICE_SIP)).flags.bits(), 0x1d);
    short_is_an_error_and_long_is_not(SERVICE_SIP, FLAGS, 4);
    let maskless = with(&hex(SERVICE_SIP), FLAGS, &hex("1f 00 00 00"));
    assert_eq!(decoded(&maskless), sip());
    let missing = decoded(&without(&hex(SERVICE_SIP), FLAGS));
    assert_eq!(missing.flags, ServiceFlags::empty());
    let unknown = with(&hex(SERVICE_SIP), FLAGS, &hex("02 00 00 80 ff ff ff ff"));
    assert_eq!(decoded(&unknown).flags.bits(), 0x8000_0000);
}

#[test]
fn flags_one_by_one() {
    for (flag, bytes) in [
        (ServiceFlags::PERSISTENT, "01 00 00 00"),
        (ServiceFlags::ONE_PACKET, "04 00 00 00"),
        (ServiceFlags::SCHED_1, "08 00 00 00"),
        (ServiceFlags::SCHED_2, "10 00 00 00"),
        (ServiceFlags::SCHED_3, "20 00 00 00"),
        (ServiceFlags::SH_FALLBACK, "08 00 00 00"),
        (ServiceFlags::SH_PORT, "10 00 00 00"),
        (ServiceFlags::MH_FALLBACK, "08 00 00 00"),
        (ServiceFlags::MH_PORT, "10 00 00 00"),
    ] {
        let service = fwmark6().with_flags(flag);
        let value = value(&encoded(service), FLAGS);
        assert_eq!(value, format!("{bytes} fd ff ff ff"), "{flag:?}");
        assert_eq!(decoded(&encoded(service)).flags, flag);
    }
}

#[test]
fn persistence_time() {
    assert_eq!(value(&encoded(sip()), TIMEOUT), "2c 01 00 00");
    assert_eq!(value(&hex(SERVICE_SIP), TIMEOUT), "2c 01 00 00");
    short_is_an_error_and_long_is_not(SERVICE_SIP, TIMEOUT, 4);
    assert_eq!(decoded(&without(&hex(SERVICE_SIP), TIMEOUT)).timeout, 0);
}

#[test]
fn the_netmask_is_a_mask_for_ipv4_and_a_length_for_ipv6() {
    // `ipvsadm -A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0`
    let narrow = Service::new(ServiceKey::tcp([192, 0, 2, 10], 80), Service::WLC)
        .netmask(Netmask::V4([255, 255, 255, 0].into()));
    assert_eq!(value(&encoded(narrow), NETMASK), "ff ff ff 00");
    assert_eq!(value(&encoded(sip()), NETMASK), "ff ff ff ff");
    assert_eq!(value(&encoded(v6()), NETMASK), "40 00 00 00");
    assert_eq!(value(&encoded(fwmark6()), NETMASK), "80 00 00 00");
    assert_eq!(value(&hex(SERVICE_V6), NETMASK), "40 00 00 00");
    short_is_an_error_and_long_is_not(SERVICE_V6, NETMASK, 4);
    let odd = with(&hex(SERVICE_SIP), NETMASK, &[255, 0, 255, 1]);
    assert_eq!(
        decoded(&odd).netmask,
        Netmask::V4([255, 0, 255, 1].into()),
        "not contiguous"
    );
    let missing = decoded(&without(&hex(SERVICE_V6), NETMASK));
    assert_eq!(missing.netmask, Netmask::V6(128));
}

#[test]
fn persistence_engine() {
    assert_eq!(value(&encoded(sip()), PE_NAME), "73 69 70 00");
    assert_eq!(value(&hex(SERVICE_SIP), PE_NAME), "73 69 70 00");
    let none = encoded(v6());
    assert_eq!(without(&none, PE_NAME), none, "left out when there is none");
    assert_eq!(decoded(&without(&hex(SERVICE_SIP), PE_NAME)).engine, None);
    let empty = with(&hex(SERVICE_SIP), PE_NAME, &[0]);
    assert_eq!(decoded(&empty).engine, None);
}

#[test]
fn statistics_of_64_bits_come_first_and_those_of_32_will_do() {
    let counted = hex(SERVICE_COUNTED);
    let wide = decode_service(&counted).unwrap().stats;
    assert_eq!(wide.total.packets_in, 25);
    assert_eq!(wide.rate.bytes_in, 141);
    // A kernel before 4.1.
    let narrow = decode_service(&without(&counted, STATS64)).unwrap().stats;
    assert_eq!(narrow, wide);
    let only_wide = decode_service(&without(&counted, STATS)).unwrap().stats;
    assert_eq!(only_wide, wide);
    let neither = without(&without(&counted, STATS), STATS64);
    assert_eq!(
        decode_service(&neither).unwrap().stats,
        ipvs::Stats::default()
    );
    // In either order.
    let reversed: Vec<u8> = crate::bytes::split(&counted)
        .iter()
        .rev()
        .flat_map(|(kind, value)| crate::bytes::attribute(*kind, value))
        .collect();
    assert_eq!(decode_service(&reversed), decode_service(&counted));
}

#[test]
fn unknown_attributes_are_passed_over() {
    for kind in [0, 13, 14, 99, 0x3fff] {
        let nest = with(&hex(SERVICE_SIP), kind, &[1, 2, 3, 4, 5]);
        assert_eq!(decoded(&nest), sip(), "kind {kind}");
        assert_eq!(decoded(&with(&nest, kind, &[])), sip(), "kind {kind}");
    }
}

#[test]
fn an_empty_nest_is_no_service() {
    assert!(matches!(refused(&[]), DecodeError::Missing { .. }));
}

#[test]
fn a_nest_that_ends_anywhere_is_an_error_or_a_shorter_service() {
    let nest = hex(SERVICE_COUNTED);
    for length in 0..nest.len() {
        if let Ok(entry) = decode_service(&nest[..length]) {
            assert_eq!(entry.service.key, ServiceKey::tcp([10, 0, 0, 1], 80));
        }
    }
}

#[test]
fn only_the_key_names_a_service() {
    for (operation, kinds) in [
        (Operation::DeleteService(sip().key), vec![1, 2, 3, 4]),
        (Operation::ZeroService(sip().key), vec![1, 2, 3, 4]),
        (Operation::DeleteService(fwmark6().key), vec![1, 5]),
    ] {
        let nest = nest(operation, NEST);
        let found: Vec<u16> = crate::bytes::split(&nest)
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(found, kinds, "{operation}");
    }
}

//! The attributes without a nest: `IPVS_CMD_ATTR_TIMEOUT_*` and `IPVS_INFO_ATTR_*`.

use ipvs::wire::{decode_info, decode_timeouts};
use ipvs::{DecodeError, Info, Operation, Timeouts, Version};

use crate::bytes::{hex, request, value, with, without};
use crate::captured::{INFO, SET_TIMEOUTS, TIMEOUTS};

const TIMEOUT_TCP: u16 = 4;
const TIMEOUT_TCP_FIN: u16 = 5;
const TIMEOUT_UDP: u16 = 6;
const VERSION: u16 = 1;
const CONN_TAB_SIZE: u16 = 2;

const LIMITS: Timeouts = Timeouts {
    tcp: 900,
    tcp_fin: 120,
    udp: 300,
};

#[test]
fn time_limits() {
    let ours = request(Operation::SetTimeouts(LIMITS));
    assert_eq!(ours, hex(SET_TIMEOUTS), "as ipvsadm writes them");
    for (kind, bytes) in [
        (TIMEOUT_TCP, "84 03 00 00"),
        (TIMEOUT_TCP_FIN, "78 00 00 00"),
        (TIMEOUT_UDP, "2c 01 00 00"),
    ] {
        assert_eq!(value(&ours, kind), bytes);
        assert_eq!(value(&hex(TIMEOUTS), kind), bytes);
        for length in 0..4 {
            let short = with(&hex(TIMEOUTS), kind, &[1, 2, 3][..length.min(3)]);
            let error = decode_timeouts(&short).unwrap_err();
            assert!(matches!(error, DecodeError::Short { .. }), "{error}");
        }
        let long = [hex(bytes), vec![9; 8]].concat();
        assert_eq!(
            decode_timeouts(&with(&hex(TIMEOUTS), kind, &long)),
            Ok(LIMITS)
        );
    }
    assert_eq!(decode_timeouts(&hex(TIMEOUTS)), Ok(LIMITS));
}

#[test]
fn a_kernel_without_udp_says_nothing_of_it() {
    let limits = decode_timeouts(&without(&hex(TIMEOUTS), TIMEOUT_UDP));
    assert_eq!(limits, Ok(Timeouts { udp: 0, ..LIMITS }));
    assert_eq!(decode_timeouts(&[]), Ok(Timeouts::default()));
}

#[test]
fn information() {
    let expected = Info {
        version: Version {
            major: 1,
            minor: 2,
            patch: 1,
        },
        connection_table_size: 4096,
    };
    assert_eq!(value(&hex(INFO), VERSION), "01 02 01 00");
    assert_eq!(value(&hex(INFO), CONN_TAB_SIZE), "00 10 00 00");
    assert_eq!(decode_info(&hex(INFO)), Ok(expected));
    assert_eq!(expected.version.to_string(), "1.2.1");
    assert_eq!(
        Version::from_code(expected.version.code()),
        expected.version
    );
    for kind in [VERSION, CONN_TAB_SIZE] {
        let missing = decode_info(&without(&hex(INFO), kind)).unwrap_err();
        assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
        let short = decode_info(&with(&hex(INFO), kind, &[1, 2])).unwrap_err();
        assert!(matches!(short, DecodeError::Short { .. }), "{short}");
    }
    assert!(decode_info(&[]).is_err());
}

#[test]
fn unknown_attributes_are_passed_over() {
    for kind in [0, 3, 7, 99] {
        let info = with(&hex(INFO), kind, &[1, 2, 3]);
        assert_eq!(decode_info(&info), decode_info(&hex(INFO)));
        let limits = with(&hex(TIMEOUTS), kind, &[1, 2, 3]);
        assert_eq!(decode_timeouts(&limits), Ok(LIMITS));
    }
}

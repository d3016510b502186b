//! `CTRL_ATTR_FAMILY_*`: how to find the family's number.

use ipvs::wire::{Encoder, decode_family};
use ipvs::{DecodeError, Query};

use crate::bytes::{attribute, hex, show, with, without};
use crate::captured::FAMILY;

const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

#[test]
fn the_question() {
    let mut encoder = Encoder::new(0);
    encoder.query(&Query::Family, 0x0102_0304);
    // The query of `ipvsadm -Z`, which also sets NLM_F_ACK and uses version 1 of the controller.
    let expected = "20 00 00 00 10 00 01 00 04 03 02 01 00 00 00 00 \
                    03 02 00 00 09 00 02 00 49 50 56 53 00 00 00 00";
    assert_eq!(show(encoder.as_bytes()), expected);
}

#[test]
fn the_answer() {
    assert_eq!(decode_family(&hex(FAMILY)), Ok(0x1c));
    let other = with(&hex(FAMILY), FAMILY_ID, &[0x34, 0x12]);
    assert_eq!(decode_family(&other), Ok(0x1234));
    let alone = attribute(FAMILY_ID, &[0x1c, 0]);
    assert_eq!(decode_family(&alone), Ok(0x1c), "without a name");
    let long = with(&hex(FAMILY), FAMILY_ID, &[0x1c, 0, 9, 9]);
    assert_eq!(decode_family(&long), Ok(0x1c));
    let nameless = without(&hex(FAMILY), FAMILY_NAME);
    assert_eq!(decode_family(&nameless), Ok(0x1c));
}

#[test]
fn an_answer_that_is_none() {
    let missing = decode_family(&without(&hex(FAMILY), FAMILY_ID)).unwrap_err();
    assert!(matches!(missing, DecodeError::Missing { .. }), "{missing}");
    let short = decode_family(&with(&hex(FAMILY), FAMILY_ID, &[0x1c])).unwrap_err();
    assert!(matches!(short, DecodeError::Short { .. }), "{short}");
    // Netlink's own messages are below 16: the kernel would refuse or ignore requests of such a
    // type.
    for reserved in 0..16 {
        let error = decode_family(&with(&hex(FAMILY), FAMILY_ID, &[reserved, 0])).unwrap_err();
        assert!(matches!(error, DecodeError::Value { .. }), "{error}");
    }
    assert!(decode_family(&[]).is_err());
}

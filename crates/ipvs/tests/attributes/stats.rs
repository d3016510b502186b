//! `IPVS_STATS_ATTR_*`, in the 64-bit nest and in the 32-bit one.

use ipvs::wire::decode_service;
use ipvs::{DecodeError, Rates, Stats, Totals};

use crate::bytes::{attribute, hex, split, value, with, without};
use crate::captured::{SERVER_COUNTED, SERVICE_COUNTED};

const STATS: u16 = 10;
const STATS64: u16 = 12;
const PAD: u16 = 11;

/// The counters after six connections (`captured.rs`), as `ipvsadm -Ln --stats --exact` and
/// `ipvsadm -Ln --rate` showed them.
const COUNTED: Stats = Stats {
    total: Totals {
        connections: 6,
        packets_in: 25,
        packets_out: 24,
        bytes_in: 1348,
        bytes_out: 1314,
    },
    rate: Rates {
        connections: 1,
        packets_in: 3,
        packets_out: 2,
        bytes_in: 141,
        bytes_out: 137,
    },
};

/// The ten numbers in attribute order.
fn numbers(stats: Stats) -> [u64; 10] {
    let Stats { total, rate } = stats;
    [
        total.connections,
        total.packets_in,
        total.packets_out,
        total.bytes_in,
        total.bytes_out,
        rate.connections,
        rate.packets_in,
        rate.packets_out,
        rate.bytes_in,
        rate.bytes_out,
    ]
}

/// Decodes a statistics nest as the only one of a service.
fn decode(kind: u16, nest: &[u8]) -> Result<Stats, DecodeError> {
    let service = without(&without(&hex(SERVICE_COUNTED), STATS), STATS64);
    decode_service(&with(&service, kind, nest)).map(|entry| entry.stats)
}

fn captured(kind: u16) -> Vec<u8> {
    hex(&value(&hex(SERVICE_COUNTED), kind))
}

#[test]
fn both_nests_as_the_kernel_writes_them() {
    assert_eq!(decode(STATS64, &captured(STATS64)), Ok(COUNTED));
    assert_eq!(decode(STATS, &captured(STATS)), Ok(COUNTED));
    for kind in [STATS, STATS64] {
        let nest = hex(&value(&hex(SERVER_COUNTED), kind));
        assert_eq!(decode(kind, &nest), Ok(COUNTED), "a server's");
    }
}

#[test]
fn each_64_bit_attribute() {
    let nest = captured(STATS64);
    let mut expected = numbers(COUNTED);
    let mut changed = nest;
    for (index, kind) in (1..=10).enumerate() {
        let bytes: Vec<u8> = expected[index].to_le_bytes().into();
        assert_eq!(hex(&value(&changed, kind)), bytes, "attribute {kind}");
        expected[index] = u64::MAX - u64::from(kind);
        changed = with(&changed, kind, &expected[index].to_le_bytes());
        assert_eq!(numbers(decode(STATS64, &changed).unwrap()), expected);
    }
}

#[test]
fn each_32_bit_attribute() {
    let nest = captured(STATS);
    let mut expected = numbers(COUNTED);
    let mut changed = nest;
    for (index, kind) in (1u16..=10).enumerate() {
        // The byte totals have 64 bits in both nests.
        let large = if matches!(kind, 4 | 5) {
            u64::MAX - u64::from(kind)
        } else {
            u64::from(u32::MAX) - u64::from(kind)
        };
        let width = if matches!(kind, 4 | 5) { 8 } else { 4 };
        let bytes = &expected[index].to_le_bytes()[..width];
        assert_eq!(hex(&value(&changed, kind)), bytes, "attribute {kind}");
        expected[index] = large;
        changed = with(&changed, kind, &large.to_le_bytes()[..width]);
        assert_eq!(numbers(decode(STATS, &changed).unwrap()), expected);
    }
}

#[test]
fn short_numbers_are_errors_and_long_ones_are_not() {
    for (nest, wide) in [(STATS64, true), (STATS, false)] {
        for kind in 1..=10 {
            let enough = if wide || matches!(kind, 4 | 5) { 8 } else { 4 };
            let whole = hex(&value(&captured(nest), kind));
            assert_eq!(whole.len(), enough);
            let short = with(&captured(nest), kind, &whole[..enough - 1]);
            assert!(
                matches!(decode(nest, &short), Err(DecodeError::Short { needed, .. }) if needed == enough)
            );
            let long = with(&captured(nest), kind, &[whole, vec![7; 4]].concat());
            assert_eq!(decode(nest, &long), Ok(COUNTED));
        }
    }
}

#[test]
fn padding_is_passed_over_wherever_it_stands() {
    let unpadded = without(&captured(STATS64), PAD);
    assert_eq!(decode(STATS64, &unpadded), Ok(COUNTED));
    let padded: Vec<u8> = split(&unpadded)
        .iter()
        .flat_map(|(kind, value)| {
            [
                attribute(PAD, &[]),
                attribute(*kind, value),
                attribute(PAD, &[0; 4]),
            ]
            .concat()
        })
        .collect();
    assert_eq!(decode(STATS64, &padded), Ok(COUNTED));
    assert_eq!(decode(STATS, &without(&captured(STATS), PAD)), Ok(COUNTED));
}

#[test]
fn unknown_attributes_are_passed_over_and_missing_ones_are_zero() {
    for nest in [STATS, STATS64] {
        for kind in [0, 12, 99] {
            let strange = with(&captured(nest), kind, &[1, 2, 3]);
            assert_eq!(decode(nest, &strange), Ok(COUNTED), "kind {kind}");
        }
        assert_eq!(decode(nest, &[]), Ok(Stats::default()), "an empty nest");
        for (index, kind) in (1..=10).enumerate() {
            let mut expected = numbers(COUNTED);
            expected[index] = 0;
            let stats = decode(nest, &without(&captured(nest), kind)).unwrap();
            assert_eq!(numbers(stats), expected, "without {kind}");
        }
    }
}

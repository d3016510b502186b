//! `IPVS_STATS_ATTR_*`, in the 64-bit nest and in the 32-bit one, the only one of older kernels.

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, Raw, attributes};
use crate::model::{Rates, Stats, Totals};

/// The width of the numbers in a statistics nest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// `IPVS_*_ATTR_STATS64`: everything is 64 bits wide.
    Wide,
    /// `IPVS_*_ATTR_STATS`: 32 bits, except for the two byte totals, which always had 64.
    Narrow,
}

/// The two nests of an object. Kernels since 4.1 send both; the narrow one then adds nothing and is
/// ignored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Nests<'a> {
    narrow: Option<&'a [u8]>,
    wide: Option<&'a [u8]>,
}

impl<'a> Nests<'a> {
    /// Keeps the attribute for [`Nests::decode`] if it is of one of these types; returns whether it
    /// is.
    pub(super) fn take(&mut self, raw: &Raw<'a>, narrow: u16, wide: u16) -> bool {
        let place = match raw.kind {
            kind if kind == narrow => &mut self.narrow,
            kind if kind == wide => &mut self.wide,
            _ => return false,
        };
        *place = Some(raw.value);
        true
    }

    pub(super) fn decode(self) -> Result<Stats, DecodeError> {
        match (self.wide, self.narrow) {
            (Some(nest), _) => decode(nest, Width::Wide),
            (None, Some(nest)) => decode(nest, Width::Narrow),
            (None, None) => Ok(Stats::default()),
        }
    }
}

/// The numbers of [`Stats`] in the order of their attribute numbers, 1 to 10.
type Numbers = [u64; 10];

fn numbers(stats: &Stats) -> Numbers {
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

fn stats(numbers: Numbers) -> Stats {
    let [
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
        rates @ ..,
    ] = numbers;
    let total = Totals {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    };
    let [connections, packets_in, packets_out, bytes_in, bytes_out] = rates;
    let rate = Rates {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    };
    Stats { total, rate }
}

/// `IPVS_STATS_ATTR_INBYTES` and `IPVS_STATS_ATTR_OUTBYTES`.
const BYTE_TOTALS: [u16; 2] = [4, 5];

fn is_wide(kind: u16, width: Width) -> bool {
    width == Width::Wide || BYTE_TOTALS.contains(&kind)
}

pub(super) fn decode(bytes: &[u8], width: Width) -> Result<Stats, DecodeError> {
    let mut numbers = Numbers::default();
    for raw in attributes(bytes, "a statistics nest") {
        let raw = raw?;
        // Types above 10 are IPVS_STATS_ATTR_PAD and possible additions of later kernels.
        let place = usize::from(raw.kind).wrapping_sub(1);
        let Some(number) = numbers.get_mut(place) else {
            continue;
        };
        *number = if is_wide(raw.kind, width) {
            attribute::u64(raw.value, "a 64-bit counter")?
        } else {
            attribute::u32(raw.value, "a 32-bit counter")?.into()
        };
    }
    Ok(stats(numbers))
}

/// One number of a statistics nest, for encoding.
pub(super) struct Counter {
    kind: u16,
    value: u64,
    wide: bool,
}

/// The attributes of a statistics nest. The narrow nest truncates numbers to 32 bits, as the kernel
/// does (`ip_vs_export_stats_user`).
pub(super) fn counters(stats: Stats, width: Width) -> Vec<Counter> {
    (1..)
        .zip(numbers(&stats))
        .map(|(kind, value)| Counter {
            kind,
            value,
            wide: is_wide(kind, width),
        })
        .collect()
}

impl Nla for Counter {
    fn value_len(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    fn kind(&self) -> u16 {
        self.kind
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        if self.wide {
            buffer.copy_from_slice(&self.value.to_ne_bytes());
        } else {
            let low = self.value & u64::from(u32::MAX);
            let low = u32::try_from(low).unwrap_or(u32::MAX);
            buffer.copy_from_slice(&low.to_ne_bytes());
        }
    }
}

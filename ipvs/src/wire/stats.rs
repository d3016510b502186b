//! `IPVS_STATS_ATTR_*`, in the 64-bit nest and in the 32-bit one that older kernels send alone.

use netlink_packet_core::Nla;

use super::DecodeError;
use super::attribute::{self, attributes};
use crate::model::Stats;

/// How wide the numbers of a statistics nest are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// `IPVS_*_ATTR_STATS64`: everything is 64 bits wide.
    Wide,
    /// `IPVS_*_ATTR_STATS`: 32 bits, but for the two byte totals, which always had 64.
    Narrow,
}

/// The fields of [`Stats`] in the order of their attribute numbers, 1 to 10.
fn fields(stats: &mut Stats) -> [&mut u64; 10] {
    let Stats { total, rate } = stats;
    [
        &mut total.connections,
        &mut total.packets_in,
        &mut total.packets_out,
        &mut total.bytes_in,
        &mut total.bytes_out,
        &mut rate.connections,
        &mut rate.packets_in,
        &mut rate.packets_out,
        &mut rate.bytes_in,
        &mut rate.bytes_out,
    ]
}

/// `IPVS_STATS_ATTR_INBYTES` and `IPVS_STATS_ATTR_OUTBYTES`.
const BYTE_TOTALS: [u16; 2] = [4, 5];

fn is_wide(kind: u16, width: Width) -> bool {
    width == Width::Wide || BYTE_TOTALS.contains(&kind)
}

pub(super) fn decode(bytes: &[u8], width: Width) -> Result<Stats, DecodeError> {
    let mut stats = Stats::default();
    for raw in attributes(bytes, "a statistics nest") {
        let raw = raw?;
        // Kinds past the tenth are IPVS_STATS_ATTR_PAD, and what later kernels may add.
        let Some(index) = raw
            .kind
            .checked_sub(1)
            .map(usize::from)
            .filter(|index| *index < 10)
        else {
            continue;
        };
        *fields(&mut stats)[index] = if is_wide(raw.kind, width) {
            attribute::u64(raw.value, "a 64-bit counter")?
        } else {
            attribute::u32(raw.value, "a 32-bit counter")?.into()
        };
    }
    Ok(stats)
}

/// One number of a statistics nest, for encoding.
pub(super) struct Counter {
    kind: u16,
    value: u64,
    wide: bool,
}

/// The attributes of a statistics nest. Numbers that do not fit 32 bits are cut to them in the
/// narrow nest, as the kernel does (`ip_vs_export_stats_user`).
pub(super) fn counters(mut stats: Stats, width: Width) -> Vec<Counter> {
    (1..)
        .zip(fields(&mut stats))
        .map(|(kind, value)| Counter {
            kind,
            value: *value,
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

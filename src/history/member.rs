//! Records as gzip members (RFC 1952), one behind the other, so that `zcat` shows a file.
//!
//! ```text
//!   1f 8b 08 04  time, seconds, u32  00 ff  18, u16          the header of gzip
//!   'D' 'H'  14, u16  length of the member, u32  time, milliseconds, 6 bytes  CRC-32 of both, u32
//!   deflated lines  CRC-32 of the lines, u32  their length, u32
//! ```
//!
//! Numbers are little-endian. The extra field allows skipping a member without inflating it, and
//! finding the next one behind damage.

use std::io::{self, Read, Write};

use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// The bytes before the deflated lines.
const HEAD: usize = 30;
/// The bytes behind them.
const TAIL: usize = 8;
/// The longest text of a member: a damaged length must not claim the memory.
const MOST: usize = 64 << 20;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'b> {
    /// A member with its time in milliseconds.
    Member(u64, Packed<'b>),
    /// So many bytes that are no member; others follow.
    Damaged(usize),
    /// So many bytes at the end: a member that was not written to its end.
    Torn(usize),
}

/// The bytes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed<'b>(&'b [u8]);

/// Packs lines into a member.
pub(super) fn pack(at: u64, lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0x1f, 0x8b, 8, 4];
    let seconds = u32::try_from(at / 1000).unwrap_or(0);
    bytes.extend(seconds.to_le_bytes());
    bytes.extend([0, 255, 18, 0, b'D', b'H', 14, 0]);
    let extra = bytes.len();
    bytes.resize(HEAD, 0);
    let mut encoder = DeflateEncoder::new(bytes, Compression::default());
    encoder.write_all(lines)?;
    let mut bytes = encoder.finish()?;
    bytes.extend(crc(lines).to_le_bytes());
    let length = u32::try_from(lines.len()).map_err(io::Error::other)?;
    bytes.extend(length.to_le_bytes());
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    bytes[extra..extra + 4].copy_from_slice(&length.to_le_bytes());
    bytes[extra + 4..extra + 10].copy_from_slice(&at.to_le_bytes()[..6]);
    let check = crc(&bytes[extra..extra + 10]);
    bytes[extra + 10..extra + 14].copy_from_slice(&check.to_le_bytes());
    Ok(bytes)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The time and length of the member at the start of these bytes.
fn header(bytes: &[u8]) -> Option<(u64, usize)> {
    let head = bytes.get(..HEAD)?;
    let is_ours = head[..4] == [0x1f, 0x8b, 8, 4] && head[10..16] == [18, 0, b'D', b'H', 14, 0];
    if !is_ours || u64::from(crc(&head[16..26])) != number(&head[26..]) {
        return None;
    }
    let length = usize::try_from(number(&head[16..20])).ok()?;
    (length >= HEAD + TAIL).then_some((number(&head[20..26]), length))
}

/// The time of the member at the start of these bytes, of which the first 64 are enough.
pub(super) fn starts(bytes: &[u8]) -> Option<u64> {
    header(bytes).map(|(at, _)| at)
}

/// The parts of a file, in order.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = header(rest);
        if let Some((at, length)) = found
            && let Some((member, after)) = rest.split_at_checked(length)
        {
            rest = after;
            return Some(Part::Member(at, Packed(member)));
        }
        let next = (1..rest.len()).find(|from| header(&rest[*from..]).is_some());
        let (bad, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        // Only the start of a member can be torn.
        let begins = bad.len() < HEAD && [0x1f, 0x8b, 8, 4].starts_with(&bad[..bad.len().min(4)]);
        Some(match next {
            None if found.is_some() || begins => Part::Torn(bad.len()),
            _ => Part::Damaged(bad.len()),
        })
    })
}

impl Packed<'_> {
    /// The number of bytes in the file.
    pub(super) const fn length(self) -> usize {
        self.0.len()
    }

    /// The lines; `None` if they are damaged.
    pub(super) fn unpack(self) -> Option<Vec<u8>> {
        let (body, tail) = self.0[HEAD..].split_at(self.0.len() - HEAD - TAIL);
        let length = usize::try_from(number(&tail[4..])).ok()?;
        if length > MOST {
            return None;
        }
        let mut lines = Vec::with_capacity(length);
        let most = u64::try_from(length).ok()?.saturating_add(1);
        let read = DeflateDecoder::new(body).take(most).read_to_end(&mut lines);
        let is_whole = read.is_ok() && lines.len() == length;
        (is_whole && u64::from(crc(&lines)) == number(&tail[..4])).then_some(lines)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: u64 = 1_795_262_400_123;

    fn file(texts: &[&str]) -> Vec<u8> {
        let members = texts.iter().zip(AT..);
        members
            .flat_map(|(text, at)| pack(at, text.as_bytes()).unwrap())
            .collect()
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        parts(bytes)
            .map(|part| match part {
                Part::Member(at, packed) => match packed.unpack() {
                    Some(lines) => format!("{} {}", at - AT, String::from_utf8(lines).unwrap()),
                    None => "bad".to_owned(),
                },
                Part::Damaged(_) => "damaged".to_owned(),
                Part::Torn(_) => "torn".to_owned(),
            })
            .collect()
    }

    #[test]
    fn any_gzip_reads_it() {
        let bytes = file(&["one\n", "two\n", ""]);
        let mut text = String::new();
        let mut decoder = flate2::read::MultiGzDecoder::new(&*bytes);
        decoder.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn a_cut_at_any_byte_loses_the_member_that_it_hits_and_no_other() {
        let whole = ["one one one", "two", "three three"];
        let bytes = file(&whole);
        let ends: Vec<usize> = (0..=3).map(|count| file(&whole[..count]).len()).collect();
        for cut in 0..=bytes.len() {
            let found = texts(&bytes[..cut]);
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            let expected = ["0 one one one", "1 two", "2 three three"];
            assert_eq!(found[..complete], expected[..complete], "{cut}");
            let rest = &found[complete..];
            match ends.contains(&cut) {
                true => assert!(rest.is_empty(), "{cut}: {rest:?}"),
                false => assert_eq!(rest, ["torn"], "{cut}"),
            }
        }
    }

    #[test]
    fn a_damaged_byte_costs_one_member() {
        let bytes = file(&["one one one", "two", "three three"]);
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x55;
            let found = texts(&damaged);
            let all = ["0 one one one", "1 two", "2 three three"];
            let kept = all
                .iter()
                .filter(|text| found.iter().any(|one| one == *text));
            // The time of gzip's own header is only for other programs.
            assert!(kept.count() >= 2, "{place}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut file = file(&["one"]);
            file.extend(&bytes);
            file.extend(pack(AT + 1, b"two").unwrap());
            let found = texts(&file);
            prop_assert_eq!(&found[0], "0 one");
            prop_assert_eq!(found.last().map(String::as_str), Some("1 two"));
        }
    }
}

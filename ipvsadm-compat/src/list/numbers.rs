//! Counters in nine columns.

use super::endpoint::put;

/// Appends a counter: unabbreviated below a hundred million, then in thousands, millions, thousand
/// millions and so on, rounded down. Exact counters widen their columns if needed.
pub(super) fn counter(value: u64, exact: bool, row: &mut Vec<u8>) {
    const UNITS: [(u64, u64, char); 4] = [
        (1_000_000_000, 1_000, 'K'),
        (100_000_000_000, 1_000_000, 'M'),
        (100_000_000_000_000, 1_000_000_000, 'G'),
        (u64::MAX, 1_000_000_000_000, 'T'),
    ];
    if exact {
        // A blank always precedes it, however long it is.
        put(row, format_args!(" {value:>8}"));
        return;
    }
    if value < 100_000_000 {
        put(row, format_args!("{value:>9}"));
        return;
    }
    let unit = UNITS.iter().find(|(limit, _, _)| value < *limit);
    let (_, divisor, letter) = unit.unwrap_or(&UNITS[3]);
    put(row, format_args!("{:>8}{letter}", value / divisor));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[u64], exact: bool) -> String {
        let mut row = Vec::new();
        for value in values {
            counter(*value, exact, &mut row);
        }
        String::from_utf8(row).unwrap()
    }

    #[test]
    fn abbreviated() {
        let large = [
            4_294_967_295,
            4_294_967_296,
            4_294_967_297,
            u64::MAX,
            u64::MAX - 1,
        ];
        assert_eq!(
            shown(&large, false),
            "    4294M    4294M    4294M18446744T18446744T"
        );
        let edges = [
            9_999_999,
            99_999_999,
            100_000_000,
            999_999_999,
            1_000_000_000,
        ];
        assert_eq!(
            shown(&edges, false),
            "  9999999 99999999  100000K  999999K    1000M"
        );
        let edges = [
            99_999_999_999,
            100_000_000_000,
            99_999_999_999_999,
            100_000_000_000_000,
            0,
        ];
        assert_eq!(
            shown(&edges, false),
            "   99999M     100G   99999G     100T        0"
        );
    }

    #[test]
    fn exact() {
        let large = [
            4_294_967_295,
            4_294_967_296,
            4_294_967_297,
            u64::MAX,
            u64::MAX - 1,
        ];
        assert_eq!(
            shown(&large, true),
            " 4294967295 4294967296 4294967297 18446744073709551615 18446744073709551614"
        );
        let edges = [9_999_999, 99_999_999, 100_000_000, 0];
        assert_eq!(shown(&edges, true), "  9999999 99999999 100000000        0");
    }
}

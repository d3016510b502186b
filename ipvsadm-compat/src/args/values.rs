//! Numbers as the C library reads them: `strtol` and `atoi` in base 10.

/// `strtol` as ipvsadm uses it: the value, saturated, and the rest of the text. `None` if there is
/// no number.
fn strtol(text: &[u8]) -> Option<(i64, &[u8])> {
    let start = text.iter().position(|byte| !is_space(*byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let length = digits
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(digits.len());
    if length == 0 {
        return None;
    }
    let mut value = 0i64;
    for byte in &digits[..length] {
        let digit = i64::from(byte - b'0');
        value = value.saturating_mul(10);
        value = if negative {
            value.saturating_sub(digit)
        } else {
            value.saturating_add(digit)
        };
    }
    Some((value, &digits[length..]))
}

/// `isspace` in the C locale.
pub(crate) const fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// An integer without anything behind it; blanks and a plus sign before it are allowed. An overflow
/// gives a number outside every range.
pub(crate) fn whole(text: &[u8]) -> Option<i64> {
    match strtol(text)? {
        (value, []) => Some(value),
        _ => None,
    }
}

/// An integer within inclusive bounds.
pub(crate) fn number<N: TryFrom<i64>>(text: &[u8], least: i64, most: i64) -> Option<N> {
    let value = whole(text).filter(|value| (least..=most).contains(value))?;
    N::try_from(value).ok()
}

/// `atoi`: the number at the start of the text, 0 if there is none, truncated to 32 bits.
pub(crate) fn atoi(text: &[u8]) -> i32 {
    let value = strtol(text).map_or(0, |(value, _)| value);
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strtol_rules() {
        for (text, value) in [("5", 5), ("+5", 5), (" \t\x0b6", 6), ("010", 10), ("-0", 0)] {
            assert_eq!(number(text.as_bytes(), 0, 99), Some(value), "{text}");
        }
        for text in [
            "", " ", "+", "-", "0x5", "5 ", "5x", "--5", "- 5", "100", "-1",
        ] {
            assert_eq!(number::<i64>(text.as_bytes(), 0, 99), None, "{text}");
        }
    }

    #[test]
    fn overflow_is_no_number_of_any_range() {
        let digits = "9".repeat(40);
        assert_eq!(number::<u32>(digits.as_bytes(), 0, 2_147_483_647), None);
        assert_eq!(whole(digits.as_bytes()), Some(i64::MAX));
    }

    #[test]
    fn atoi_rules() {
        assert_eq!(atoi(b"64abc"), 64);
        assert_eq!(atoi(b"abc"), 0);
        assert_eq!(atoi(b"4294967360"), 64);
        assert_eq!(atoi(b" -3"), -3);
    }
}

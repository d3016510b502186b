//! Numbers in texts for people.

use core::fmt;

/// A number with its noun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    number: usize,
    one: &'static str,
    many: &'static str,
}

/// `1 address`, `2 addresses`.
pub(crate) const fn addresses(number: usize) -> Count {
    Count {
        number,
        one: "address",
        many: "addresses",
    }
}

/// `1 byte`, `2 bytes`.
pub(crate) const fn bytes(number: usize) -> Count {
    Count {
        number,
        one: "byte",
        many: "bytes",
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.number == 1 {
            self.one
        } else {
            self.many
        };
        write!(f, "{} {noun}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(addresses(0).to_string(), "0 addresses");
        assert_eq!(addresses(1).to_string(), "1 address");
        assert_eq!(bytes(1).to_string(), "1 byte");
        assert_eq!(bytes(8).to_string(), "8 bytes");
    }
}

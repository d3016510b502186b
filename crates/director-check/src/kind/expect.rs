//! What an answer must contain: bytes or a regular expression, compiled once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use regex::bytes::Regex;

use crate::failure::Failure;
use crate::net::quote;
use director_config::state::health::Expect;

/// More patterns than a service file has; after this many through reloads, all are dropped and
/// recompiled on use.
const MOST: usize = 4096;

/// Compiled expectations.
#[derive(Debug, Default)]
pub(crate) struct Patterns(RefCell<HashMap<Expect, Regex>>);

impl Patterns {
    /// The compiled pattern. Bytes are a pattern too, so that there is one way to search, and a
    /// fast one.
    pub(crate) fn get(&self, expect: &Expect) -> Result<Regex, Failure> {
        let mut known = self.0.borrow_mut();
        if let Some(pattern) = known.get(expect) {
            return Ok(pattern.clone());
        }
        let compiled = match expect {
            Expect::Contains(bytes) => Regex::new(&literal(bytes)),
            Expect::Matches(pattern) => Regex::new(pattern),
        };
        let compiled =
            compiled.map_err(|error| Failure::ours(format!("the regular expression: {error}")))?;
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(expect.clone(), compiled.clone());
        Ok(compiled)
    }
}

/// What an answer must contain, as the end of "expected one that ...". An expectation is no secret:
/// it is in the service file, and a server sends it to any client.
pub(crate) fn words(expect: &Expect) -> String {
    match expect {
        Expect::Contains(bytes) => format!("contains {}", quote(bytes)),
        Expect::Matches(pattern) => format!("matches {}", quote(pattern.as_bytes())),
    }
}

/// A pattern for exactly these bytes.
fn literal(bytes: &[u8]) -> String {
    let mut pattern = String::from("(?-u)");
    for byte in bytes {
        let _ = write!(pattern, "\\x{byte:02x}");
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_found_as_they_are() {
        let patterns = Patterns::default();
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [b"a.b*(".to_vec(), b"\n\r\0".to_vec(), all] {
            let pattern = patterns
                .get(&Expect::Contains(bytes.clone()))
                .expect("a pattern");
            let answer = [b"before".as_slice(), &bytes, b"after"].concat();
            assert!(pattern.is_match(&answer));
            assert!(!pattern.is_match(&answer[..answer.len() - 6]));
        }
    }
}

//! Paths and queries of requests, encoded (RFC 3986).

use std::fmt::Write as _;

use hyper::Method;
use hyper::body::Bytes;

use super::http::Question;

/// A path and what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Query {
    text: String,
    has_parts: bool,
}

impl Query {
    /// The path of these segments.
    pub(super) fn new(segments: &[&str]) -> Self {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            encode(segment, &mut text);
        }
        Self {
            text,
            has_parts: false,
        }
    }

    /// A key with a value.
    pub(super) fn add(&mut self, key: &str, value: &str) {
        self.flag(key);
        self.text.push('=');
        encode(value, &mut self.text);
    }

    /// A key alone.
    pub(super) fn flag(&mut self, key: &str) {
        self.text.push(if self.has_parts { '&' } else { '?' });
        self.has_parts = true;
        encode(key, &mut self.text);
    }

    /// The question with a GET.
    pub(super) fn get(self) -> Question {
        Question {
            method: Method::GET,
            path: self.text,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

/// Adds a text with all bytes encoded that are not unreserved (RFC 3986 section 2.3).
fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => to.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => to.push(char::from(byte)),
            _ => {
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        let mut query = Query::new(&["v1", "web/../admin?"]);
        query.flag("stale");
        query.add("tag", "a&b=ü");
        let expected = "/v1/web%2F..%2Fadmin%3F?stale&tag=a%26b%3D%C3%BC";
        assert_eq!(query.get().path, expected);
    }
}

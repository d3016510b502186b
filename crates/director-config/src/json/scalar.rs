//! Strings, numbers and words.

use std::borrow::Cow;
use std::ops::Range;

use super::super::tree::{Text, Value};
use super::Reader;

impl<'t> Reader<'t, '_> {
    /// Anything but a list or table.
    pub(super) fn scalar(&mut self) -> Value<'t> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            let start = self.at;
            return match self.string() {
                Some(value) => Value::Text(Text::new(value, &self.text[start..self.at])),
                None => Value::Unreadable,
            };
        }
        let word = self.word();
        match &self.text[word.clone()] {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            "" => {
                let place = self.character();
                self.at = place.end;
                self.report(place, "a value cannot start like this");
                Value::Unreadable
            }
            number if is_number(number) => whole(number),
            other => {
                let numeric = other.starts_with(|first: char| "+-.0123456789".contains(first));
                let message = match other {
                    "True" | "TRUE" | "yes" | "on" => "the word is `true`",
                    "False" | "FALSE" | "no" | "off" => "the word is `false`",
                    "None" | "NULL" | "nil" => "the word is `null`",
                    _ if numeric => {
                        "a number consists of digits, and a fraction has some before \
                                     its point"
                    }
                    _ => "text must be in double quotes",
                };
                self.report(word, message);
                Value::Unreadable
            }
        }
    }

    /// Skips what looks like a word or a number, and returns its place.
    pub(super) fn word(&mut self) -> Range<usize> {
        let rest = &self.text[self.at..];
        let part = |c: char| c.is_alphanumeric() || "_-+.$".contains(c);
        let length = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let start = self.at;
        self.at += length;
        start..self.at
    }

    /// A string, from its quote on. `None` (reported) if its value is unclear.
    pub(super) fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let quote = bytes[start];
        self.at += 1;
        let special = |byte: &u8| *byte == quote || *byte == b'\\' || *byte < 0x20;
        let length = bytes[self.at..].iter().position(special);
        let end = length.map_or(self.text.len(), |length| self.at + length);
        let plain = &self.text[self.at..end];
        self.at = end;
        let value = if self.peek() == Some(quote) {
            self.at += 1;
            Some(Cow::Borrowed(plain))
        } else {
            self.rest_of_string(start, quote, plain.to_owned())
                .map(Cow::Owned)
        };
        if quote == b'\'' && value.is_some() {
            self.report(start..self.at, "strings must be in double quotes");
        }
        value
    }

    /// The rest of a string that contains escapes or invalid characters.
    fn rest_of_string(&mut self, start: usize, quote: u8, before: String) -> Option<String> {
        let mut value = Some(before);
        loop {
            let place = self.character();
            match self.text[place.clone()].chars().next() {
                None | Some('\n' | '\r') => {
                    self.report(start..self.at, "the string is not closed on its line");
                    return None;
                }
                Some(character) if u8::try_from(character) == Ok(quote) => {
                    self.at = place.end;
                    return value;
                }
                Some('\\') => match self.escape() {
                    Some(character) => value.iter_mut().for_each(|value| value.push(character)),
                    None => value = None,
                },
                Some(character) => {
                    self.at = place.end;
                    if u32::from(character) < 0x20 {
                        self.report(place, "a control character must be written as an escape");
                        value = None;
                    }
                    value.iter_mut().for_each(|value| value.push(character));
                }
            }
        }
    }

    /// An escape, from its backslash on. An invalid one is reported and skipped.
    fn escape(&mut self) -> Option<char> {
        let start = self.at;
        self.at += 1;
        let place = self.character();
        let found = match self.text[place.clone()].chars().next() {
            // The string is not closed, which is reported.
            None | Some('\n' | '\r') => return None,
            Some('u') => {
                self.at = place.end;
                let found = self.unicode();
                if found.is_none() {
                    self.report(start..self.at, "this escape is not a character");
                }
                return found;
            }
            Some(known @ ('"' | '\\' | '/')) => Some(known),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some(_) => None,
        };
        self.at = place.end;
        if found.is_none() {
            self.report(start..self.at, "unknown escape");
        }
        found
    }

    /// The digits behind `\u`, and the other half of a surrogate pair.
    fn unicode(&mut self) -> Option<char> {
        let high = self.four_digits()?;
        let number = match high {
            0xd800..=0xdbff => {
                if !self.text[self.at..].starts_with("\\u") {
                    return None;
                }
                self.at += 2;
                let low = self.four_digits()?;
                let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                0x10000 + ((high - 0xd800) << 10) + low
            }
            other => other,
        };
        char::from_u32(number)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_hexdigit());
        let length = digits.count();
        let digits = &self.text[self.at..self.at + length];
        self.at += length;
        let number = u32::from_str_radix(digits, 16).ok();
        number.filter(|_| length == 4)
    }
}

/// RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (
            number,
            exponent.strip_prefix(['+', '-']).unwrap_or(exponent),
        ),
        None => (text, "0"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let zero_first = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !zero_first && digits(fraction) && digits(exponent)
}

/// JSON does not distinguish integers from fractions: `2.0` is a fraction here, as in TOML.
fn whole(number: &str) -> Value<'static> {
    match number.parse() {
        Ok(number) => Value::Integer(number),
        Err(_) if number.contains(['.', 'e', 'E']) => Value::Float,
        Err(_) => Value::LargeInteger,
    }
}

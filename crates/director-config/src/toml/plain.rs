//! Parses TOML without mistakes in one pass.
//!
//! Gives up (`None`) at a mistake, and at what is rare in a service file: multi-line strings,
//! dates, fractions, numbers with a base or underscores.

use std::borrow::Cow;

use super::super::source::{FileId, Span};
use super::super::tree::{Entry, Node, Strings, Table, Text, Value};
use super::document::{Document, Header, Key, dotted, has_unique_keys};

/// The tree of a TOML text, or an error if the other parser has to read it.
pub(super) fn parse(file: FileId, text: &str) -> Result<Node<'_>, usize> {
    let mut reader = Reader {
        file,
        text,
        at: 0,
        items: Vec::new(),
    };
    let table = reader.document().ok_or(reader.at)?;
    let value = Value::Table(table);
    let span = Span::new(file, 0..0);
    Ok(Node { span, value })
}

/// The deepest nesting of values here.
const MAX_DEPTH: usize = 32;

/// From this number of strings on, a list of them is expanded only while it is read.
const MANY: u32 = 8;

/// A list with this many items is as large as many usual files.
const LONG: usize = 4096;

struct Reader<'t> {
    file: FileId,
    text: &'t str,
    at: usize,
    /// The items of the open lists, so that a list is allocated once its length is known.
    items: Vec<Node<'t>>,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Option<Table<'t>> {
        let mut document = Document::default();
        let mut header = None;
        let mut entries = Vec::new();
        loop {
            self.skip_blank()?;
            match self.peek() {
                None => break,
                Some(b'[') => {
                    document.take_in(header, entries, self.text)?;
                    header = Some(self.header()?);
                    entries = Vec::new();
                }
                Some(_) => self.pair(&mut entries, 0)?,
            }
            self.end_of_line()?;
        }
        document.take_in(header, entries, self.text)?;
        has_unique_keys(&document.root).then_some(document.root)
    }

    fn header(&mut self) -> Option<Header<'t>> {
        let start = self.at;
        self.at += 1;
        let is_item = self.takes(b'[');
        let (path, key) = self.keys()?;
        let closed = self.takes(b']') && (!is_item || self.takes(b']'));
        closed.then(|| Header {
            path,
            key,
            span: self.span(start),
            is_item,
        })
    }

    /// `key = value`, into the table with these entries.
    fn pair(&mut self, entries: &mut Vec<Entry<'t>>, depth: usize) -> Option<()> {
        let (path, key) = self.keys()?;
        if !self.takes(b'=') {
            return None;
        }
        self.skip_spaces();
        let node = self.value(depth)?;
        let mut entries = entries;
        for part in path {
            entries = dotted(entries, part)?;
        }
        entries.push(Entry {
            key: key.name,
            key_span: key.span,
            node,
        });
        Some(())
    }

    /// `a.b.c` with surrounding white space: the parts before the last, and the last.
    fn keys(&mut self) -> Option<(Vec<Key<'t>>, Key<'t>)> {
        let mut path = Vec::new();
        loop {
            self.skip_spaces();
            let key = self.key()?;
            self.skip_spaces();
            if !self.takes(b'.') {
                return Some((path, key));
            }
            if path.len() == MAX_DEPTH {
                return None;
            }
            path.push(key);
        }
    }

    fn key(&mut self) -> Option<Key<'t>> {
        let start = self.at;
        let name = match self.peek()? {
            b'"' => self.basic_string()?,
            b'\'' => Cow::Borrowed(self.literal_string()?),
            _ => {
                let bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                self.at += self.rest().iter().take_while(|byte| bare(byte)).count();
                Cow::Borrowed(&self.text[start..self.at])
            }
        };
        let span = self.span(start);
        (self.at > start).then_some(Key { name, span })
    }

    fn value(&mut self, depth: usize) -> Option<Node<'t>> {
        let start = self.at;
        let value = match self.peek()? {
            b'"' => self.text_of(Self::basic_string)?,
            b'\'' => self.text_of(|reader| reader.literal_string().map(Cow::Borrowed))?,
            b'[' => match self.strings(depth) {
                Some(strings) => Value::Strings(strings),
                None => Value::Array(self.array(depth)?),
            },
            b'{' => Value::Table(self.inline_table(depth)?),
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'-' | b'0'..=b'9' => self.whole()?,
            _ => return None,
        };
        let span = self.span(start);
        Some(Node { span, value })
    }

    /// A list of many plain strings; consumes nothing if it is anything else.
    fn strings(&mut self, depth: usize) -> Option<Strings<'t>> {
        let start = self.at;
        let found = (depth < MAX_DEPTH).then(|| self.plain_strings()).flatten();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn plain_strings(&mut self) -> Option<Strings<'t>> {
        let start = self.at;
        self.at += 1;
        let mut count = 0;
        loop {
            self.skip_blank()?;
            match self.peek()? {
                b'"' => self.plain_string()?,
                b'\'' => self.literal_string()?,
                b']' => break,
                _ => return None,
            };
            count += 1;
            self.skip_blank()?;
            if !self.takes(b',') && self.peek()? != b']' {
                return None;
            }
        }
        self.at += 1;
        let list = &self.text[start..self.at];
        let names_variables = list.as_bytes().contains(&b'$');
        (count >= MANY && !names_variables).then(|| Strings::new(list, count))
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Node<'t>>> {
        if depth == MAX_DEPTH {
            return None;
        }
        let start = self.at;
        self.at += 1;
        let before = self.items.len();
        loop {
            self.skip_blank()?;
            if self.takes(b']') {
                break;
            }
            let item = self.value(depth + 1)?;
            self.make_room(start, before);
            self.items.push(item);
            self.skip_blank()?;
            if !self.takes(b',') && self.peek()? != b']' {
                return None;
            }
        }
        if before == 0 && self.items.len() >= LONG {
            // Not copied.
            self.items.shrink_to_fit();
            return Some(std::mem::take(&mut self.items));
        }
        Some(self.items.drain(before..).collect())
    }

    /// Reserves room for the items of a long list that began at `start`: as many as there would be
    /// if the rest of the text consisted of them. Unused room costs nothing, while a growing list
    /// is copied again and again.
    fn make_room(&mut self, start: usize, before: usize) {
        let items = self.items.len() - before;
        if self.items.len() == self.items.capacity() && items >= LONG / 4 {
            let left = self.text.len() - self.at;
            self.items
                .reserve(left / ((self.at - start) / items).max(1) + 1);
        }
    }

    fn inline_table(&mut self, depth: usize) -> Option<Table<'t>> {
        if depth == MAX_DEPTH {
            return None;
        }
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.skip_blank()?;
            if self.takes(b'}') {
                return Some(Table { entries });
            }
            self.pair(&mut entries, depth + 1)?;
            self.skip_blank()?;
            if !self.takes(b',') && self.peek()? != b'}' {
                return None;
            }
        }
    }

    fn text_of(&mut self, string: impl Fn(&mut Self) -> Option<Cow<'t, str>>) -> Option<Value<'t>> {
        let start = self.at;
        let value = string(self)?;
        let raw = &self.text[start..self.at];
        Some(Value::Text(Text::new(value, raw)))
    }

    fn literal_string(&mut self) -> Option<&'t str> {
        let inner = &self.text[self.at + 1..];
        let length = inner
            .bytes()
            .position(|byte| byte == b'\'' || is_control(byte))?;
        let ended = inner.as_bytes()[length] == b'\'';
        let multi_line = inner.starts_with("''");
        self.at += length + 2;
        (ended && !multi_line).then(|| &inner[..length])
    }

    fn basic_string(&mut self) -> Option<Cow<'t, str>> {
        if let Some(plain) = self.plain_string() {
            return Some(Cow::Borrowed(plain));
        }
        if self.text[self.at..].starts_with("\"\"\"") {
            return None;
        }
        self.at += 1;
        self.escaped_string().map(Cow::Owned)
    }

    /// A basic string without escapes; consumes nothing if it is another one.
    fn plain_string(&mut self) -> Option<&'t str> {
        let inner = &self.text[self.at + 1..];
        let length = inner.bytes().position(|byte| PLAIN_ENDS[byte as usize])?;
        let ended = inner.as_bytes()[length] == b'"';
        let multi_line = inner.starts_with("\"\"");
        (ended && !multi_line).then(|| {
            self.at += length + 2;
            &inner[..length]
        })
    }

    /// The rest of a basic string that contains escapes.
    fn escaped_string(&mut self) -> Option<String> {
        let mut value = String::new();
        loop {
            let character = self.text[self.at..].chars().next()?;
            self.at += character.len_utf8();
            value.push(match character {
                '"' => return Some(value),
                '\\' => self.escape()?,
                _ if u8::try_from(character).is_ok_and(is_control) => return None,
                _ => character,
            });
        }
    }

    fn escape(&mut self) -> Option<char> {
        let kind = self.peek()?;
        self.at += 1;
        let digits = match kind {
            b'"' | b'\\' => return Some(char::from(kind)),
            b'b' => return Some('\u{8}'),
            b't' => return Some('\t'),
            b'n' => return Some('\n'),
            b'f' => return Some('\u{c}'),
            b'r' => return Some('\r'),
            b'u' => 4,
            b'U' => 8,
            _ => return None,
        };
        let digits = self.text.get(self.at..self.at + digits)?;
        self.at += digits.len();
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok()?;
        char::from_u32(number).filter(|_| hexadecimal)
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Option<Value<'t>> {
        if !self.rest().starts_with(word.as_bytes()) {
            return None;
        }
        self.at += word.len();
        self.is_over().then_some(value)
    }

    fn whole(&mut self) -> Option<Value<'t>> {
        let start = self.at;
        self.takes(b'-');
        let digits = self.rest();
        let length = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let zero_first = digits.first() == Some(&b'0') && length > 1;
        self.at += length;
        // This many digits always fit.
        if zero_first || length > 18 || !self.is_over() {
            return None;
        }
        let number = self.text[start..self.at].parse().ok()?;
        Some(Value::Integer(number))
    }

    /// Whether a word or a number ends here.
    fn is_over(&self) -> bool {
        matches!(
            self.peek(),
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}' | b'#')
        )
    }

    /// Skips white space, comments and line breaks.
    fn skip_blank(&mut self) -> Option<()> {
        loop {
            self.skip_spaces();
            match self.peek() {
                Some(b'\n') => self.at += 1,
                Some(b'\r') => {
                    self.at += 1;
                    if self.peek() != Some(b'\n') {
                        return None;
                    }
                }
                Some(b'#') => self.skip_comment()?,
                _ => return Some(()),
            }
        }
    }

    fn skip_spaces(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips a comment up to, not including, its line break.
    fn skip_comment(&mut self) -> Option<()> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| is_control(*byte));
        let length = length.unwrap_or(rest.len());
        self.at += length;
        matches!(rest.get(length), None | Some(b'\n' | b'\r')).then_some(())
    }

    /// Checks that nothing but blanks and a comment follows a pair or a header on its line.
    fn end_of_line(&mut self) -> Option<()> {
        self.skip_spaces();
        if self.peek() == Some(b'#') {
            self.skip_comment()?;
        }
        // The next step detects a lone carriage return.
        matches!(self.peek(), None | Some(b'\n' | b'\r')).then_some(())
    }

    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start..self.at)
    }
}

/// The bytes that end a basic string without escapes, or make it another kind. (A table, since
/// every server's address is searched for them.)
const PLAIN_ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        ends[byte as usize] = byte == b'"' || byte == b'\\' || is_control(byte);
        byte += 1;
    }
    ends
};

/// Characters allowed neither in a one-line string nor in a comment.
const fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}

//! TOML without a mistake in it, in one pass.
//!
//! Gives up (`None`) at a mistake, and at what is rare in a service file: multi-line strings,
//! dates, fractions, numbers with a base or underscores.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::source::{FileId, Span};
use super::super::tree::{Entry, Node, Strings, Table, Text, Value};

/// The tree of a TOML text, or `None` when it has to be read by somebody more patient.
pub(super) fn parse(file: FileId, text: &str) -> Option<Node<'_>> {
    let mut reader = Reader {
        file,
        text,
        at: 0,
        items: Vec::new(),
    };
    let value = Value::Table(reader.document()?);
    let span = Span::new(file, 0..0);
    Some(Node { span, value })
}

/// How deep values can lie in each other here.
const MAX_DEPTH: usize = 32;

/// How far back a key is looked for. Whoever writes on a table does so below it; a key that was
/// passed over all the same stands twice then, which is found in the end.
const NEAR: usize = 16;

/// From so many strings on a list of them is taken apart only while it is read.
const MANY: u32 = 8;

/// A list of so many items is as large as many usual files.
const LONG: usize = 4096;

struct Reader<'t> {
    file: FileId,
    text: &'t str,
    at: usize,
    /// The items of the lists that are being read, so that a list is made when its length is known.
    items: Vec<Node<'t>>,
}

struct Key<'t> {
    name: Cow<'t, str>,
    span: Span,
}

/// `[path.key]`, or `[[path.key]]` for an entry of a list.
struct Header<'t> {
    path: Vec<Key<'t>>,
    key: Key<'t>,
    span: Span,
    is_item: bool,
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

    /// `key = value`, into the table whose entries these are.
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

    /// `a.b.c`, with the white space before and behind: the last one, and those before it.
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

    /// A list of many plain strings; nothing is read when something else stands there.
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

    /// Makes room for the items of a long list at once, which began at `start`: as many as there
    /// would be if the rest of the text were of them. Room that is not used costs nothing; a list
    /// that grows is copied again and again.
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

    /// A basic string without escapes; nothing is read when it is another.
    fn plain_string(&mut self) -> Option<&'t str> {
        let inner = &self.text[self.at + 1..];
        let ends = |byte| byte == b'"' || byte == b'\\' || is_control(byte);
        let length = inner.bytes().position(ends)?;
        let ended = inner.as_bytes()[length] == b'"';
        let multi_line = inner.starts_with("\"\"");
        (ended && !multi_line).then(|| {
            self.at += length + 2;
            &inner[..length]
        })
    }

    /// The rest of a basic string, with escapes in it.
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
        // So many digits always fit.
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

    /// White space, comments and line breaks.
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

    /// A comment up to, not including, its line break.
    fn skip_comment(&mut self) -> Option<()> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| is_control(*byte));
        let length = length.unwrap_or(rest.len());
        self.at += length;
        matches!(rest.get(length), None | Some(b'\n' | b'\r')).then_some(())
    }

    /// What may follow a pair or a header on its line, and nothing else.
    fn end_of_line(&mut self) -> Option<()> {
        self.skip_spaces();
        if self.peek() == Some(b'#') {
            self.skip_comment()?;
        }
        // A carriage return alone is found by whoever reads on.
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

/// What can stand neither in a string of one line nor in a comment.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}

/// The table that a part of a dotted key names, made where it is not there. In a table that is
/// being read, those made so are known by their place, which is their key's.
fn dotted<'e, 't>(
    entries: &'e mut Vec<Entry<'t>>,
    part: Key<'t>,
) -> Option<&'e mut Vec<Entry<'t>>> {
    let index = match find(entries, &part.name) {
        Some(index) if entries[index].node.span == entries[index].key_span => index,
        Some(_) => return None,
        None => add_table(entries, part),
    };
    entries_of(&mut entries[index].node)
}

fn find(entries: &[Entry<'_>], name: &str) -> Option<usize> {
    let far = entries.len().saturating_sub(NEAR);
    let near = entries[far..].iter().rposition(|entry| entry.key == name);
    near.map(|index| far + index)
}

/// Adds an empty table that has no place of its own; returns its index.
fn add_table<'t>(entries: &mut Vec<Entry<'t>>, key: Key<'t>) -> usize {
    let node = Node {
        span: key.span,
        value: Value::Table(Table::default()),
    };
    entries.push(Entry {
        key: key.name,
        key_span: key.span,
        node,
    });
    entries.len() - 1
}

fn entries_of<'e, 't>(node: &'e mut Node<'t>) -> Option<&'e mut Vec<Entry<'t>>> {
    match &mut node.value {
        Value::Table(table) => Some(&mut table.entries),
        _ => None,
    }
}

/// The tables of the headers so far.
#[derive(Default)]
struct Document<'t> {
    root: Table<'t>,
    /// The keys, by their places, of tables that headers below them made.
    implied: HashSet<Span>,
    /// The same of lists that `[[headers]]` made.
    lists: HashSet<Span>,
}

impl<'t> Document<'t> {
    /// Puts the table of a header into its place; that of none is the root itself.
    fn take_in(
        &mut self,
        header: Option<Header<'t>>,
        entries: Vec<Entry<'t>>,
        text: &str,
    ) -> Option<()> {
        let Some(Header {
            path,
            key,
            span,
            is_item,
        }) = header
        else {
            self.root.entries = entries;
            return Some(());
        };
        let Self {
            root,
            implied,
            lists,
        } = self;
        let mut parent = &mut root.entries;
        for part in path {
            let index = find(parent, &part.name).unwrap_or_else(|| {
                implied.insert(part.span);
                add_table(parent, part)
            });
            let found = &mut parent[index];
            let open = match &found.node.value {
                Value::Array(_) => lists.contains(&found.key_span),
                // One in braces, or of a dotted key, is closed.
                Value::Table(_) => {
                    let place = found.node.span.start as usize;
                    let has_header = text.as_bytes().get(place) == Some(&b'[');
                    has_header || implied.contains(&found.key_span)
                }
                _ => false,
            };
            if !open {
                return None;
            }
            parent = match &mut found.node.value {
                Value::Array(items) => entries_of(items.last_mut()?)?,
                Value::Table(table) => &mut table.entries,
                _ => return None,
            };
        }
        let table = Node {
            span,
            value: Value::Table(Table { entries }),
        };
        let node = match find(parent, &key.name).filter(|_| is_item) {
            Some(index) => {
                let found = &mut parent[index];
                let Value::Array(items) = &mut found.node.value else {
                    return None;
                };
                if !lists.contains(&found.key_span) {
                    return None;
                }
                items.push(table);
                return Some(());
            }
            None if is_item => {
                lists.insert(key.span);
                let value = Value::Array(vec![table]);
                Node { span, value }
            }
            None => table,
        };
        parent.push(Entry {
            key: key.name,
            key_span: key.span,
            node,
        });
        Some(())
    }
}

/// Whether no table has a key twice. The depth is bounded, as that of what was read is.
fn has_unique_keys(table: &Table<'_>) -> bool {
    let entries = &table.entries;
    let unique = if entries.len() <= NEAR {
        let later = |index: usize| entries[index + 1..].iter();
        let twice =
            |(index, entry): (usize, &Entry<'_>)| later(index).any(|other| other.key == entry.key);
        !entries.iter().enumerate().any(twice)
    } else {
        let mut keys = HashSet::with_capacity(entries.len());
        entries.iter().all(|entry| keys.insert(&*entry.key))
    };
    unique && entries.iter().all(|entry| is_unique_within(&entry.node))
}

fn is_unique_within(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Table(table) => has_unique_keys(table),
        Value::Array(items) => items.iter().all(is_unique_within),
        _ => true,
    }
}

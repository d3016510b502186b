//! One tree for both formats: every value knows its place in its file.
//!
//! The tree borrows unchanged text: a table of forty thousand servers has as many strings, and none
//! of them is copied. A list of many strings is not even expanded before it is read ([`Strings`]).

use std::borrow::Cow;

use super::source::Span;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'t> {
    /// The place of the value; of a TOML `[header]` table, that of the header.
    pub(super) span: Span,
    pub(super) value: Value<'t>,
}

/// A value of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Text(Text<'t>),
    Integer(i64),
    /// An integer, as written, that does not fit [`Value::Integer`].
    LargeInteger,
    Float,
    Bool(bool),
    /// A date or a time of day; TOML only.
    Datetime,
    /// JSON only.
    Null,
    Array(Vec<Node<'t>>),
    /// Also a list.
    Strings(Strings<'t>),
    Table(Table<'t>),
    /// An unreadable value, which has been reported and needs no further diagnostics.
    Unreadable,
}

impl Node<'_> {
    /// The items of a list; `None` for other values.
    pub(super) fn list(&self) -> Option<Items<'_>> {
        match &self.value {
            Value::Array(items) => Some(Items::Nodes(items.iter())),
            Value::Strings(strings) => Some(Items::Strings(strings.within(self.span))),
            _ => None,
        }
    }

    /// Whether this is a table without entries.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Table(table) if table.entries.is_empty())
    }

    /// Whether this is a table with this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        matches!(&self.value, Value::Table(table) if table.entries.iter().any(|one| one.key == key))
    }

    pub(super) fn to_static(&self) -> Node<'static> {
        let value = match &self.value {
            Value::Text(text) => Value::Text(text.to_static()),
            Value::Integer(number) => Value::Integer(*number),
            Value::LargeInteger => Value::LargeInteger,
            Value::Float => Value::Float,
            Value::Bool(value) => Value::Bool(*value),
            Value::Datetime => Value::Datetime,
            Value::Null => Value::Null,
            Value::Array(_) | Value::Strings(_) => {
                let items = self.list().into_iter().flatten();
                Value::Array(items.map(NodeRef::to_static).collect())
            }
            Value::Table(table) => Value::Table(table.to_static()),
            Value::Unreadable => Value::Unreadable,
        };
        let span = self.span;
        Node { span, value }
    }
}

/// A node being read: of the tree, or an item of [`Strings`].
#[derive(Debug, Clone, Copy)]
pub(super) enum NodeRef<'n> {
    Node(&'n Node<'n>),
    /// An unchanged string without its quotes, and its place including them.
    String(&'n str, Span),
}

impl<'n> NodeRef<'n> {
    pub(super) const fn span(self) -> Span {
        match self {
            Self::Node(node) => node.span,
            Self::String(_, span) => span,
        }
    }

    /// The value, unless it is an item of [`Strings`].
    pub(super) const fn value(self) -> Option<&'n Value<'n>> {
        match self {
            Self::Node(node) => Some(&node.value),
            Self::String(..) => None,
        }
    }

    /// The string; `None` for other values.
    pub(super) fn text(self) -> Option<TextRef<'n>> {
        match self {
            Self::String(value, _) => Some(TextRef {
                value,
                verbatim: true,
            }),
            Self::Node(node) => match &node.value {
                Value::Text(text) => Some(text.as_ref()),
                _ => None,
            },
        }
    }

    /// The table; `None` for other values.
    pub(super) const fn table(self) -> Option<&'n Table<'n>> {
        match self.value() {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The items of a list; `None` for other values.
    pub(super) fn list(self) -> Option<Items<'n>> {
        match self {
            Self::Node(node) => node.list(),
            Self::String(..) => None,
        }
    }

    /// The kind of value, with its article.
    pub(super) const fn kind(self) -> &'static str {
        match self.value() {
            Some(value) => value.kind(),
            None => "a string",
        }
    }

    /// The node as JSON, without places; `None` for what no service file has, such as a fraction.
    pub(super) fn to_json(self) -> Option<serde_json::Value> {
        if let Some(text) = self.text() {
            return Some(text.value.into());
        }
        if let Some(items) = self.list() {
            return items.map(Self::to_json).collect();
        }
        Some(match self.value()? {
            Value::Integer(number) => (*number).into(),
            Value::Bool(value) => (*value).into(),
            Value::Table(table) => {
                let said = table.entries.iter().map(|entry| {
                    let value = NodeRef::Node(&entry.node).to_json()?;
                    Some((entry.key.to_string(), value))
                });
                serde_json::Value::Object(said.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// The same node with copies of everything borrowed from the text.
    pub(super) fn to_static(self) -> Node<'static> {
        match self {
            Self::Node(node) => node.to_static(),
            Self::String(value, span) => Node {
                span,
                value: Value::Text(Text {
                    value: Cow::Owned(value.to_owned()),
                    verbatim: true,
                    substituted: false,
                }),
            },
        }
    }
}

impl Value<'_> {
    /// The kind of value, with its article.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::LargeInteger => "an integer",
            Self::Float => "a fraction",
            Self::Bool(_) => "a boolean",
            Self::Datetime => "a date or time of day",
            Self::Null | Self::Unreadable => "null",
            Self::Array(_) | Self::Strings(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'t> {
    pub(super) value: Cow<'t, str>,
    /// Whether the string is unchanged from the file, between single-character quotes, without
    /// escapes and substituted variables. Then a part of it can be underlined.
    pub(super) verbatim: bool,
    /// Whether part of it comes from the environment. Such a string may stand for a number or a
    /// boolean.
    pub(super) substituted: bool,
}

impl<'t> Text<'t> {
    /// A string from its value and its text in the file, including quotes.
    pub(super) fn new(value: Cow<'t, str>, raw: &str) -> Self {
        let verbatim = raw
            .strip_prefix(['"', '\''])
            .and_then(|rest| rest.strip_suffix(['"', '\'']))
            .is_some_and(|inner| inner == value);
        Self {
            value,
            verbatim,
            substituted: false,
        }
    }

    pub(super) fn as_ref(&self) -> TextRef<'_> {
        TextRef {
            value: &self.value,
            verbatim: self.verbatim,
        }
    }

    fn to_static(&self) -> Text<'static> {
        Text {
            value: Cow::Owned(self.value.clone().into_owned()),
            ..*self
        }
    }
}

/// A [`Text`] being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextRef<'n> {
    pub(super) value: &'n str,
    pub(super) verbatim: bool,
}

impl TextRef<'_> {
    /// The place of a part of the string, or all of it if the part cannot be located.
    pub(super) fn part(self, whole: Span, part: std::ops::Range<usize>) -> Span {
        if !self.verbatim {
            return whole;
        }
        let start = whole.start as usize + 1;
        Span::new(whole.file, start + part.start..start + part.end)
    }
}

/// A long list of unchanged strings, expanded only while it is read: the nodes of 60,000 servers
/// would take twice the room of their text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Strings<'t> {
    /// The text from bracket to bracket: one-line strings without escapes, commas, white space and
    /// comments.
    text: &'t str,
    count: u32,
}

impl<'t> Strings<'t> {
    /// The list in a text that the caller has checked, and its number of strings.
    pub(super) const fn new(text: &'t str, count: u32) -> Self {
        Self { text, count }
    }

    /// The strings of the list at this place.
    const fn within(&self, list: Span) -> StringsIter<'t> {
        StringsIter {
            list,
            rest: self.text,
            left: self.count,
        }
    }
}

/// Iterates over [`Strings`].
#[derive(Debug, Clone)]
pub(super) struct StringsIter<'t> {
    list: Span,
    rest: &'t str,
    left: u32,
}

impl<'t> Iterator for StringsIter<'t> {
    type Item = NodeRef<'t>;

    fn next(&mut self) -> Option<NodeRef<'t>> {
        self.left = self.left.checked_sub(1)?;
        let bytes = self.rest.as_bytes();
        let mut start = 0;
        let quote = loop {
            match *bytes.get(start)? {
                quote @ (b'"' | b'\'') => break quote,
                b'#' => start += bytes[start..].iter().position(|byte| *byte == b'\n')?,
                _ => start += 1,
            }
        };
        let inner = start + 1;
        let end = inner + bytes[inner..].iter().position(|byte| *byte == quote)?;
        let at = self.list.end as usize - self.rest.len();
        let span = Span::new(self.list.file, at + start..at + end + 1);
        let value = &self.rest[inner..end];
        self.rest = &self.rest[end + 1..];
        Some(NodeRef::String(value, span))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

/// The items of a list.
#[derive(Debug, Clone)]
pub(super) enum Items<'n> {
    /// A single value in place of a list, or nothing.
    One(Option<NodeRef<'n>>),
    Nodes(std::slice::Iter<'n, Node<'n>>),
    Strings(StringsIter<'n>),
}

impl<'n> Iterator for Items<'n> {
    type Item = NodeRef<'n>;

    fn next(&mut self) -> Option<NodeRef<'n>> {
        match self {
            Self::One(one) => one.take(),
            Self::Nodes(nodes) => nodes.next().map(NodeRef::Node),
            Self::Strings(strings) => strings.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::One(one) => one.iter().size_hint(),
            Self::Nodes(nodes) => nodes.size_hint(),
            Self::Strings(strings) => strings.size_hint(),
        }
    }
}

impl ExactSizeIterator for Items<'_> {}

/// Keys and values in file order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table<'t> {
    pub(super) entries: Vec<Entry<'t>>,
}

impl Table<'_> {
    /// The same with copies of everything borrowed from the text.
    pub(super) fn to_static(&self) -> Table<'static> {
        Table {
            entries: self.entries.iter().map(Entry::to_static).collect(),
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_span: Span,
    pub(super) node: Node<'t>,
}

impl Entry<'_> {
    pub(super) fn to_static(&self) -> Entry<'static> {
        Entry {
            key: Cow::Owned(self.key.clone().into_owned()),
            key_span: self.key_span,
            node: self.node.to_static(),
        }
    }
}

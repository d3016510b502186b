//! One tree for both formats: every value knows where it stands in its file.
//!
//! It borrows from the text whatever stands there as it is: a table of forty thousand servers has
//! as many strings, and none of them is copied.

use std::borrow::Cow;

use super::source::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'t> {
    /// The value's text. Of a TOML `[header]` table it is the header.
    pub(super) span: Span,
    pub(super) value: Value<'t>,
}

/// What a file can hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Text(Text<'t>),
    Integer(i64),
    /// A whole number that does not fit [`Value::Integer`], as written.
    LargeInteger,
    Float,
    Bool(bool),
    /// A date or a time of day; TOML only.
    Datetime,
    /// JSON only.
    Null,
    Array(Vec<Node<'t>>),
    Table(Table<'t>),
    /// What stands here is not known, and that is reported: nothing more is to be said about it.
    Unreadable,
}

impl Node<'_> {
    /// The same, with a copy of whatever it borrows from the text.
    pub(super) fn to_static(&self) -> Node<'static> {
        Node {
            span: self.span,
            value: self.value.to_static(),
        }
    }
}

impl Value<'_> {
    fn to_static(&self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Text {
                value: Cow::Owned(text.value.clone().into_owned()),
                ..*text
            }),
            Self::Integer(number) => Value::Integer(*number),
            Self::LargeInteger => Value::LargeInteger,
            Self::Float => Value::Float,
            Self::Bool(value) => Value::Bool(*value),
            Self::Datetime => Value::Datetime,
            Self::Null => Value::Null,
            Self::Array(items) => Value::Array(items.iter().map(Node::to_static).collect()),
            Self::Table(table) => Value::Table(table.to_static()),
            Self::Unreadable => Value::Unreadable,
        }
    }

    /// What it is, with its article.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) | Self::LargeInteger => "a whole number",
            Self::Float => "a fraction",
            Self::Bool(_) => "a boolean",
            Self::Datetime => "a date or time of day",
            Self::Null | Self::Unreadable => "null",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text<'t> {
    pub(super) value: Cow<'t, str>,
    /// The string stands in the file as it is, between one quote on each side, without escapes and
    /// without substituted variables. Then a part of it can be underlined.
    pub(super) verbatim: bool,
    /// Part of it comes from the environment. Such a string may stand for a number or a boolean.
    pub(super) substituted: bool,
}

impl<'t> Text<'t> {
    /// A string from its value and its text in the file, quotes included.
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

    /// The place of a part of the string, or all of it where that cannot be told.
    pub(super) fn part(&self, whole: Span, part: std::ops::Range<usize>) -> Span {
        if !self.verbatim {
            return whole;
        }
        let start = whole.start as usize + 1;
        Span::new(whole.file, start + part.start..start + part.end)
    }
}

/// Keys and values in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table<'t> {
    pub(super) entries: Vec<Entry<'t>>,
}

impl Table<'_> {
    /// The same, with a copy of whatever it borrows from the text.
    pub(super) fn to_static(&self) -> Table<'static> {
        let owned = |entry: &Entry<'_>| Entry {
            key: Cow::Owned(entry.key.clone().into_owned()),
            key_span: entry.key_span,
            node: entry.node.to_static(),
        };
        Table {
            entries: self.entries.iter().map(owned).collect(),
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

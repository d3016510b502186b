//! Reads one table of the tree: its keys and their values.
//!
//! A [`Fields`] has reported every key that its section does not know; a [`Field`] is the value of
//! a key together with its expected shape. Asking for a value of another type reports that.

use super::super::code::Code;
use super::super::diagnostic::{Diagnostic, Findings};
use super::super::dialects;
use super::super::keys::{self, Key, Section, Shape};
use super::super::source::{Span, Spanned};
use super::super::suggest::nearest;
use super::super::tree::{self, Entry, Node, NodeRef, Table, TextRef, Value};

/// A table and its section.
pub(crate) struct Fields<'n> {
    pub(crate) section: &'static Section,
    /// Where the table is named: the place to report a missing key.
    pub(crate) at: Span,
    entries: &'n [Entry<'n>],
}

impl<'n> Fields<'n> {
    /// The table in a node, or `None` (reported) if it is anything else.
    pub(crate) fn of(
        node: &'n Node<'n>,
        at: Span,
        section: &'static Section,
        findings: &mut Findings,
    ) -> Option<Self> {
        let node = NodeRef::Node(node);
        let Some(table) = node.table() else {
            findings.push(wrong_type(node, &Shape::Table(section)));
            return None;
        };
        Some(Self::within(table, at, section, findings))
    }

    fn within(
        table: &'n Table<'n>,
        at: Span,
        section: &'static Section,
        findings: &mut Findings,
    ) -> Self {
        let entries = &table.entries;
        let is_unknown = |entry: &&Entry<'_>| section.key(&entry.key).is_none();
        for entry in entries.iter().filter(is_unknown) {
            findings.push(match findings.is_full() {
                true => Diagnostic::new(Code::UnknownKey, entry.key_span, String::new()),
                false => unknown_key(entry, section),
            });
        }
        Self {
            section,
            at,
            entries,
        }
    }

    fn key(&self, name: &str) -> &'static Key {
        // A test asks every section for all of its keys.
        let key = self.section.key(name);
        key.expect("the decoder asks for keys of the section")
    }

    /// The value of a key.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'n>> {
        #[cfg(test)]
        super::asked::record(self.section.name, name);
        // A service has four entries and is asked for thirty keys, so absent keys must be cheap.
        // The last of several entries with one key counts.
        let entry = self.entries.iter().rfind(|entry| entry.key == name)?;
        Some(Field {
            node: NodeRef::Node(&entry.node),
            shape: &self.key(name).shape,
            at: entry.key_span,
        })
    }

    /// The value of a required key; reports it if missing.
    pub(crate) fn require(&self, name: &str, findings: &mut Findings) -> Option<Field<'n>> {
        let found = self.get(name);
        if found.is_none() {
            self.missing(name, findings);
        }
        found
    }

    /// Reports that a key is missing.
    pub(crate) fn missing(&self, name: &str, findings: &mut Findings) {
        let key = self.key(name);
        let message = format!("{} needs `{name}`", self.section.name);
        findings.push_missing(
            Diagnostic::new(Code::MissingKey, self.at, message)
                .label(format!("`{name}` is missing"))
                .help(format!("`{name}` is {}", key.shape.describe())),
        );
    }
}

fn unknown_key(entry: &Entry<'_>, section: &Section) -> Diagnostic {
    let key = &entry.key;
    let message = format!("{} has no key `{}`", section.name, shown(key));
    let mistake = Diagnostic::new(Code::UnknownKey, entry.key_span, message);
    let lower = key.to_lowercase();
    let vrrp = keys::keepalived(&lower).filter(|_| section.is_about_addresses());
    let mistake = match vrrp {
        Some(ours) => mistake.help(ours),
        None => mistake,
    };
    let called = |known: &Key| known.aliases.contains(&lower.as_str());
    let advice = dialects::key(key, section).filter(|_| vrrp.is_none());
    if let Some(advice) = advice.as_ref().filter(|advice| advice.here) {
        return mistake.label(&*advice.label).help(advice.help);
    }
    if let Some(known) = section.keys.iter().find(|known| called(known)) {
        return mistake.label(format!("did you mean `{}`?", known.name));
    }
    if let Some((other, _)) = keys::elsewhere(section, |known| known.name == *key) {
        let mistake = mistake.label(format!("a key of {}", other.place()));
        return match advice.filter(|advice| advice.ours == *key && std::ptr::eq(advice.home, other))
        {
            Some(advice) => mistake.help(advice.help),
            None => mistake,
        };
    }
    if let Some(advice) = advice {
        return mistake.label(advice.label).help(advice.help);
    }
    if let Some((other, known)) = keys::elsewhere(section, called) {
        let place = other.place();
        return mistake.label(format!("did you mean `{}` of {place}?", known.name));
    }
    let names = section.keys.iter().map(|key| key.name);
    match nearest(key, names.clone()) {
        Some(near) => mistake.label(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<_> = names.filter(|name| !name.starts_with('$')).collect();
            let count = names.len().min(12);
            let more = if names.len() > count { ", ..." } else { "" };
            mistake
                .label("unknown key")
                .help(format!("its keys are {}{more}", names[..count].join(", ")))
        }
    }
}

/// A value of a key or in a list, and its expected shape.
#[derive(Clone, Copy)]
pub(crate) struct Field<'n> {
    pub(crate) node: NodeRef<'n>,
    pub(crate) shape: &'static Shape,
    /// Where it is named: its key, or in a list the item itself.
    pub(crate) at: Span,
}

impl<'n> Field<'n> {
    pub(crate) const fn span(&self) -> Span {
        self.node.span()
    }

    /// Reports a value of the wrong type.
    pub(crate) fn wrong_type<T>(&self, findings: &mut Findings) -> Option<T> {
        if self.node.value() != Some(&Value::Unreadable) {
            findings.push(wrong_type(self.node, self.shape));
        }
        None
    }

    /// The value if it is a string.
    pub(crate) fn as_text(&self) -> Option<TextRef<'n>> {
        self.node.text()
    }

    /// A string; reports anything else.
    pub(crate) fn text(&self, findings: &mut Findings) -> Option<TextRef<'n>> {
        self.as_text().or_else(|| self.wrong_type(findings))
    }

    /// The value if it is a boolean.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.node.value()? {
            Value::Bool(value) => Some(*value),
            Value::Text(text) if text.substituted => text.value.parse().ok(),
            _ => None,
        }
    }

    /// A boolean; reports anything else.
    pub(crate) fn bool(&self, findings: &mut Findings) -> Option<Spanned<bool>> {
        match self.as_bool() {
            Some(value) => Some(Spanned::new(value, self.span())),
            None => self.wrong_type(findings),
        }
    }

    /// The value if it is an integer.
    pub(crate) fn as_whole(&self) -> Option<i64> {
        match self.node.value()? {
            Value::Integer(value) => Some(*value),
            Value::Text(text) if text.substituted => text.value.parse().ok(),
            _ => None,
        }
    }

    /// An integer within the range of the key's shape, as the type that holds that range.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, findings: &mut Findings) -> Option<Spanned<T>> {
        let (least, most) = self.shape.range();
        if self.node.value() == Some(&Value::LargeInteger) {
            findings.push(out_of_range(self.span(), least, most));
            return None;
        }
        let Some(value) = self.as_whole() else {
            return self.wrong_type(findings);
        };
        let fitting = (least..=most)
            .contains(&value)
            .then(|| T::try_from(value).ok());
        match fitting.flatten() {
            Some(fitting) => Some(Spanned::new(fitting, self.span())),
            None => {
                findings.push(out_of_range(self.span(), least, most));
                None
            }
        }
    }

    /// A table; reports anything else.
    pub(crate) fn table(
        &self,
        section: &'static Section,
        findings: &mut Findings,
    ) -> Option<Fields<'n>> {
        match self.node.table() {
            Some(table) => Some(Fields::within(table, self.at, section, findings)),
            None => self.wrong_type(findings),
        }
    }

    /// Whether the value is a table.
    pub(crate) const fn is_table(&self) -> bool {
        self.node.table().is_some()
    }

    /// Whether the value is a list.
    pub(crate) fn is_list(&self) -> bool {
        self.node.list().is_some()
    }

    /// The items of a list; where the key's shape allows it, a single value is a list of one.
    pub(crate) fn items(&self, findings: &mut Findings) -> Items<'n> {
        let (shape, one) = match self.shape {
            Shape::List(shape) => (&**shape, false),
            Shape::OneOrMore(shape) => (&**shape, true),
            Shape::Either(shapes) => {
                let list = shapes.iter().find_map(|shape| match shape {
                    Shape::OneOrMore(item) | Shape::List(item) => Some(&**item),
                    _ => None,
                });
                (list.unwrap_or(self.shape), true)
            }
            other => (other, true),
        };
        let (nodes, at) = match self.node.list() {
            Some(items) => (items, None),
            None if one => (tree::Items::One(Some(self.node)), Some(self.at)),
            None => {
                let _: Option<()> = self.wrong_type(findings);
                (tree::Items::One(None), None)
            }
        };
        Items { nodes, shape, at }
    }
}

/// The items of a list.
pub(crate) struct Items<'n> {
    nodes: tree::Items<'n>,
    shape: &'static Shape,
    /// Where a single value in place of the list is named.
    at: Option<Span>,
}

impl Items<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'n> Iterator for Items<'n> {
    type Item = Field<'n>;

    fn next(&mut self) -> Option<Field<'n>> {
        let node = self.nodes.next()?;
        Some(Field {
            node,
            shape: self.shape,
            at: self.at.unwrap_or_else(|| node.span()),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.nodes.size_hint()
    }
}

impl ExactSizeIterator for Items<'_> {}

impl Shape {
    /// The range of the expected integer.
    fn range(&self) -> (i64, i64) {
        match self {
            Self::Whole { least, most } => (*least, *most),
            Self::Either(shapes) => {
                let number = |shape: &&Self| matches!(shape, Self::Whole { .. });
                shapes
                    .iter()
                    .find(number)
                    .map_or((i64::MIN, i64::MAX), Self::range)
            }
            _ => (i64::MIN, i64::MAX),
        }
    }
}

fn wrong_type(node: NodeRef<'_>, shape: &Shape) -> Diagnostic {
    let found = match node.text() {
        Some(text) if text.value.chars().count() <= 40 => {
            format!("the string \"{}\"", shown(text.value))
        }
        _ => node.kind().to_owned(),
    };
    let message = format!("expected {}", shape.describe());
    let mistake = Diagnostic::new(Code::WrongType, node.span(), message);
    let mistake = mistake.label(format!("this is {found}"));
    let time = matches!(shape, Shape::Text { example: "5m", .. });
    match node.value() {
        Some(Value::Integer(number)) if time => mistake.help(format!(
            "times have a unit: \"{number}s\", \"{number}ms\", \"{number}m\""
        )),
        _ => mistake,
    }
}

pub(crate) fn out_of_range(span: Span, least: i64, most: i64) -> Diagnostic {
    let message = if least == most {
        format!("the number must be {least}")
    } else {
        format!("the number must be within {least} and {most}")
    };
    Diagnostic::new(Code::OutOfRange, span, message).label("outside the range")
}

/// Text from the file for a message: without line breaks and of bounded length.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    shown
}

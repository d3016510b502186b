//! The tables of a TOML text: where keys and headers belong.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::source::Span;
use super::super::tree::{Entry, Node, Table, Value};

/// How far back a key is searched. Additions to a table usually follow it closely; a key that was
/// missed is then a duplicate, which a later check finds.
const NEAR: usize = 16;

/// A key and its place.
pub(super) struct Key<'t> {
    pub(super) name: Cow<'t, str>,
    pub(super) span: Span,
}

/// `[path.key]`, or `[[path.key]]` for an entry of a list.
pub(super) struct Header<'t> {
    pub(super) path: Vec<Key<'t>>,
    pub(super) key: Key<'t>,
    pub(super) span: Span,
    pub(super) is_item: bool,
}

/// The table for a part of a dotted key, created if missing. In a table that is being read, such
/// tables are recognized by their key's place.
pub(super) fn dotted<'e, 't>(
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

/// Adds an empty table without a place of its own; returns its index.
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
pub(super) struct Document<'t> {
    pub(super) root: Table<'t>,
    /// The keys, by place, of tables that headers of their subtables created.
    implied: HashSet<Span>,
    /// The same for lists that `[[headers]]` created.
    lists: HashSet<Span>,
}

impl<'t> Document<'t> {
    /// Puts a header's table into its place; without a header it is the root.
    pub(super) fn take_in(
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
                // A table in braces, or of a dotted key, is closed.
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

/// Whether no table has duplicate keys. The depth is bounded, as it was when reading.
pub(super) fn has_unique_keys(table: &Table<'_>) -> bool {
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

//! The lists of discovered servers: files beside the service file that director writes itself.
//!
//! A pool with `discover` takes its servers from `POOL.toml` in the directory of lists, which has the
//! form of a service file with nothing but that pool. So a list is read again, compared and shown like
//! any other file; only `director` may write it.

use std::path::{Path, PathBuf};

use super::decode::Lists;
use super::diagnostic::Findings;
use super::environment::Environment;
use super::files::Files;
use super::source::{FileId, Format, MAX_FILE, Sources};
use super::tree::{Node, NodeRef, Value};
use super::{json, toml};

/// The texts of the lists that a file needs.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The pool, its file, and the text.
    texts: Vec<(String, PathBuf, String)>,
    /// Whether a list does not exist yet, or cannot be read.
    pub(super) lacks: bool,
}

impl Found {
    /// Reads the lists of the pools of a file that discover their servers.
    pub(super) fn read(root: &Node<'_>, environment: &Environment, files: &dyn Files) -> Self {
        let mut found = Self::default();
        for pool in discovering(root) {
            let Some(path) = environment.list(pool) else {
                continue;
            };
            let bytes = files.read(&path).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            match text.filter(|text| text.len() <= MAX_FILE) {
                Some(text) => found.texts.push((pool.to_owned(), path, text)),
                None => found.lacks = true,
            }
        }
        found
    }

    /// Parses them; `next` is the number that the first of them gets among the sources.
    pub(super) fn parse(&self, next: u32, findings: &mut Findings) -> Lists<'_> {
        let numbers = next..;
        let texts = self.texts.iter().zip(numbers);
        let lists = texts.filter_map(|((pool, _, text), number)| {
            let root = toml::parse(FileId(number), text, findings);
            Some((pool.clone(), table(table(root, "pool")?, pool)?))
        });
        lists.collect()
    }

    /// Adds the texts to the sources.
    pub(super) fn add_to(self, sources: &mut Sources) {
        for (_, path, text) in self.texts {
            sources.add(path, text);
        }
    }
}

/// The names of the pools with `discover`.
fn discovering<'n>(root: &'n Node<'_>) -> impl Iterator<Item = &'n str> {
    let entries = |node: &'n Node<'_>, key: &str| match &node.value {
        Value::Table(table) => table.entries.iter().rfind(|entry| entry.key == key),
        _ => None,
    };
    let pools = entries(root, "pool").map(|entry| &entry.node.value);
    let pools = match pools {
        Some(Value::Table(table)) => table.entries.as_slice(),
        _ => &[],
    };
    let discovers = pools.iter().filter(|pool| pool.node.has_key("discover"));
    discovers.map(|pool| &*pool.key)
}

/// The value behind a key.
fn table<'t>(node: Node<'t>, key: &str) -> Option<Node<'t>> {
    let Value::Table(table) = node.value else {
        return None;
    };
    let mut entries = table.entries.into_iter();
    Some(entries.find(|entry| entry.key == key)?.node)
}

/// The value of a JSON or TOML text that is no service file, such as a list of servers that another
/// program wrote.
///
/// # Errors
/// The mistakes in it, for people.
pub fn value(path: &Path, bytes: Vec<u8>) -> Result<serde_json::Value, String> {
    if bytes.len() > MAX_FILE {
        return Err(format!("longer than {MAX_FILE} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let mut sources = Sources::default();
    let file = sources.add(path.to_owned(), text);
    let mut findings = Findings::default();
    let text = sources.file(file).text();
    let tree = match Format::of(path) {
        Format::Toml => Some(toml::parse(file, text, &mut findings)),
        Format::Json => json::parse(file, text, &mut findings),
    };
    let value = tree.and_then(|tree| NodeRef::Node(&tree).to_json());
    if findings.has_errors() {
        let found = findings.into_sorted(&sources);
        return Err(found.first().map_or_else(String::new, |first| {
            let place = first.labels.first().map(|label| label.span.start as usize);
            let at = sources.file(file).position(place.unwrap_or(0));
            format!("line {}, column {}: {}", at.line, at.column, first.message)
        }));
    }
    value.ok_or_else(|| "a value that is neither text, number nor list".to_owned())
}

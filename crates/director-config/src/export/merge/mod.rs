//! One service file that declares what several files declare.
//!
//! ```text
//!   root file ─┐                                           ┌─► its own text, below a header
//!              ├─► trees ─► one tree, in which [defaults] ─┤
//!   includes  ─┘            of several files are spread    └─► TOML, JSON
//! ```
//!
//! Variables of the environment stay as they are written: the tree is that of the texts, before
//! anything is put in. So no secret gets into the file that its author kept out of it.

mod inherit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::diagnostic::Findings;
use super::super::secrets::is_secret;
use super::super::source::{FileId, Format};
use super::super::tree::{Node, NodeRef};
use super::super::{json, toml};
use crate::words::{self, is_hidden, path as shown};
use inherit::Part;

/// Texts by path.
pub type Texts = BTreeMap<PathBuf, String>;

/// One file for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its text.
    pub text: String,
    /// Whether that is the text of the only file, with all its comments.
    pub is_verbatim: bool,
    /// The environment variables that it refers to.
    pub variables: BTreeSet<String>,
    /// Whether a password stands in it, and not only a reference to one.
    pub has_secrets: bool,
}

/// Joins the root file and everything that it includes to one file. The text of `header`, which gets
/// everything but the text, becomes a comment at its start; JSON has none.
///
/// # Errors
/// If no file can declare the same, or a text has mistakes.
pub fn join(
    root: &Path,
    texts: &Texts,
    header: impl FnOnce(&Joined) -> String,
    format: Format,
) -> Result<Joined, String> {
    let own = texts
        .get(root)
        .ok_or_else(|| format!("there is no text of `{}`", shown(root)))?;
    let first = tree_of(root, own)?;
    let is_alone = !first.contains_key("include") && texts.len() == 1;
    let mut parts = vec![Part::new(root.to_owned(), first)];
    for (path, text) in texts.iter().filter(|(path, _)| *path != root) {
        parts.push(Part::new(path.clone(), tree_of(path, text)?));
    }
    let document = inherit::joined(parts)?;
    let mut joined = Joined {
        text: String::new(),
        is_verbatim: false,
        variables: BTreeSet::new(),
        has_secrets: false,
    };
    look(&document, &mut joined);
    // An empty file is a mistake, unless a person forces it.
    joined.is_verbatim =
        format == Format::Toml && is_alone && !document.is_empty() && is_showable(root, own);
    joined.text = match format {
        Format::Json => words::json(format!("{:#}\n", Value::Object(with_version(document)))),
        Format::Toml if joined.is_verbatim => below(&header(&joined), own),
        Format::Toml => below(
            &header(&joined),
            &super::toml::write(&with_version(document)),
        ),
    };
    Ok(joined)
}

/// Whether the text can be shown as it is: TOML whose characters are all visible.
fn is_showable(path: &Path, text: &str) -> bool {
    let hidden = |letter| !matches!(letter, '\n' | '\t') && is_hidden(letter);
    Format::of(path) == Format::Toml && !text.contains(hidden)
}

fn with_version(mut document: Map<String, Value>) -> Map<String, Value> {
    if !document.contains_key("version") {
        document.shift_insert(0, "version".to_owned(), 1.into());
    }
    document
}

/// The text below its header. `#:schema`, which an editor reads, stays the first line.
fn below(header: &str, text: &str) -> String {
    let (directive, rest) = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("#:") => (Some(first), rest),
        _ => (None, text),
    };
    let mut out = String::with_capacity(header.len() + text.len() + 256);
    if let Some(line) = directive {
        out.push_str(line);
        out.push('\n');
    }
    for line in header.lines() {
        out.push_str(if line.is_empty() { "#" } else { "# " });
        out.push_str(line);
        out.push('\n');
    }
    if !header.is_empty() {
        out.push('\n');
    }
    out.push_str(rest);
    out
}

/// The tree of a text.
fn tree_of(path: &Path, text: &str) -> Result<Map<String, Value>, String> {
    let mut findings = Findings::default();
    let file = FileId(0);
    let tree: Option<Node<'_>> = match Format::of(path) {
        Format::Toml => Some(toml::parse(file, text, &mut findings)),
        Format::Json => json::parse(file, text, &mut findings),
    };
    let tree = tree.filter(|_| !findings.has_errors());
    match tree.as_ref().and_then(|tree| NodeRef::Node(tree).to_json()) {
        Some(Value::Object(table)) => Ok(table),
        _ => Err(format!("`{}` is not a service file", shown(path))),
    }
}

/// Notes the variables and the secrets of a tree.
fn look(table: &Map<String, Value>, joined: &mut Joined) {
    for (key, value) in table {
        let is_secret = is_secret(key);
        let is_reference = value.as_str().is_some_and(|text| text.contains("${"));
        look_at(value, joined);
        joined.has_secrets |= is_secret && !is_reference;
    }
}

fn look_at(value: &Value, joined: &mut Joined) {
    match value {
        Value::String(text) => {
            // As `Environment` reads them: `$$` is a dollar sign.
            let mut rest = text.as_str();
            while let Some(found) = rest.find('$') {
                rest = &rest[found + 1..];
                if let Some(after) = rest.strip_prefix('$') {
                    rest = after;
                } else if let Some((name, after)) = rest
                    .strip_prefix('{')
                    .and_then(|inner| inner.split_once('}'))
                {
                    let name = name.split_once(":-").map_or(name, |(name, _)| name);
                    joined.variables.insert(name.to_owned());
                    rest = after;
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| look_at(item, joined)),
        Value::Object(table) => look(table, joined),
        _ => {}
    }
}

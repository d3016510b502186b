//! `${NAME}` and `${NAME:-default}` inside strings.
//!
//! Variables are substituted after parsing, so no variable can change the structure of the file:
//! its value stays inside its string. Keys are not substituted. `$$` is a dollar sign.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::diagnostic::{Diagnostic, Findings};
use super::source::Span;
use super::tree::{Node, Text, TextRef, Value};

/// What a service file may depend on: variables, and the machine that reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    machine: Option<Machine>,
    /// Where the lists of discovered servers are.
    lists: Option<PathBuf>,
}

/// The machine whose `[machine.NAME]` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    /// Its host name, or the one that was asked for.
    pub(super) name: String,
    /// Whether a person asked for it by name.
    pub(super) is_asked: bool,
}

impl Machine {
    /// Whether a section of this name is about it: the host name, or the part before its first dot.
    /// Host names have no case: RFC 1123, 2.1.
    pub(super) fn is(&self, section: &str) -> bool {
        let short = self.name.split('.').next().unwrap_or_default();
        [&*self.name, short]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(section))
    }
}

impl Environment {
    /// The variables of this process, and the machine: `DIRECTOR_MACHINE` or the host name.
    #[must_use]
    pub fn of_process() -> Self {
        let variables: Self = std::env::vars_os().collect();
        if let Some(name) = std::env::var("DIRECTOR_MACHINE")
            .ok()
            .filter(|name| !name.is_empty())
        {
            return variables.on_machine(name);
        }
        let host = nix::unistd::gethostname().ok();
        let machine = host.and_then(|host| host.into_string().ok());
        Self {
            machine: machine.map(|name| Machine {
                name,
                is_asked: false,
            }),
            ..variables
        }
    }

    /// The same on the machine of this name.
    #[must_use]
    pub fn on_machine(mut self, name: impl Into<String>) -> Self {
        self.machine = Some(Machine {
            name: name.into(),
            is_asked: true,
        });
        self
    }

    /// The same with the lists of discovered servers in this directory: a file `POOL.toml` for each
    /// pool. Without it these pools are empty.
    #[must_use]
    pub fn with_lists(mut self, directory: impl Into<PathBuf>) -> Self {
        self.lists = Some(directory.into());
        self
    }

    /// The file with the servers of this pool.
    pub(super) fn list(&self, pool: &str) -> Option<PathBuf> {
        Some(self.lists.as_ref()?.join(format!("{pool}.toml")))
    }

    /// Whether a file is one of the lists.
    pub(super) fn is_list(&self, path: &Path) -> bool {
        self.lists.is_some() && path.parent() == self.lists.as_deref()
    }

    /// The machine, if it is known.
    pub(super) const fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = |(name, value): (N, V)| (name.into(), value.into());
        Self {
            variables: variables.into_iter().map(owned).collect(),
            machine: None,
            lists: None,
        }
    }
}

impl Environment {
    /// Substitutes the variables in every string of a tree.
    pub(super) fn substitute(&self, node: &mut Node<'_>, findings: &mut Findings) {
        match &mut node.value {
            Value::Text(text) if text.value.contains('$') => {
                node.value = match self.expand(text.as_ref(), node.span, findings) {
                    Some(text) => Value::Text(text),
                    None => Value::Unreadable,
                };
            }
            Value::Array(items) => {
                for item in items {
                    self.substitute(item, findings);
                }
            }
            Value::Table(table) => {
                for entry in &mut table.entries {
                    self.substitute(&mut entry.node, findings);
                }
            }
            _ => {}
        }
    }

    fn expand(
        &self,
        text: TextRef<'_>,
        span: Span,
        findings: &mut Findings,
    ) -> Option<Text<'static>> {
        let source = text.value;
        let mut value = String::with_capacity(source.len());
        let mut substituted = false;
        let mut complete = true;
        let mut at = 0;
        while let Some(dollar) = source[at..].find('$').map(|found| at + found) {
            value.push_str(&source[at..dollar]);
            let rest = &source[dollar + 1..];
            if rest.starts_with('$') {
                value.push('$');
                at = dollar + 2;
                continue;
            }
            let Some(inner) = rest.strip_prefix('{') else {
                value.push('$');
                at = dollar + 1;
                continue;
            };
            let Some(length) = inner.find('}') else {
                let place = text.part(span, dollar..source.len());
                findings.push(
                    Diagnostic::new(Code::VariableSyntax, place, "`${` without its `}`").help(
                        "a variable is `${NAME}` or `${NAME:-default}`; a dollar sign is `$$`",
                    ),
                );
                return None;
            };
            let end = dollar + 2 + length + 1;
            let place = text.part(span, dollar..end);
            substituted = true;
            match self.variable(&inner[..length], place, findings) {
                Some(found) => value.push_str(&found),
                None => complete = false,
            }
            at = end;
        }
        value.push_str(&source[at..]);
        complete.then_some(Text {
            value: value.into(),
            verbatim: false,
            substituted,
        })
    }

    fn variable(&self, expression: &str, place: Span, findings: &mut Findings) -> Option<String> {
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let digit_first = name.starts_with(|first: char| first.is_ascii_digit());
        if name.is_empty() || digit_first || !name.bytes().all(plain) {
            let message = format!("`{name}` is not the name of an environment variable");
            findings.push(
                Diagnostic::new(Code::VariableSyntax, place, message)
                    .help("a name has letters, digits and underscores; a dollar sign is `$$`"),
            );
            return None;
        }
        let found = self.variables.get(std::ffi::OsStr::new(name));
        match (found, default) {
            // As in a shell, `:-` also replaces an empty variable.
            (None, Some(default)) => return Some(default.to_owned()),
            (Some(value), Some(default)) if value.is_empty() => return Some(default.to_owned()),
            _ => {}
        }
        let mistake = match found.map(|value| value.to_str()) {
            Some(Some(value)) => return Some(value.to_owned()),
            Some(None) => Diagnostic::new(
                Code::VariableMissing,
                place,
                format!("the environment variable `{name}` is not UTF-8"),
            ),
            None => Diagnostic::new(
                Code::VariableMissing,
                place,
                format!("the environment variable `{name}` is not set"),
            )
            .help(format!(
                "set it, or give it a default: `${{{name}:-default}}`"
            )),
        };
        findings.push(mistake);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn expanded(text: &str) -> (String, Vec<Code>) {
        let environment = Environment::from_iter([("A", "x"), ("EMPTY", ""), ("D", "${A}")]);
        let raw = format!("\"{text}\"");
        let mut sources = Sources::default();
        let file = sources.add("a.toml".into(), raw.clone());
        let span = Span::new(file, 0..raw.len());
        let mut node = Node {
            span,
            value: Value::Text(Text::new(text.into(), &raw)),
        };
        let mut findings = Findings::default();
        environment.substitute(&mut node, &mut findings);
        let value = match node.value {
            Value::Text(text) => text.value.into_owned(),
            _ => String::new(),
        };
        let codes = findings.into_sorted(&sources);
        (value, codes.iter().map(|found| found.code).collect())
    }

    #[test]
    fn variables_defaults_and_dollar_signs() {
        for (text, value) in [
            ("a${A}b${A}", "axbx"),
            ("${EMPTY}|${EMPTY:-y}|${NONE:-z}|${NONE:-}", "|y|z|"),
            ("$${A} $ $5", "${A} $ $5"),
            ("${D}", "${A}"),
            ("${A:-${B}", "x"),
        ] {
            assert_eq!(expanded(text), (value.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_a_mistake() {
        assert_eq!(expanded("${NONE}").1, [Code::VariableMissing]);
        assert_eq!(expanded("${").1, [Code::VariableSyntax]);
        assert_eq!(expanded("${}${1A}${a b}").1.len(), 3);
    }
}

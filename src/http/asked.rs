//! What the query parameters of a `GET` ask for.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use super::failure::Failure;
use crate::control::event::EventKind;
use crate::control::select::{EventFilter, Selection, StateWord, Unmatched, Word};
use crate::history::Filter;

pub(super) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// The parameters of a selection of services and servers.
pub(super) const SELECTION: [&str; 4] = ["name", "service", "server", "state"];

/// The parameters of a request.
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// Takes the parameters; one that is not known is an error.
    pub(super) fn take(query: Parameters, known: &[&[&str]]) -> Result<Self, Failure> {
        let Query(parameters) = query.map_err(|error| Failure::invalid(error.body_text()))?;
        let is_known = |key: &str| known.iter().any(|some| some.contains(&key));
        match parameters.iter().find(|(key, _)| !is_known(key)) {
            Some((key, _)) => Err(Failure::invalid(format!("no parameter `{key}`"))),
            None => Ok(Self(parameters)),
        }
    }

    /// The values of a parameter that can be repeated.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(found, _)| found == key);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter.
    pub(super) fn one<'a>(&'a self, key: &'a str) -> Result<Option<&'a str>, Failure> {
        let mut found = self.all(key);
        let first = found.next();
        match found.next() {
            Some(_) => Err(Failure::invalid(format!("duplicate parameter `{key}`"))),
            None => Ok(first),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Failure> {
        let number = self.one(key)?.map(str::parse).transpose();
        number.map_err(|_| Failure::invalid(format!("`{key}` must be an integer")))
    }

    /// A parameter that is `true` or `false`, the latter by default.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Failure> {
        match self.one(key)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Failure::invalid(format!("`{key}` must be true or false"))),
        }
    }

    fn words(&self, key: &str) -> Vec<Word> {
        self.all(key).map(Word::new).collect()
    }

    /// The services and servers that are asked for.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let states = self.all("state").flat_map(|value| value.split(','));
        let states = states.map(|word| {
            let unknown = || {
                let all = StateWord::all().join(", ");
                Failure::invalid(format!("no state `{word}`; there are {all}"))
            };
            StateWord::named(word).ok_or_else(unknown)
        });
        Ok(Selection {
            names: self.words("name"),
            services: self.words("service"),
            servers: self.words("server"),
            states: states.collect::<Result<_, _>>()?,
        })
    }

    /// The part of the history that is asked for.
    pub(super) fn history(&self) -> Result<Filter, Failure> {
        let milliseconds = |seconds: u64| seconds.saturating_mul(1000);
        let until = self.number("until")?.map(milliseconds);
        Ok(Filter {
            since_ms: self.number("since")?.map(milliseconds),
            until_ms: until.map(|until| until.saturating_add(999)),
            services: self.words("service"),
            servers: self.words("server"),
        })
    }

    /// The events that are asked for.
    pub(super) fn events(&self) -> Result<EventFilter, Failure> {
        let kinds = self.all("kind").flat_map(|value| value.split(','));
        let kinds = kinds.map(|word| {
            let mut all = EventKind::ALL.iter();
            let unknown = || {
                let all: Vec<_> = EventKind::ALL.iter().map(|kind| kind.word()).collect();
                Failure::invalid(format!(
                    "no kind of event `{word}`; there are {}",
                    all.join(", ")
                ))
            };
            let found = all.find(|kind| kind.word() == word);
            found.copied().ok_or_else(unknown)
        });
        let since = self.number("since")?;
        Ok(EventFilter {
            since_ms: since.map(|seconds| seconds.saturating_mul(1000)),
            services: self.words("service"),
            servers: self.words("server"),
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    }
}

impl From<Unmatched> for Failure {
    fn from(unmatched: Unmatched) -> Self {
        Self::not_found(unmatched.to_string())
    }
}

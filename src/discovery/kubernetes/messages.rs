//! What an API server sends: pages of a list, lines of a watch, and errors.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::slices::{Meta, Slice};
use crate::words::printable;

/// The longest part of an error's text that is shown, in characters.
const SHOWN: usize = 200;
/// The status of a version that is too old.
pub(super) const GONE: u16 = 410;

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    kind: String,
    metadata: PageMeta,
    items: Option<Vec<Slice>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

impl Page {
    pub(super) fn decode(body: &[u8]) -> Result<Self, String> {
        let page: Self = decode(body)?;
        match page.kind.as_str() {
            "EndpointSliceList" if page.metadata.resource_version.is_empty() => {
                Err("the list has no `resourceVersion`".to_owned())
            }
            "EndpointSliceList" => Ok(page),
            other => Err(format!(
                "a `{}` instead of EndpointSlices",
                printable(other)
            )),
        }
    }

    /// The version of the whole list, from which a watch goes on.
    pub(super) fn version(&self) -> &str {
        &self.metadata.resource_version
    }

    /// Where the next page begins; `None` on the last one.
    pub(super) fn next(&self) -> Option<&str> {
        let next = &*self.metadata.r#continue;
        (!next.is_empty()).then_some(next)
    }

    pub(super) fn slices(&self) -> &[Slice] {
        self.items.as_deref().unwrap_or_default()
    }
}

/// A line of a watch.
#[derive(Debug)]
pub(super) enum Event {
    /// A slice is new, or changed.
    Put(Slice),
    /// It is gone, or belongs to the Service no more.
    Delete(Slice),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// The version of the watch is too old: what happened since is not known.
    Gone,
    Error(Status),
}

impl Event {
    pub(super) fn decode(line: &[u8]) -> Result<Self, String> {
        let line_of: Line = decode(line)?;
        let event = match line_of.r#type.as_str() {
            "ADDED" | "MODIFIED" => Self::Put(object(line)?),
            "DELETED" => Self::Delete(object(line)?),
            "BOOKMARK" => Self::Bookmark(object::<Bare>(line)?.metadata.resource_version),
            "ERROR" => match object::<Status>(line)? {
                status if status.code == GONE => Self::Gone,
                status => Self::Error(status),
            },
            other => return Err(format!("an event of type `{}`", printable(other))),
        };
        match event.version() {
            Some("") => Err("an event without `resourceVersion`".to_owned()),
            _ => Ok(event),
        }
    }

    /// The version from which a watch goes on after it.
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::Put(slice) | Self::Delete(slice) => Some(&*slice.metadata.resource_version),
            Self::Bookmark(version) => Some(&**version),
            Self::Gone | Self::Error(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
}

#[derive(Deserialize)]
struct With<T> {
    object: T,
}

/// An object; only its version is read.
#[derive(Deserialize)]
struct Bare {
    metadata: Meta,
}

/// An error of the API server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

impl Status {
    /// The error of an HTTP answer: its body is one, or any text of a proxy on the way.
    pub(super) fn of(code: u16, body: &[u8]) -> Self {
        let status = decode::<Self>(body).ok();
        let message = status
            .map(|status| status.message)
            .filter(|text| !text.is_empty());
        let text = || String::from_utf8_lossy(body).trim().to_owned();
        Self {
            code,
            message: message.unwrap_or_else(text),
        }
    }

    pub(super) fn shown(&self) -> String {
        let message: String = self.message.chars().take(SHOWN).collect();
        format!(
            "the API server answers {}: {}",
            self.code,
            printable(&message)
        )
    }
}

fn object<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    decode::<With<T>>(line).map(|with| with.object)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "cannot read what the API server sends: {}",
            printable(&error.to_string())
        )
    })
}

#[cfg(test)]
mod tests;

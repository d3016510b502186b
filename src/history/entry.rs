//! A line of the log.

use std::io;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::by::By;
use super::member::{Part, pack, parts};
use super::picture::{Head, ServicePicture};
use crate::control::event;

/// The version that this program reads and writes. A reader ignores fields that it does not know, so
/// it grows only if old fields change their meaning.
pub(super) const VERSION: u32 = 1;

/// A line. Apart from the time, it has exactly one of the fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The time, in milliseconds since 1970.
    pub(super) at: u64,
    /// The first line of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<Header>,
    /// A part of the full picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<Box<Whole>>,
    /// The full picture ends here; it had so many services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) complete: Option<usize>,
    /// What is not part of a service, as it is from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<Box<Head>>,
    /// A change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<Box<Change>>,
    /// An event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<Box<Event>>,
    /// The service files that are in force from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<Arc<Files>>,
    /// A director started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started: Option<Started>,
    /// It stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stopped: Option<Stopped>,
    /// So many events are not in the log, because it could not be written in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<u64>,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
}

/// A service within a full picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    pub(super) listen: ServiceKey,
    pub(super) picture: ServicePicture,
}

/// A change of a service or of one of its servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) listen: ServiceKey,
    /// The server, or none for the service itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<ServerKey>,
    pub(super) by: By,
    /// A merge patch; null if it is gone.
    pub(super) patch: Value,
}

/// An event, as the director had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listen: Option<ServiceKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<ServerKey>,
    pub(super) text: Arc<str>,
}

impl From<&event::Event> for Event {
    fn from(event: &event::Event) -> Self {
        Self {
            kind: event.kind.word().to_owned(),
            service: event.service.clone(),
            listen: event.listen,
            server: event.server,
            text: event.text.clone(),
        }
    }
}

/// Service files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The path of the root file.
    pub root: String,
    /// The paths and texts of all.
    pub files: Vec<(String, String)>,
}

/// A director started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) version: String,
    pub(super) pid: u32,
}

/// A director stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stopped {
    /// Whether it deletes its services, now or when they are drained.
    pub(super) deletes: bool,
}

/// Service files as they are kept until the next picture: packed, a tenth of their size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept(Vec<u8>);

impl Kept {
    /// # Errors
    /// Those of the packer: the files have more than 4 GiB.
    pub(super) fn of(files: &Files) -> io::Result<Self> {
        pack(0, &serde_json::to_vec(files)?).map(Self)
    }

    /// The files, to be written.
    pub(super) fn files(&self) -> Option<Arc<Files>> {
        let part = parts(&self.0).next()?;
        let Part::Member(_, packed) = part else {
            return None;
        };
        serde_json::from_slice(&packed.unpack()?).ok()
    }
}

impl Entry {
    pub(super) fn at(at: u64) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }
}

/// Appends lines as JSON.
pub(super) fn lines<'e>(bytes: &mut Vec<u8>, entries: impl IntoIterator<Item = &'e Entry>) {
    for entry in entries {
        // Strings, numbers, maps with string keys; a name that is not UTF-8 cannot be declared.
        let before = bytes.len();
        if serde_json::to_writer(&mut *bytes, entry).is_err() {
            bytes.truncate(before);
            continue;
        }
        bytes.push(b'\n');
    }
}

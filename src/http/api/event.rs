//! `GET /v1/events`: a stream of lines, each a JSON object.

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

/// A line of the stream, as a reader takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// Something happened.
    Event(Event),
    /// So many events before the next line are no longer kept, or were never read in time.
    Missed {
        /// How many.
        missed: u64,
        /// The number of the event that comes next.
        next: u64,
    },
    /// All is read so far; while following, sent again now and then to show that it lives.
    Next {
        /// The number that the next event will have: `from` of the next call.
        next: u64,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; they grow by one, and start anew with the director.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What kind of event it is, as [`EventKind::word`] has it; a newer director may have others.
    ///
    /// [`EventKind::word`]: crate::control::event::EventKind::word
    pub kind: String,
    /// The service's name in the file, where it is about one.
    pub service: Option<String>,
    /// Its listen address.
    pub listen: Option<ServiceKey>,
    /// The server, where it is about one.
    pub server: Option<ServerKey>,
    /// In words.
    pub text: String,
}

//! `GET /v1/events`: a stream of lines, each a JSON object.

use ipvs::{ServerKey, ServiceKey};
use serde::{Deserialize, Serialize};

/// A line of the event stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// An event.
    Event(Event),
    /// The reader missed events before the next line: the director no longer keeps them, or they
    /// were not read in time.
    Missed {
        /// The number of missed events.
        missed: u64,
        /// The number of the next event.
        next: u64,
    },
    /// The reader has received everything so far. While following, sent at intervals as a
    /// heartbeat.
    Next {
        /// The number of the next event: `from` for the next call.
        next: u64,
    },
}

/// An event, as people and programs see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's number; grows by one, and restarts with the director.
    pub id: u64,
    /// The time, in milliseconds since 1970.
    pub at_ms: u64,
    /// What kind of event it is, as [`EventKind::word`] has it; a newer director may have others.
    ///
    /// [`EventKind::word`]: crate::control::event::EventKind::word
    pub kind: String,
    /// The service's name in the file, if the event concerns one.
    pub service: Option<String>,
    /// The service's listen address.
    pub listen: Option<ServiceKey>,
    /// The server, if the event concerns one.
    pub server: Option<ServerKey>,
    /// The description for people.
    pub text: String,
}

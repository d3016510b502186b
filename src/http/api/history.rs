//! `GET /v1/history`: lines, each a JSON object.

use serde::{Deserialize, Serialize};

use crate::history::Row;

/// From when to when the history is kept, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistorySpan {
    /// The first second that is known.
    pub begins: u64,
    /// The director's clock.
    pub now: u64,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HistoryLine {
    /// Something that is not known any more.
    Lost {
        /// What it is, for people.
        lost: String,
    },
    /// Something that changed or happened.
    Row(Row),
}

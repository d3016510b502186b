//! `GET /v1/history`: lines, each a JSON object.

use serde::{Deserialize, Serialize};

use crate::history::Row;

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

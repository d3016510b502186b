//! Changes in their form on disk.

use ipvs::Operation;
use serde::{Deserialize, Serialize};

use crate::plan::Change;
use crate::state::Sysctl;

/// A [`Change`] in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// An operation on the tables.
    Operation(Operation),
    /// A sysctl to write.
    Sysctl {
        /// The name of its file.
        name: Sysctl,
        /// Its new value.
        value: String,
    },
}

impl From<&Change> for Record {
    fn from(change: &Change) -> Self {
        match change {
            Change::Operation(operation) => Self::Operation(*operation),
            Change::Sysctl { sysctl, value } => Self::Sysctl {
                name: *sysctl,
                value: value.clone(),
            },
        }
    }
}

impl From<Record> for Change {
    fn from(record: Record) -> Self {
        match record {
            Record::Operation(operation) => Self::Operation(operation),
            Record::Sysctl { name, value } => Self::Sysctl {
                sysctl: name,
                value,
            },
        }
    }
}

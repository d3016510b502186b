//! `GET /v1/files`: the service files in force, for `director export`.

use serde::{Deserialize, Serialize};

/// The service files in force, as the director read them: those on disk may be newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// The path of the root file, one of `files`.
    pub root: String,
    /// The root file and the files that it includes, ordered by path.
    pub files: Vec<File>,
}

/// A service file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The path, as given to the director or found by an `include`.
    pub path: String,
    /// The whole text, with references to variables as they are written.
    pub text: String,
}

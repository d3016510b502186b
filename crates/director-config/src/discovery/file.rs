//! `type = "file"`: a list that another program writes.

use std::path::PathBuf;

use super::{Kind, Source};
use crate::decode::fields::Fields;
use crate::diagnostic::Findings;
use crate::keys::{key, required, section, text, words};
use crate::kinds::tls::absolute;
use crate::vocabulary::word;

/// A file with servers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileSource {
    /// Its absolute path; `.json` is JSON, everything else TOML.
    pub path: PathBuf,
}

pub(super) static FILE: Kind = Kind {
    word: word("file", "A file that another program writes.").alias(&["file_sd"]),
    section: &SECTION,
    decode,
};

section!(
    SECTION,
    "a file source",
    "A JSON or TOML file with a list of servers, or in the form of Prometheus' `file_sd`.",
    [
        key(
            "type",
            words(std::slice::from_ref(&FILE.word)),
            "The kind of source."
        ),
        required(
            "path",
            text("/etc/director/app.json"),
            "Its absolute path. Programs that write it should replace it as a whole.",
        )
        .alias(&["file", "files"]),
    ]
);

fn decode(fields: &Fields<'_>, findings: &mut Findings) -> Option<Source> {
    let path = fields.require("path", findings)?;
    let path = absolute(&path, findings)?;
    Some(Source::File(FileSource { path: path.into() }))
}

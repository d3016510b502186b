//! The files of the log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::entry::{Entry, VERSION};
use super::member::{Part, parts};
use crate::regular;
use crate::words::{count, path as shown};

/// The directory of the log, within that of a network namespace's state.
pub const DIRECTORY: &str = "history";

/// The longest file that is read, in bytes.
const LONGEST: u64 = 256 << 20;

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
}

impl Segment {
    pub(super) fn new(directory: &Path, number: u64) -> Self {
        Self {
            number,
            path: directory.join(format!("{number:08}.json.gz")),
        }
    }

    /// The number of a file with this name.
    fn numbered(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".json.gz")?;
        let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    }

    /// The files of a directory, the oldest first; none if it does not exist.
    pub(super) fn all(directory: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(number) = name.to_str().and_then(Self::numbered) {
                let path = directory.join(&name);
                all.push(Self { number, path });
            }
        }
        all.sort();
        Ok(all)
    }

    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        regular::read_no_link(&self.path, LONGEST)
    }

    /// The time of the first record, in milliseconds; `None` if nothing is readable.
    pub(super) fn begins(&self) -> Option<u64> {
        use std::io::Read;
        let mut head = [0; 64];
        let mut file = regular::open_no_link(&self.path).ok()?;
        let mut length = 0;
        while let Ok(read @ 1..) = file.read(&mut head[length..]) {
            length += read;
        }
        super::member::starts(&head[..length]).or_else(|| {
            let bytes = self.read().ok()?;
            parts(&bytes).find_map(|part| match part {
                Part::Member(at, _) => Some(at),
                _ => None,
            })
        })
    }
}

/// What a file has, record by record.
#[derive(Debug)]
pub(super) enum Piece {
    /// The lines of a record.
    Record(Vec<Entry>),
    /// Something that cannot be read.
    Lost(String),
    /// A newer director wrote the file; the rest of it is not read.
    Newer(String),
    /// The last record was not written to its end.
    Torn(usize),
}

/// Reads the records of a file, until `each` returns `false`.
pub(super) fn pieces(segment: &Segment, bytes: &[u8], mut each: impl FnMut(u64, Piece) -> bool) {
    let mut last = 0;
    for part in parts(bytes) {
        let (at, piece) = match part {
            Part::Member(at, packed) => {
                let lines = packed.unpack();
                let length = packed.length();
                let read = lines.map(|lines| record(segment, &lines));
                (at, read.unwrap_or_else(|| damaged(segment, length)))
            }
            Part::Damaged(length) => (last, damaged(segment, length)),
            Part::Torn(length) => (last, Piece::Torn(length)),
        };
        last = at;
        let is_newer = matches!(piece, Piece::Newer(_));
        if !each(at, piece) || is_newer {
            return;
        }
    }
}

fn damaged(segment: &Segment, length: usize) -> Piece {
    let bytes = count(length, "byte", "bytes");
    Piece::Lost(format!(
        "{bytes} of {} cannot be read",
        shown(&segment.path)
    ))
}

fn record(segment: &Segment, lines: &[u8]) -> Piece {
    let lines = lines.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    let mut entries = Vec::new();
    for line in lines {
        let entry: Entry = match serde_json::from_slice(line) {
            Ok(entry) => entry,
            Err(error) => {
                let path = shown(&segment.path);
                return Piece::Lost(format!("cannot parse a record of {path}: {error}"));
            }
        };
        if let Some(header) = &entry.log
            && header.version > VERSION
        {
            let path = shown(&segment.path);
            let version = header.version;
            return Piece::Newer(format!(
                "{path} has version {version}, and this director reads version {VERSION}: a newer \
                 one wrote it"
            ));
        }
        entries.push(entry);
    }
    Piece::Record(entries)
}

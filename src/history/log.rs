//! Writes the log: files of bounded size; the oldest are deleted first.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::entry::{Entry, Files, Header, Started, Stopped, VERSION, Whole, lines};
use super::member::pack;
use super::picture::{Head, Picture, ServicePicture};
use super::segment::{DIRECTORY, Piece, Segment, pieces};
use crate::control::snapshot::Snapshot;
use crate::state::health::HistoryLimits;

/// The size of a record's lines at which the next one begins, in bytes.
const RECORD: usize = 64 * 1024;
/// A file takes changes up to this share of all, at least and at most so many bytes.
const SHARE: u64 = 8;
const SMALLEST: u64 = 128 * 1024;
const LARGEST: u64 = 8 << 20;
/// The longest time that a file covers.
const DAY: Duration = Duration::from_secs(86_400);

/// The log of one network namespace, for the one director that writes it.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    /// The files before the open one, with their lengths.
    older: Vec<(Segment, u64)>,
    open: Option<Open>,
    /// The number of the next file.
    next: u64,
}

#[derive(Debug)]
struct Open {
    segment: Segment,
    file: File,
    /// How much of it counts.
    length: u64,
    /// How much of that is the picture at its start.
    picture: u64,
    /// When it began, in milliseconds since 1970.
    began: u64,
}

/// What a log has from an earlier director.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The state at its end.
    pub(super) picture: Option<Picture>,
    /// The files in force at its end.
    pub(super) files: Option<Arc<Files>>,
    /// What cannot be read.
    pub(super) lost: Vec<String>,
}

impl Log {
    /// A log in the state directory of a network namespace. Does not touch the disk yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self {
            directory: state.join(DIRECTORY),
            older: Vec::new(),
            open: None,
            next: 1,
        }
    }

    /// Opens the log, without the record that a crash cut off, and goes on in its last file.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn resume(&mut self) -> io::Result<Left> {
        make(&self.directory)?;
        let mut left = Left::default();
        let all = Segment::all(&self.directory)?;
        self.next = all.last().map_or(1, |last| last.number.saturating_add(1));
        (self.open, self.older) = (None, Vec::new());
        for segment in all {
            let length = fs::metadata(&segment.path)?.len();
            self.older.push((segment, length));
        }
        while let Some((segment, length)) = self.older.pop() {
            let bytes = match segment.read() {
                Ok(bytes) => bytes,
                Err(error) => {
                    let path = segment.path.display();
                    left.lost.push(format!("cannot read {path}: {error}"));
                    self.older.push((segment, length));
                    break;
                }
            };
            let end = End::of(&segment, &bytes);
            let counts = length.saturating_sub(end.torn);
            left.lost.extend(end.lost);
            if end.is_newer || end.is_damaged {
                self.older.push((segment, length));
                left.picture = end.picture;
                left.files = end.files;
                break;
            }
            // The picture was not finished, so nothing but the picture is in it.
            let Some(picture) = end.picture else {
                fs::remove_file(&segment.path)?;
                continue;
            };
            let file = append_to(&segment.path)?;
            file.set_len(counts)?;
            (left.picture, left.files) = (Some(picture), end.files);
            self.open = Some(Open {
                segment,
                file,
                length: counts,
                picture: end.picture_length,
                began: end.began,
            });
            break;
        }
        Ok(left)
    }

    /// Whether a file is open.
    pub(super) const fn has_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a new file is due.
    pub(super) fn is_due(&self, at: u64, limits: HistoryLimits) -> bool {
        let Some(open) = &self.open else {
            return true;
        };
        let share = (limits.size / SHARE).clamp(SMALLEST, LARGEST);
        let covered = Duration::from_millis(at.saturating_sub(open.began));
        let is_there = fs::symlink_metadata(&open.segment.path).is_ok();
        !is_there
            || open.length - open.picture > share.max(open.picture)
            || open.length > limits.size
            || covered > (limits.age / 7).min(DAY)
    }

    /// Begins a new file with a picture.
    ///
    /// # Errors
    /// Those of the file system; the log then goes on in the earlier file.
    pub(super) fn begin(
        &mut self,
        at: u64,
        snapshot: &Snapshot,
        files: Option<Arc<Files>>,
    ) -> io::Result<()> {
        make(&self.directory)?;
        let segment = Segment::new(&self.directory, self.next);
        let made = create(&segment.path).and_then(|mut file| {
            let length = picture(&mut file, at, snapshot, files)?;
            file.sync_all()?;
            Ok((file, length))
        });
        let (file, length) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = fs::remove_file(&segment.path);
                return Err(error);
            }
        };
        // The name, too, survives a power cut.
        File::open(&self.directory)?.sync_all()?;
        self.next = self.next.saturating_add(1);
        let before = self.open.replace(Open {
            segment,
            file,
            length,
            picture: length,
            began: at,
        });
        self.older
            .extend(before.map(|open| (open.segment, open.length)));
        Ok(())
    }

    /// Appends the entries that `fill` adds: all of them, or none.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` without an open file.
    pub(super) fn append(&mut self, fill: impl FnOnce(&mut Batch<'_>)) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut batch = Batch::new(&mut open.file);
        fill(&mut batch);
        match batch.end() {
            Ok(written) => {
                open.length += written;
                Ok(())
            }
            Err(error) => {
                // If even that fails, the next start finds a torn record.
                let _ = open.file.set_len(open.length);
                Err(error)
            }
        }
    }

    /// Puts what was written onto the disk.
    ///
    /// # Errors
    /// Those of fdatasync(2).
    pub(super) fn sync(&self) -> io::Result<()> {
        self.open
            .as_ref()
            .map_or(Ok(()), |open| open.file.sync_data())
    }

    /// Removes the oldest files that are beyond the limits. A file is as old as its last record,
    /// which is where the next one begins.
    pub(super) fn prune(&mut self, at: u64, limits: HistoryLimits) {
        let age = u64::try_from(limits.age.as_millis()).unwrap_or(u64::MAX);
        while let Some((oldest, _)) = self.older.first() {
            let open = self.open.as_ref();
            let lengths = self.older.iter().map(|(_, length)| *length);
            let total: u64 = lengths.chain(open.map(|open| open.length)).sum();
            let next = self.older.get(1).map(|(next, _)| next.begins());
            let next = next.unwrap_or_else(|| open.map(|open| open.began));
            let is_old = next.is_some_and(|next| next.saturating_add(age) < at);
            if total <= limits.size && !is_old {
                return;
            }
            if let Err(error) = fs::remove_file(&oldest.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, "cannot remove an old file of the history");
            }
            self.older.remove(0);
        }
    }

    /// The bytes on disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        let lengths = self.older.iter().map(|(_, length)| *length);
        lengths
            .chain(self.open.as_ref().map(|open| open.length))
            .sum()
    }
}

/// Lines on their way into a file.
pub(super) struct Batch<'f> {
    file: &'f mut File,
    at: u64,
    lines: Vec<u8>,
    written: u64,
    failed: Option<io::Error>,
}

impl<'f> Batch<'f> {
    fn new(file: &'f mut File) -> Self {
        Self {
            file,
            at: 0,
            lines: Vec::new(),
            written: 0,
            failed: None,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        if self.failed.is_some() {
            return;
        }
        if self.lines.is_empty() {
            self.at = entry.at;
        }
        lines(&mut self.lines, [entry]);
        if self.lines.len() >= RECORD {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() || self.failed.is_some() {
            return;
        }
        let packed = pack(self.at, &lines);
        match packed.and_then(|bytes| self.file.write_all(&bytes).map(|()| bytes.len())) {
            Ok(length) => self.written += length as u64,
            Err(error) => self.failed = Some(error),
        }
    }

    fn end(mut self) -> io::Result<u64> {
        self.flush();
        self.failed.map_or(Ok(self.written), Err)
    }
}

/// Writes the full picture; returns its length.
fn picture(
    file: &mut File,
    at: u64,
    snapshot: &Snapshot,
    files: Option<Arc<Files>>,
) -> io::Result<u64> {
    let mut batch = Batch::new(file);
    let line = || Entry::at(at);
    batch.add(&Entry {
        log: Some(Header { version: VERSION }),
        ..line()
    });
    batch.add(&Entry {
        head: Some(Box::new(Head::of(snapshot))),
        ..line()
    });
    for (listen, status) in &snapshot.services {
        let whole = Whole {
            listen: *listen,
            picture: ServicePicture::of(status),
        };
        batch.add(&Entry {
            service: Some(Box::new(whole)),
            ..line()
        });
    }
    batch.add(&Entry {
        files,
        complete: Some(snapshot.services.len()),
        ..line()
    });
    batch.end()
}

/// A line that a director started.
pub(super) fn started(at: u64) -> Entry {
    Entry {
        started: Some(Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
        }),
        ..Entry::at(at)
    }
}

/// A line that it stopped.
pub(super) fn stopped(at: u64, deletes: bool) -> Entry {
    Entry {
        stopped: Some(Stopped { deletes }),
        ..Entry::at(at)
    }
}

/// The state at the end of a file.
#[derive(Debug, Default)]
struct End {
    picture: Option<Picture>,
    files: Option<Arc<Files>>,
    began: u64,
    picture_length: u64,
    torn: u64,
    is_newer: bool,
    is_damaged: bool,
    lost: Vec<String>,
}

impl End {
    fn of(segment: &Segment, bytes: &[u8]) -> Self {
        let mut end = Self {
            began: segment.begins().unwrap_or_default(),
            ..Self::default()
        };
        let mut state = super::reader::State::default();
        pieces(segment, bytes, |_, piece| {
            match piece {
                Piece::Record(entries) => {
                    for entry in entries {
                        end.lost.extend(state.apply(entry).err());
                    }
                }
                Piece::Newer(why) => {
                    end.is_newer = true;
                    end.lost.push(why);
                }
                Piece::Lost(why) => {
                    end.is_damaged = true;
                    end.lost.push(why);
                }
                Piece::Torn(length) => end.torn = length as u64,
            }
            true
        });
        end.files = state.files;
        if state.is_complete {
            end.picture = Some(state.picture);
        }
        end
    }
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn append_to(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    OpenOptions::new()
        .append(true)
        .custom_flags(flags.bits())
        .open(path)
}

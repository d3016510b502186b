//! History: what the tables and states were, on disk and bounded.
//!
//! ```text
//!   snapshot, events ─► recorder.rs: what changed ─► log.rs ─► history/00000007.json.gz
//!                        picture.rs, patch.rs         member.rs: gzip members of JSON lines
//!
//!   history/*.json.gz ─► segment.rs ─► reader.rs ─┬─► the tables at a time ─► compare.rs: a plan
//!                                                 ├─► rows.rs: what changed, by what
//!                                                 └─► the service files at a time
//! ```
//!
//! - **A file begins with a full picture**, and goes on with changes (RFC 7396 merge patches) and
//!   events. Old files go as a whole.
//! - **A record is a gzip member** with its length and checksum, so a crash loses the last record at
//!   most, and damage loses what it touches. `zcat` shows everything.
//! - **What was not written stays owed**: the recorder moves on only once a record is in the file, so
//!   after a full disk the next record has everything that changed since.
//!
//! `docs/history.md` describes the format.

mod by;
mod cause;
mod compare;
mod entry;
mod log;
mod member;
mod patch;
mod picture;
mod reader;
mod recorder;
mod rows;
mod segment;

pub use by::By;
pub use compare::{plan, tables};
pub use entry::Files;
pub use log::Log;
pub use picture::{Head, Picture, ServerPicture, ServicePicture, Set};
pub use reader::{At, FilesAt, Reader};
pub use recorder::Recorder;
pub use rows::{Changed, Filter, Row};
pub use segment::DIRECTORY;

#[cfg(test)]
mod tests;

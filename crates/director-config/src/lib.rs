//! The service file: decoding with positions, verification, export, schema and diagnostics.
//!
//! ```text
//! TOML ─┐                                             ┌─► Desired, Watch
//!       ├─► one tree with places ─► declaration ─► verify
//! JSON ─┘   variables put in        (decode)          └─► diagnostics ─► text, JSON
//!
//! Observed ─► Desired ─► export ─► TOML, JSON
//! files and their includes ─► join ─► one file
//! ```
//!
//! - **All mistakes in one run.** Nothing stops at the first one: a part that cannot be read is
//!   reported and left out, and what depends on it is not reported again.
//! - **The cost of re-reading depends on what changed** (`again`): a [`Reader`] keeps the texts and
//!   their result.
//! - **One table of keys** (`keys`) for the decoder, the messages and the schema.
//! - **Every kernel state can be written.** A table that is exported and loaded again is the same
//!   table, however odd; what would be a mistake is then a warning under `as_is = true`.
//! - Nothing here talks to a kernel, and only [`Disk`] to the file system.

mod again;
mod allowance;
mod code;
mod decode;
mod diagnostic;
mod dialects;
mod discovery;
mod environment;
mod export;
mod files;
mod json;
mod keys;
mod kinds;
mod lists;
mod load;
mod model;
pub mod regular;
mod render;
mod report;
mod resolve;
mod schema;
mod secrets;
mod shape;
mod source;
pub mod state;
mod suggest;
mod toml;
mod tree;
mod verify;
mod vocabulary;
pub mod words;

pub use again::{Extent, Reader, Reading, Services};
pub use code::{Code, Severity};
pub use decode::name::problem as name_problem;
pub use diagnostic::{Diagnostic, Label, NotShown, Note};
pub use environment::Environment;
pub use export::{Joined, Texts, declared, export, join, object};
pub use files::{Disk, Files, Memory};
pub use lists::value;
pub use load::{Parsed, load, load_forced, load_from, load_text};
pub use render::Style;
pub use schema::schema;
pub use shape::Shape;
pub use source::{FileId, Format, MAX_FILE, Position, Source, Sources, Span};

//! The service file: decoded with places, verified, exported; its schema and its diagnostics.
//!
//! ```text
//! TOML ─┐                                             ┌─► Desired, Watch
//!       ├─► one tree with places ─► declaration ─► verify
//! JSON ─┘   variables put in        (decode)          └─► diagnostics ─► text, JSON
//!
//! Observed ─► Desired ─► export ─► TOML, JSON
//! ```
//!
//! - **Every mistake at once.** Nothing stops at the first: a part that cannot be read is
//!   reported and left out, and what depends on it is not reported again.
//! - **Again costs by what changed** (`again`): a [`Reader`] keeps the texts and what they came to.
//! - **One table of keys** (`keys`) for the decoder, the messages and the schema.
//! - **What a kernel holds can be written.** A table that was exported and is loaded again is the
//!   same table, odd as it may be; what would be a mistake then is a warning under `as_is = true`.
//! - Nothing in here talks to a kernel, and nothing but [`Disk`] to the file system.

mod again;
mod code;
mod decode;
mod diagnostic;
mod environment;
mod export;
mod files;
mod json;
mod keys;
mod kinds;
mod load;
mod model;
pub mod regular;
mod render;
mod report;
mod resolve;
mod schema;
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
pub use diagnostic::{Diagnostic, Label, NotShown, Note};
pub use environment::Environment;
pub use export::{declared, export};
pub use files::{Disk, Files, Memory};
pub use load::{Outcome, load, load_forced, load_from, load_text};
pub use render::Style;
pub use schema::schema;
pub use shape::Shape;
pub use source::{FileId, Format, MAX_FILE, Position, Source, Sources, Span};

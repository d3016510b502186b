//! Writes a service file that declares a given table.
//!
//! ```text
//! Observed ── declared ──► Desired ── group ──► services and pools ── document ──► TOML, JSON
//! files of a director ── join ──► one file
//! ```
//!
//! Loading an exported file gives the same table: [`group`] checks each service that it writes with
//! the rules for reading it ([`resolve`](super::resolve)), and uses a longer form where the short
//! one would differ. Names that are not UTF-8 (the kernel allows them for interfaces) are the
//! exception.

mod document;
mod group;
mod merge;
pub mod object;
mod observed;
mod pools;
mod toml;

pub use merge::{Joined, Texts, join};
pub use observed::declared;

use super::source::Format;
use crate::state::Desired;
use crate::words::json;

/// The service file that declares a table.
///
/// Ordered by key, so that two exports of one table are equal.
#[must_use]
pub fn export(desired: &Desired, format: Format) -> String {
    let document = document::document(desired);
    match format {
        Format::Toml => toml::write(&document),
        Format::Json => json(format!("{:#}\n", serde_json::Value::Object(document))),
    }
}

//! From a table to a service file that declares it.
//!
//! ```text
//! Observed ── declared ──► Desired ── group ──► services and pools ── document ──► TOML, JSON
//! ```
//!
//! What is exported and loaded again is the same table: [`group`] checks each service that it
//! writes with the same rules by which it will be read ([`resolve`](super::resolve)), and writes
//! it in a longer form where the short one would not say the same. Names that are not UTF-8 (the
//! kernel allows that of interfaces) are the exception.

mod document;
mod group;
mod observed;
mod toml;

pub use observed::declared;

use super::source::Format;
use crate::state::Desired;
use crate::words::json;

/// The service file that declares a table.
///
/// The order is that of the keys, so that two exports of one table are equal.
#[must_use]
pub fn export(desired: &Desired, format: Format) -> String {
    let document = document::document(desired);
    match format {
        Format::Toml => toml::write(&document),
        Format::Json => json(format!("{:#}\n", serde_json::Value::Object(document))),
    }
}

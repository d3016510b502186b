//! The kinds of sources.

use super::listed::Answered;
use super::{dns, file};
use crate::state::discovery::Source;

/// Asks a source, which may take half a minute.
#[must_use]
pub fn ask(source: &Source) -> Answered {
    match source {
        Source::File(source) => file::ask(source),
        Source::Dns(source) => dns::ask(source),
    }
}

//! The kinds of sources.

use super::etcd::Etcd;
use super::listed::{Answered, Asker};
use super::{dns, file};
use crate::state::discovery::{DnsSource, FileSource, Source};

/// An asker of a source. Does not connect yet.
#[must_use]
pub fn asker(source: &Source) -> Box<dyn Asker + Send> {
    match source {
        Source::File(source) => Box::new(source.clone()),
        Source::Dns(source) => Box::new(source.clone()),
        Source::Etcd(source) => Box::new(Etcd::new(source)),
    }
}

impl Asker for FileSource {
    fn ask(&mut self) -> Answered {
        file::ask(self)
    }
}

impl Asker for DnsSource {
    fn ask(&mut self) -> Answered {
        dns::ask(self)
    }
}

//! The kinds of sources.

use super::consul::Consul;
use super::etcd::Etcd;
use super::kubernetes::Kubernetes;
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
        Source::Consul(source) => Box::new(Consul::new(source)),
        Source::Kubernetes(source) => Box::new(Kubernetes::new(source)),
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

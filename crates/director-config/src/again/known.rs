//! The last reading without diagnostics, as a base for the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::load::Parsed;
use super::super::shape::is_blank;
use super::super::source::{Format, Source};
use super::super::verify::MAX_SERVERS;
use super::Services;
use super::file::{Changed, File};
use super::pools::Uses;
use super::sections::Section;
use crate::state::DesiredService;
use crate::state::health::ServiceWatch;

#[derive(Debug)]
pub(super) struct Known {
    /// In reading order.
    pub(super) files: Vec<File>,
    pub(super) services: Services,
    /// The number of their servers, as counted against [`MAX_SERVERS`].
    pub(super) servers: usize,
    pub(super) uses: Uses,
    /// Files that checks need and that existed.
    pub(super) needed: BTreeSet<PathBuf>,
}

impl Known {
    /// A reading as a base; `None` if the sections of its files cannot be told.
    pub(super) fn of(
        texts: Vec<(PathBuf, Arc<Vec<u8>>)>,
        outcome: &mut Parsed,
        services: &Services,
        needed: BTreeSet<PathBuf>,
    ) -> Option<Self> {
        let files = texts.into_iter().map(|(path, text)| file(path, text));
        let files: Vec<File> = files.collect::<Option<_>>()?;
        // Dotted keys and tables in braces can declare services as well.
        let named: BTreeSet<&str> = files.iter().flat_map(File::services).collect();
        let declared = services.values().map(|(service, _)| &*service.name);
        if named != declared.collect() {
            return None;
        }
        Some(Self {
            files,
            services: services.clone(),
            servers: services.values().map(counted).sum(),
            uses: Uses::of(&mut outcome.uses),
            needed,
        })
    }

    /// The files to read for the first time. Their services count as changed, and so do those of
    /// files that are no longer included. `None` if it is unclear whether they fit the parts that
    /// are not read.
    pub(super) fn fresh(
        &self,
        outcome: &mut Parsed,
        sections: &[Option<Vec<Section>>],
        changed: &mut Changed,
    ) -> Option<Vec<File>> {
        let read: BTreeSet<&Path> = outcome.sources.iter().map(Source::path).collect();
        let is_read = |file: &File| read.contains(&*file.path);
        // A file that could not be read at first, and then could.
        let mut both = self.files.iter().zip(sections);
        if both.any(|(file, sections)| sections.is_none() && is_read(file)) {
            return None;
        }
        let (stay, gone): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| is_read(file));
        // A pool may have disappeared with a file, or lost its only user.
        if !gone.is_empty() && !self.uses.is_empty() {
            return None;
        }
        let left = gone.into_iter().flat_map(File::services);
        changed.services.extend(left.map(str::to_owned));
        if read.len() == stay.len() {
            return Some(Vec::new());
        }
        let paths: BTreeSet<&Path> = stay.iter().map(|file| &*file.path).collect();
        let texts = outcome.sources.take_texts().into_iter();
        let fresh = texts.filter(|(path, _)| !paths.contains(&**path));
        let fresh: Vec<File> = fresh
            .map(|(path, text)| file(path, text))
            .collect::<Option<_>>()?;
        // A service left out of another file would be declared twice.
        let left_out = stay.into_iter().flat_map(File::services);
        let left_out: BTreeSet<&str> = left_out
            .filter(|name| !changed.services.contains(*name))
            .collect();
        for name in fresh.iter().flat_map(File::services) {
            if left_out.contains(name) {
                return None;
            }
            changed.services.insert(name.to_owned());
        }
        Some(fresh)
    }

    /// Replaces the earlier texts by those just read.
    pub(super) fn turn(
        &mut self,
        sections: Vec<Option<Vec<Section>>>,
        fresh: Vec<File>,
        outcome: &Parsed,
    ) {
        let read: BTreeSet<&Path> = outcome.sources.iter().map(Source::path).collect();
        let files = std::mem::take(&mut self.files).into_iter().zip(sections);
        let stay = files.filter_map(|(mut file, sections)| {
            file.turn(sections?);
            read.contains(&*file.path).then_some(file)
        });
        self.files = stay.chain(fresh).collect();
    }

    /// Whether the services just read have the names and listen addresses of those that they
    /// replace.
    pub(super) fn listens_as(&self, read: &Services, changed: &Changed) -> bool {
        let is_changed = |service: &DesiredService| changed.services.contains(&*service.name);
        let before = self.services.iter();
        let before = before.filter(|(_, (service, _))| is_changed(service));
        before
            .map(|(key, (service, _))| (key, &service.name))
            .eq(read.iter().map(|(key, (service, _))| (key, &service.name)))
    }

    /// The number of servers, including the services just read; `None` if these conflict with the
    /// others.
    pub(super) fn fits(&self, read: &Services, changed: &Changed) -> Option<usize> {
        let is_changed = |service: &DesiredService| changed.services.contains(&*service.name);
        if !read.values().all(|(service, _)| is_changed(service)) {
            return None;
        }
        let stands = |key| {
            let before = self.services.get(key);
            before.is_some_and(|(service, _)| !is_changed(service))
        };
        if read.keys().any(stands) {
            return None;
        }
        let gone = self.services.values();
        let gone = gone.filter(|(service, _)| is_changed(service));
        let gone: usize = gone.map(counted).sum();
        let servers = self.servers - gone + read.values().map(counted).sum::<usize>();
        (servers <= MAX_SERVERS).then_some(servers)
    }
}

/// A file to build upon.
fn file(path: PathBuf, text: Arc<Vec<u8>>) -> Option<File> {
    let is_toml = Format::of(&path) == Format::Toml;
    // Reduced texts are empty as well: only here can an empty file be recognized.
    let is_fit = is_toml && !is_blank(&text);
    is_fit.then(|| File::new(path, text)).flatten()
}

/// The number of servers that a service counts for.
fn counted((service, watch): &(Arc<DesiredService>, Arc<ServiceWatch>)) -> usize {
    let servers = service.servers.len() + watch.backup.len() + watch.sorry.len();
    servers.max(1)
}

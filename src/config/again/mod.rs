//! Reading a service file again: what it costs goes by what changed in it.
//!
//! ```text
//!   texts now ─┐                ┌─ nothing but services and pools ─► reduced texts ─► load ─┐
//!              ├─► what differs ┤                                      ┌────────────────────┤
//!   texts then ┘                └─ anything else ───────► load all ◄───┘ a diagnostic,      │
//!                                                            │           any doubt          ▼
//!                                                            ▼               services then, some
//!                                                        all services ◄───── of them replaced
//! ```
//!
//! A [`Reader`] keeps the texts of the last reading that had nothing to say, and what it came to.
//! The next time it leaves out of the texts the services that are as they were, and has the rest
//! read as any file is. What comes of it is always what reading everything would have given:
//!
//! - **Only texts without any diagnostic are built upon**, and the moment there is one, everything
//!   is read: all diagnostics come of whole texts, with their right places.
//! - **What can be said of all services together** is looked at here: two that listen on one
//!   address, too many servers, files that are no longer there. Which pools are in use is known
//!   from before ([`pools`]).
//! - **What is not a service or a pool is byte for byte as it was**, in all files: the defaults,
//!   the settings, what is included. Otherwise everything is read.
//! - **How a text is divided** without reading it, and why that is right: [`sections`].
//!
//! JSON, strings of several lines and services that are written in another way than
//! `[service.name]` are always read whole, and so are files with warnings.

mod file;
mod noted;
mod pools;
mod sections;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipvs::ServiceKey;

use self::file::{Changed, File};
use self::noted::Noted;
pub(super) use self::pools::Use;
use self::pools::Uses;
use self::sections::Section;
use super::environment::Environment;
use super::files::{Disk, Files};
use super::load::{Outcome, load_part};
use super::source::{Format, MAX_FILE, Source};
use super::verify::MAX_SERVERS;
use crate::state::DesiredService;
use crate::state::health::ServiceWatch;

/// Services and what is watched of them, to be shared with whoever has the same already.
pub type Services = BTreeMap<ServiceKey, (Arc<DesiredService>, Arc<ServiceWatch>)>;

/// What came of reading a file once more.
#[derive(Debug)]
pub struct Reading {
    /// As of [`load`](super::load()), but for the services, which are taken out of `desired` and
    /// `watch`.
    pub outcome: Outcome,
    /// The services; none when there is a mistake.
    pub services: Services,
    /// How much was read.
    pub extent: Extent,
}

/// How much of the files was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// So many services, and all that is not a service.
    Services(usize),
}

/// Reads a service file again and again.
#[derive(Debug)]
pub struct Reader<F: Files = Disk> {
    path: PathBuf,
    files: F,
    environment: Environment,
    known: Option<Known>,
}

/// The last reading without a diagnostic.
#[derive(Debug)]
struct Known {
    /// In the order in which they were read.
    files: Vec<File>,
    services: Services,
    /// How many servers these have, as they are counted against [`MAX_SERVERS`].
    servers: usize,
    uses: Uses,
    /// Files that checks need, and that were there.
    needed: BTreeSet<PathBuf>,
}

impl<F: Files> Reader<F> {
    /// Reads `path`, with the variables of `environment`.
    #[must_use]
    pub const fn new(path: PathBuf, files: F, environment: Environment) -> Self {
        Self {
            path,
            files,
            environment,
            known: None,
        }
    }

    /// Where the files come from.
    pub const fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Reads it as it is now. Services that `there` has just so are shared with it.
    pub fn read(&mut self, there: &Services) -> Reading {
        if let Some(reading) = self.read_part(there) {
            return reading;
        }
        self.read_whole(there)
    }

    fn read_whole(&mut self, there: &Services) -> Reading {
        let files = Noted::whole(&self.files);
        let unused = BTreeSet::new();
        let mut outcome = load_part(&self.path, &files, &self.environment, &unused);
        let needed = files.into_needed();
        let services = take_services(&mut outcome, there);
        if outcome.desired.is_some() {
            // One with warnings takes the place of what was known, and cannot be built upon.
            self.known = None;
        }
        if outcome.desired.is_some() && outcome.diagnostics.is_empty() {
            self.known = Known::of(&mut outcome, &services, needed);
        }
        Reading {
            outcome,
            services,
            extent: Extent::Whole,
        }
    }

    /// Reads what changed; `None` when it has to be everything.
    fn read_part(&mut self, there: &Services) -> Option<Reading> {
        let known = self.known.as_mut()?;
        let mut changed = Changed::default();
        let mut sections = Vec::with_capacity(known.files.len());
        for file in &mut known.files {
            let there = self.files.read_into(&file.path, &mut file.next);
            // One that is not there may not be included any more, either.
            sections.push(match there {
                Ok(()) if file.next.len() > MAX_FILE => return None,
                Ok(()) => Some(file.compare(&mut changed)?),
                Err(_) => None,
            });
        }
        if known.needed.iter().any(|path| self.files.lacks(path)) {
            return None;
        }
        known.uses.widen(&mut changed);
        let in_use = known.uses.of_others(&changed.services);

        let texts = known.files.iter().zip(&sections);
        let texts = texts.filter_map(|(file, sections)| {
            let reduced = file.reduced(sections.as_ref()?, &changed);
            Some((file.path.clone(), reduced))
        });
        let files = Noted::part(&self.files, texts.collect());
        let mut outcome = load_part(&self.path, &files, &self.environment, &in_use);
        if !outcome.diagnostics.is_empty() {
            return None;
        }
        let needed = files.into_needed();
        let fresh = known.fresh(&mut outcome, &sections, &mut changed)?;
        let read = take_services(&mut outcome, there);
        let servers = known.fits(&read, &changed)?;

        // All is well: from here on nothing is given up.
        known.turn(sections, fresh, &outcome);
        known.servers = servers;
        known.needed.extend(needed);
        known.uses.replace(&changed.services, &mut outcome.uses);
        let is_gone = |service: &DesiredService| changed.services.contains(&service.name);
        known.services.retain(|_, (service, _)| !is_gone(service));
        let names: BTreeSet<&str> = read.values().map(|(service, _)| &*service.name).collect();
        let extent = Extent::Services(names.len());
        known.services.extend(read);
        Some(Reading {
            outcome,
            services: known.services.clone(),
            extent,
        })
    }
}

impl Known {
    /// A reading to build upon; `None` where the sections of its files cannot be told.
    fn of(outcome: &mut Outcome, services: &Services, needed: BTreeSet<PathBuf>) -> Option<Self> {
        let texts = outcome.sources.take_texts();
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

    /// The files that are read for the first time. Their services count as changed, and so do those
    /// of files that are no longer included. `None` when it is not sure that they go together with
    /// what was not read.
    fn fresh(
        &self,
        outcome: &mut Outcome,
        sections: &[Option<Vec<Section>>],
        changed: &mut Changed,
    ) -> Option<Vec<File>> {
        let read: BTreeSet<&Path> = outcome.sources.iter().map(Source::path).collect();
        let is_read = |file: &File| read.contains(&*file.path);
        // One that could not be read at first, and then could.
        let mut both = self.files.iter().zip(sections);
        if both.any(|(file, sections)| sections.is_none() && is_read(file)) {
            return None;
        }
        let (stay, gone): (Vec<_>, Vec<_>) = self.files.iter().partition(|file| is_read(file));
        // A pool may have gone with a file, or its only user.
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
        // A service that was left out of another file would be there twice.
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

    /// The texts that were read take the place of those before.
    fn turn(&mut self, sections: Vec<Option<Vec<Section>>>, fresh: Vec<File>, outcome: &Outcome) {
        let read: BTreeSet<&Path> = outcome.sources.iter().map(Source::path).collect();
        let files = std::mem::take(&mut self.files).into_iter().zip(sections);
        let stay = files.filter_map(|(mut file, sections)| {
            file.turn(sections?);
            read.contains(&*file.path).then_some(file)
        });
        self.files = stay.chain(fresh).collect();
    }

    /// How many servers there are with those services that were read; `None` when these do not go
    /// together with the others.
    fn fits(&self, read: &Services, changed: &Changed) -> Option<usize> {
        let is_changed = |service: &DesiredService| changed.services.contains(&service.name);
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
fn file(path: PathBuf, text: String) -> Option<File> {
    let is_toml = Format::of(&path) == Format::Toml;
    is_toml.then(|| File::new(path, text)).flatten()
}

/// How many servers a service counts for.
fn counted((service, watch): &(Arc<DesiredService>, Arc<ServiceWatch>)) -> usize {
    let servers = service.servers.len() + watch.backup.len() + watch.sorry.len();
    servers.max(1)
}

/// The services of an outcome, those shared that are there already.
fn take_services(outcome: &mut Outcome, there: &Services) -> Services {
    let (Some(desired), Some(watch)) = (&mut outcome.desired, &mut outcome.watch) else {
        return Services::new();
    };
    let mut watched = std::mem::take(&mut watch.services);
    let services = std::mem::take(&mut desired.services).into_iter();
    let shared = services.map(|(key, declared)| {
        let watch = watched.remove(&key).unwrap_or_default();
        let same = there
            .get(&key)
            .filter(|(before, seen)| **before == declared && **seen == *watch);
        let pair = match same {
            Some(same) => same.clone(),
            None => (Arc::new(declared), watch),
        };
        (key, pair)
    });
    shared.collect()
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::*;

    #[test]
    fn servers_are_counted_over_all_services() {
        let text = |hosts: u8| {
            let servers = (1..=hosts).map(|host| format!("\"10.0.0.{host}:80\", "));
            let servers: String = servers.collect();
            let listen = "tcp://192.0.2.1:80";
            format!("version = 1\n[service.a]\nlisten = \"{listen}\"\nservers = [{servers}]\n")
        };
        let files = |hosts| Memory::from_iter([("a.toml", text(hosts))]);
        let mut reader = Reader::new("a.toml".into(), files(2), Environment::default());
        let mut there = reader.read(&Services::new()).services;
        let mut read = |reader: &mut Reader<Memory>, hosts| {
            *reader.files() = files(hosts);
            let reading = reader.read(&there);
            there = reading.services;
            reading.extent
        };
        for hosts in [5, 1, 3] {
            assert_eq!(read(&mut reader, hosts), Extent::Services(1));
            let known = reader.known.as_ref().unwrap();
            assert_eq!(known.servers, usize::from(hosts));
        }
        // As if there were others.
        reader.known.as_mut().unwrap().servers = MAX_SERVERS;
        assert_eq!(read(&mut reader, 2), Extent::Services(1));
        assert_eq!(read(&mut reader, 4), Extent::Whole);
    }
}

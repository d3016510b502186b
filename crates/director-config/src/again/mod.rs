//! Re-reading of a service file: its cost depends on what changed.
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
//! A [`Reader`] keeps the texts and the result of the last reading without diagnostics. The next
//! time it removes the unchanged services from the texts and reads the rest like any file. The
//! result always equals that of reading everything:
//!
//! - **Only texts without diagnostics are a base.** As soon as there is one, everything is read, so
//!   all diagnostics come from whole texts with correct positions.
//! - **Rules about all services together** are checked here: two services on one address, too many
//!   servers, files that no longer exist. Which pools are used is known from the last reading
//!   ([`pools`]). If the file has failover sections, everything is read when a service comes, goes
//!   or listens elsewhere.
//! - **Everything but services and pools is unchanged, byte for byte**, in all files: defaults,
//!   settings, includes. Otherwise everything is read.
//! - **How to divide a text** without parsing it, and why that is correct: [`sections`].
//!
//! JSON, multi-line strings, services in another form than `[service.name]`, and files with
//! warnings are always read in full.

mod file;
mod known;
mod noted;
mod pools;
mod sections;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ipvs::ServiceKey;

use self::file::Changed;
use self::known::Known;
use self::noted::Noted;
use super::environment::Environment;
use super::files::{Disk, Files};
use super::load::{Extras, Parsed, load_part};
use super::shape::{Shape, is_blank, note_directories};
use super::source::MAX_FILE;
use crate::state::DesiredService;
use crate::state::health::ServiceWatch;

/// Services and their checks, shared with other holders of equal ones.
pub type Services = BTreeMap<ServiceKey, (Arc<DesiredService>, Arc<ServiceWatch>)>;

/// The result of a repeated reading.
#[derive(Debug)]
pub struct Reading {
    /// The result of [`load`](super::load()), except for the services, which are moved out of
    /// `desired` and `watch`.
    pub outcome: Parsed,
    /// The services; empty if there is a mistake.
    pub services: Services,
    /// How much of the files was read.
    pub extent: Extent,
}

/// How much of the files was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everything.
    Whole,
    /// This many services, and everything that is not a service.
    Services(usize),
}

/// Reads a service file repeatedly.
#[derive(Debug)]
pub struct Reader<F: Files = Disk> {
    path: PathBuf,
    files: F,
    environment: Environment,
    known: Option<Known>,
    /// The shape of the last reading without a mistake.
    shape: Shape,
}

impl<F: Files> Reader<F> {
    /// A reader for `path` with the variables of `environment`.
    #[must_use]
    pub fn new(path: PathBuf, files: F, environment: Environment) -> Self {
        Self {
            path,
            files,
            environment,
            known: None,
            shape: Shape::default(),
        }
    }

    /// The source of the files.
    pub const fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Reads the current file. Services equal to one of `there` are shared with it.
    pub fn read(&mut self, there: &Services) -> Reading {
        self.read_as(there, false)
    }

    /// Like [`Reader::read`]; with `forced`, by a person, an empty root file declares nothing.
    pub fn read_as(&mut self, there: &Services, forced: bool) -> Reading {
        let mut reading = match self.read_part(there) {
            Some(reading) => reading,
            None => self.read_whole(there, forced),
        };
        if reading.outcome.desired.is_some() {
            let shape = &mut reading.outcome.shape;
            note_directories(shape, &self.shape, |path| self.files.is_directory(path));
            self.shape = shape.clone();
            if let Some(known) = &self.known {
                let texts = known.files.iter();
                shape.texts = texts.map(|file| (file.path.clone(), file.text())).collect();
            }
            // What is in force as files is what people wrote.
            shape
                .texts
                .retain(|path, _| !self.environment.is_list(path));
        }
        reading
    }

    fn read_whole(&mut self, there: &Services, forced: bool) -> Reading {
        let files = Noted::whole(&self.files);
        let extras = Extras {
            forced,
            is_daemon: true,
            ..Extras::default()
        };
        let mut outcome = load_part(&self.path, &files, &self.environment, &extras);
        let needed = files.into_needed();
        let services = take_services(&mut outcome, there);
        if outcome.desired.is_some() {
            // A file with warnings replaces the base and cannot be one.
            self.known = None;
        }
        // A list that appears later would not be noticed.
        if outcome.desired.is_some() && outcome.diagnostics.is_empty() && !outcome.lacks_list {
            let texts = outcome.sources.take_texts();
            outcome.shape.texts = texts.iter().cloned().collect();
            self.known = Known::of(texts, &mut outcome, &services, needed);
        } else if outcome.desired.is_some() {
            outcome.shape.texts = outcome.sources.texts().collect();
        }
        Reading {
            outcome,
            services,
            extent: Extent::Whole,
        }
    }

    /// Reads the changed parts; `None` if everything has to be read.
    fn read_part(&mut self, there: &Services) -> Option<Reading> {
        let known = self.known.as_mut()?;
        let mut changed = Changed::default();
        let mut sections = Vec::with_capacity(known.files.len());
        for file in &mut known.files {
            let there = self.files.read_into(&file.path, &mut file.next);
            // A missing file may no longer be included either.
            sections.push(match there {
                Ok(()) if file.next.len() > MAX_FILE || is_blank(&file.next) => return None,
                Ok(()) => Some(file.compare(&mut changed)?),
                Err(_) => None,
            });
        }
        if known.needed.iter().any(|path| self.files.lacks(path)) {
            return None;
        }
        known.uses.widen(&mut changed);
        let extras = Extras {
            in_use: known.uses.of_others(&changed.services),
            is_part: true,
            forced: false,
            is_daemon: true,
        };

        let texts = known.files.iter().zip(&sections);
        let texts = texts.filter_map(|(file, sections)| {
            let reduced = file.reduced(sections.as_ref()?, &changed);
            Some((file.path.clone(), reduced))
        });
        let files = Noted::part(&self.files, texts.collect());
        let mut outcome = load_part(&self.path, &files, &self.environment, &extras);
        if !outcome.diagnostics.is_empty() || outcome.lacks_list {
            return None;
        }
        let needed = files.into_needed();
        let fresh = known.fresh(&mut outcome, &sections, &mut changed)?;
        let read = take_services(&mut outcome, there);
        let servers = known.fits(&read, &changed)?;
        // What failover and address sections ask of the services is about all of them.
        let failovers = outcome.failovers.as_ref();
        if failovers.is_some_and(|found| !found.is_empty()) && !known.listens_as(&read, &changed) {
            return None;
        }

        // From here on, the partial reading succeeds.
        known.turn(sections, fresh, &outcome);
        known.servers = servers;
        known.needed.extend(needed);
        known.uses.replace(&changed.services, &mut outcome.uses);
        let is_gone = |service: &DesiredService| changed.services.contains(&*service.name);
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

/// Takes the services out of an outcome, sharing those that exist already.
fn take_services(outcome: &mut Parsed, there: &Services) -> Services {
    let (Some(desired), Some(watch)) = (&mut outcome.desired, &mut outcome.watch) else {
        return Services::new();
    };
    let mut watched = std::mem::take(&mut watch.services);
    let services = std::mem::take(&mut desired.services).into_iter();
    let shared = services.map(|(key, declared)| {
        let watch = watched.remove(&key).unwrap_or_default();
        let (was, seen) = there.get(&key).cloned().unzip();
        let declared = was.filter(|was| *was == declared).unwrap_or(declared);
        let watch = seen.filter(|seen| *seen == watch).unwrap_or(watch);
        (key, (declared, watch))
    });
    shared.collect()
}

#[cfg(test)]
mod tests {
    use super::super::Memory;
    use super::super::verify::MAX_SERVERS;
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

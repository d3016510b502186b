//! What is recorded: the difference between the last recorded snapshot and this one, with the events
//! in between.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

use ipvs::{ServerKey, ServiceKey};
use serde_json::Value;

use super::by::By;
use super::cause::{Cause, Causes};
use super::entry::{self, Change, Entry, Files, Kept};
use super::log::{Batch, Log, started, stopped};
use super::patch;
use super::picture::{Head, Picture, ServicePicture, json};
use crate::control::event::{Event, EventKind};
use crate::control::snapshot::Snapshot;
use crate::state::health::HistoryLimits;

/// How long an event explains changes, in milliseconds.
const EXPLAINS: u64 = 10_000;
/// The most events remembered for that.
const REMEMBERED: usize = 4096;

/// Records snapshots and events in a log. What could not be written is owed, and part of the next
/// record.
#[derive(Debug)]
pub struct Recorder {
    log: Log,
    /// Whether the log was opened.
    is_open: bool,
    base: Base,
    /// The files in force, for the next picture.
    files: Option<Kept>,
    /// Whether those are not in the log yet.
    owes_files: bool,
    /// When the last files came into force.
    files_at: u64,
    /// Whether it is in the log that this director started.
    has_started: bool,
    recent: VecDeque<Arc<Event>>,
}

/// What the log has.
#[derive(Debug)]
enum Base {
    Nothing,
    /// From an earlier director.
    Earlier(Box<Picture>),
    Recorded(Arc<Snapshot>),
}

impl Base {
    /// The service as recorded; `None` also if it is the one of the snapshot.
    fn service(&self, key: &ServiceKey) -> Option<ServicePicture> {
        match self {
            Self::Nothing => None,
            Self::Earlier(picture) => picture.services.get(key).cloned(),
            Self::Recorded(snapshot) => {
                let status = snapshot.services.get(key)?;
                Some(ServicePicture::of(status))
            }
        }
    }

    /// The services that may differ from those of a snapshot.
    fn suspects(&self, snapshot: &Snapshot) -> BTreeSet<ServiceKey> {
        let there = &snapshot.services;
        match self {
            Self::Nothing => BTreeSet::new(),
            Self::Earlier(picture) => there
                .keys()
                .chain(picture.services.keys())
                .copied()
                .collect(),
            Self::Recorded(before) => {
                let is_same = |key: &ServiceKey| match (before.services.get(key), there.get(key)) {
                    (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                    _ => false,
                };
                let keys = there.keys().chain(before.services.keys());
                keys.filter(|key| !is_same(key)).copied().collect()
            }
        }
    }

    fn head(&self) -> Option<Head> {
        match self {
            Self::Nothing => None,
            Self::Earlier(picture) => Some(picture.head.clone()),
            Self::Recorded(snapshot) => Some(Head::of(snapshot)),
        }
    }
}

impl Recorder {
    /// A recorder for the state directory of a network namespace. Does not touch the disk yet.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self {
            log: Log::new(state),
            is_open: false,
            base: Base::Nothing,
            files: None,
            owes_files: false,
            files_at: 0,
            has_started: false,
            recent: VecDeque::new(),
        }
    }

    /// These files came into force then, in milliseconds since 1970.
    pub fn files(&mut self, at: u64, files: &Files) {
        let files = Kept::of(files).ok();
        if self.files != files {
            (self.files, self.files_at, self.owes_files) = (files, at, true);
        }
    }

    /// Opens the log; returns what of it is damaged. Called before the first record, and again if
    /// that failed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(&mut self) -> io::Result<Vec<String>> {
        if self.is_open {
            return Ok(Vec::new());
        }
        let left = self.log.resume()?;
        self.is_open = true;
        if let Some(picture) = left.picture {
            self.base = Base::Earlier(Box::new(picture));
        }
        let left_files = left.files.and_then(|files| Kept::of(&files).ok());
        if self.files == left_files {
            self.owes_files = false;
        }
        if self.files.is_none() {
            self.files = left_files;
        }
        Ok(left.lost)
    }

    /// Whether there is something to record.
    #[must_use]
    pub fn is_owed(&self, snapshot: &Arc<Snapshot>, events: &[Arc<Event>]) -> bool {
        let is_same = match &self.base {
            Base::Recorded(before) => Arc::ptr_eq(before, snapshot),
            Base::Nothing | Base::Earlier(_) => false,
        };
        !is_same || !events.is_empty() || self.owes_files
    }

    /// Records a snapshot and the events since the last record. `lost`: the number of events before
    /// these that are not known any more.
    ///
    /// # Errors
    /// Those of the file system: then nothing was recorded, and the caller comes back with the same
    /// events.
    pub fn record(
        &mut self,
        snapshot: &Arc<Snapshot>,
        events: &[Arc<Event>],
        lost: u64,
        limits: HistoryLimits,
    ) -> io::Result<()> {
        self.open()?;
        let at = snapshot.at.map_or(0, |at| at.unix_ms());
        self.log.prune(at, limits);
        if !self.log.has_open() {
            // There is nothing to say what changed; the picture says what is.
            self.log.begin(at, snapshot, self.whole_files())?;
            (self.base, self.owes_files) = (Base::Recorded(Arc::clone(snapshot)), false);
        }
        let mut recent = self.recent.clone();
        remember(&mut recent, events, at);
        let Self {
            log,
            base,
            files,
            owes_files,
            files_at,
            has_started,
            ..
        } = self;
        log.append(|batch| {
            if !*has_started {
                batch.add(&started(
                    events.first().map_or(at, |event| event.at_ms.min(at)),
                ));
            }
            if lost > 0 {
                batch.add(&Entry {
                    lost: Some(lost),
                    ..Entry::at(events.first().map_or(at, |event| event.at_ms))
                });
            }
            for event in events {
                batch.add(&Entry {
                    event: Some(Box::new(entry::Event::from(&**event))),
                    ..Entry::at(event.at_ms)
                });
            }
            let since = events.first().map_or(at, |event| event.at_ms);
            let causes = Causes {
                recent: &recent,
                files_at: *files_at,
            };
            changes(base, snapshot, (since, at), causes, batch);
            if *owes_files {
                batch.add(&Entry {
                    files: files.as_ref().and_then(Kept::files),
                    ..Entry::at(*files_at)
                });
            }
        })?;
        self.base = Base::Recorded(Arc::clone(snapshot));
        (self.owes_files, self.has_started, self.recent) = (false, true, recent);
        if self.log.is_due(at, limits) {
            // If the disk is full, the log goes on in the same file, as far as that takes it.
            let _ = self.log.begin(at, snapshot, self.whole_files());
        }
        self.log.prune(at, limits);
        Ok(())
    }

    fn whole_files(&self) -> Option<Arc<Files>> {
        self.files.as_ref().and_then(Kept::files)
    }

    /// Records that the director stops, and whether it deletes its services.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn stop(&mut self, at: u64, deletes: bool) -> io::Result<()> {
        if !self.has_started {
            return Ok(());
        }
        self.log.append(|batch| batch.add(&stopped(at, deletes)))?;
        self.sync()
    }

    /// Puts what was recorded onto the disk.
    ///
    /// # Errors
    /// Those of fdatasync(2).
    pub fn sync(&self) -> io::Result<()> {
        self.log.sync()
    }

    /// The bytes on disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.size()
    }
}

/// Keeps the events that may explain a change.
fn remember(recent: &mut VecDeque<Arc<Event>>, events: &[Arc<Event>], at: u64) {
    recent.extend(events.iter().cloned());
    let is_over = |event: &Arc<Event>| event.at_ms.saturating_add(EXPLAINS) < at;
    while recent.len() > REMEMBERED || recent.front().is_some_and(is_over) {
        recent.pop_front();
    }
}

/// Adds everything that differs.
fn changes(
    base: &Base,
    snapshot: &Snapshot,
    (since, at): (u64, u64),
    causes: Causes<'_>,
    batch: &mut Batch<'_>,
) {
    let is_reload = base.head().and_then(|head| head.loaded) != Head::of(snapshot).loaded
        || causes.has(|event| event.kind == EventKind::Loaded);
    let cause = Cause {
        recent: causes.recent,
        at,
        since,
        is_absence: matches!(base, Base::Earlier(_)),
        reload: is_reload.then(|| causes.of_reload()),
    };
    for key in base.suspects(snapshot) {
        let before = base.service(&key);
        let after = snapshot.services.get(&key);
        let after = after.map(|status| ServicePicture::of(status));
        service(key, before.as_ref(), after.as_ref(), &cause, batch);
    }
    let head = Head::of(snapshot);
    if base.head().as_ref() != Some(&head) {
        batch.add(&Entry {
            head: Some(Box::new(head)),
            ..Entry::at(at)
        });
    }
}

/// Adds what differs of one service.
fn service(
    listen: ServiceKey,
    before: Option<&ServicePicture>,
    after: Option<&ServicePicture>,
    cause: &Cause<'_>,
    batch: &mut Batch<'_>,
) {
    let mut add = |server: Option<ServerKey>, (by, at): (By, u64), patch: Value| {
        let change = Change {
            listen,
            server,
            by,
            patch,
        };
        batch.add(&Entry {
            change: Some(Box::new(change)),
            ..Entry::at(at)
        });
    };
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(after)) => return add(None, cause.of_service(listen), json(after)),
        (Some(_), None) => return add(None, cause.of_service(listen), Value::Null),
        (None, None) => return,
    };
    if let Some(patch) = patch::between(&before.bare(), &after.bare()) {
        add(None, cause.of_service(listen), patch);
    }
    for (key, server) in &after.servers {
        let was = before.servers.get(key);
        if was == Some(server) {
            continue;
        }
        let old = was.map_or(Value::Null, json);
        if let Some(patch) = patch::between(&old, &json(server)) {
            add(
                Some(*key),
                cause.of_server(listen, *key, was, server),
                patch,
            );
        }
    }
    for key in before.servers.keys() {
        if !after.servers.contains_key(key) {
            add(Some(*key), cause.of_removal(listen, *key), Value::Null);
        }
    }
}

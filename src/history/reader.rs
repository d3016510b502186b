//! Reading the log, record by record: a picture is in memory, and one record.

use std::io;
use std::mem;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::{Change, Entry, Files};
use super::member::{Part, parts};
use super::picture::{Picture, ServerPicture, ServicePicture};
use super::rows::{Filter, Row, of_record};
use super::segment::{DIRECTORY, Piece, Segment, pieces};

/// The history of a network namespace.
#[derive(Debug)]
pub struct Reader {
    /// The files with the times at which they begin, in order.
    segments: Vec<(u64, Segment)>,
}

/// What the tables and states were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct At {
    /// The time of the last record up to then, in milliseconds since 1970.
    pub recorded_ms: u64,
    /// When the director had stopped by then, if it had, in milliseconds since 1970.
    #[serde(default)]
    pub stopped_ms: Option<u64>,
    /// What the history lost, so that the picture may be incomplete.
    #[serde(default)]
    pub lost: Vec<String>,
    /// The tables and states.
    #[serde(flatten)]
    pub picture: Picture,
}

/// The service files that were in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesAt {
    /// The files; none if the history does not have them.
    pub files: Option<Arc<Files>>,
    /// What operators and checks made of them.
    pub at: At,
}

/// The state while records are read.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) picture: Picture,
    pub(super) files: Option<Arc<Files>>,
    /// Whether there has been a full picture.
    pub(super) is_complete: bool,
    /// A full picture that is being read.
    coming: Option<Picture>,
    recorded: u64,
    stopped: Option<u64>,
}

impl State {
    /// Applies a line.
    pub(super) fn apply(&mut self, entry: Entry) -> Result<(), String> {
        self.recorded = entry.at;
        if entry.log.is_some() {
            self.coming = Some(Picture::default());
        }
        let into = self.coming.as_mut().unwrap_or(&mut self.picture);
        if let Some(head) = entry.head {
            into.head = *head;
        }
        if let Some(whole) = entry.service {
            into.services.insert(whole.listen, whole.picture);
        }
        if let Some(files) = entry.files {
            self.files = Some(files);
        }
        if let Some(number) = entry.complete
            && let Some(coming) = self.coming.take()
        {
            if coming.services.len() != number && self.is_complete {
                return Err("a full picture lacks services; the one before it stays".to_owned());
            }
            self.picture = coming;
            self.is_complete = true;
        }
        if entry.started.is_some() {
            self.stopped = None;
        }
        if let Some(stopped) = entry.stopped {
            self.stopped = Some(entry.at);
            if stopped.deletes {
                self.picture.services.clear();
            }
        }
        match entry.change {
            Some(change) => self.change(*change),
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> Result<(), String> {
        let Change {
            listen,
            server,
            patch,
            ..
        } = change;
        let services = &mut self.picture.services;
        let Some(key) = server else {
            if patch.is_null() {
                services.remove(&listen);
                return Ok(());
            }
            let before = services.remove(&listen);
            let patched = ServicePicture::patched(before, patch);
            let patched = patched.map_err(|error| format!("a change of {listen}: {error}"))?;
            services.insert(listen, patched);
            return Ok(());
        };
        let servers = services
            .get_mut(&listen)
            .map(|service| &mut service.servers);
        let servers = servers.ok_or_else(|| format!("a change of {listen}, which is not known"))?;
        if patch.is_null() {
            servers.remove(&key);
            return Ok(());
        }
        let patched = ServerPicture::patched(servers.get(&key), patch);
        let patched = patched.map_err(|error| format!("a change of {listen} {key}: {error}"))?;
        servers.insert(key, patched);
        Ok(())
    }
}

impl Reader {
    /// Opens the history in the state directory of a network namespace. Without one, it is empty.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(state: &Path) -> io::Result<Self> {
        let all = Segment::all(&state.join(DIRECTORY))?;
        let segments = all.into_iter().filter_map(|segment| {
            // One without a readable record has nothing to show; its neighbours tell.
            Some((segment.begins()?, segment))
        });
        Ok(Self {
            segments: segments.collect(),
        })
    }

    /// When it begins, in milliseconds since 1970; `None` if it is empty.
    #[must_use]
    pub fn begins(&self) -> Option<u64> {
        self.segments.first().map(|(at, _)| *at)
    }

    /// What the tables and states were at a time in milliseconds since 1970; `None` if the history
    /// does not go back that far.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn at(&self, at: u64) -> io::Result<Option<At>> {
        let [found] = self.states([at])?;
        Ok(found.map(Found::at))
    }

    /// What they were at two times. A file that has both is read once, and what is lost before both is
    /// only in the first.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn between(&self, from: u64, to: u64) -> io::Result<[Option<At>; 2]> {
        let [before, mut after] = self.states([from, to])?;
        if let (Some(before), Some(after)) = (&before, &mut after) {
            after.lost.retain(|lost| !before.lost.contains(lost));
        }
        Ok([before, after].map(|found| found.map(Found::at)))
    }

    /// The service files that were in force at a time.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn files_at(&self, at: u64) -> io::Result<Option<FilesAt>> {
        let [found] = self.states([at])?;
        Ok(found.map(|mut found| FilesAt {
            files: found.state.files.take(),
            at: found.at(),
        }))
    }

    /// The states at these times.
    fn states<const N: usize>(&self, times: [u64; N]) -> io::Result<[Option<Found>; N]> {
        let mut found = [const { None }; N];
        for (begins, segment) in self.segments.iter().rev() {
            let is_open = |(place, _): &(usize, u64)| found[*place].is_none();
            let open = times.iter().copied().enumerate().filter(is_open);
            let open: Vec<(usize, u64)> = open.filter(|(_, at)| begins <= at).collect();
            if open.is_empty() {
                continue;
            }
            let bytes = match segment.read() {
                Ok(bytes) => bytes,
                // The writer has removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for (place, state) in replay(segment, &bytes, open) {
                found[place] = Some(state).filter(|found| found.state.is_complete);
            }
        }
        Ok(found)
    }

    /// Visits what changed within a time, in order; stops when `each` returns `false`. Returns what
    /// was lost on the way.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn rows(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Row) -> bool,
    ) -> io::Result<Vec<String>> {
        let mut lost = Vec::new();
        let since = filter.since_ms.unwrap_or(0);
        let first = self
            .segments
            .iter()
            .rposition(|(begins, _)| *begins <= since);
        let mut state = State::default();
        let mut goes_on = true;
        for (begins, segment) in &self.segments[first.unwrap_or(0)..] {
            if !goes_on || filter.until_ms.is_some_and(|until| *begins > until) {
                break;
            }
            let bytes = match segment.read() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            pieces(segment, &bytes, |_, piece| {
                match piece {
                    Piece::Record(entries) => {
                        let mut emit = |row: Row| {
                            if goes_on && filter.takes(&row) {
                                goes_on = each(row);
                            }
                        };
                        of_record(&mut state, entries, &mut emit, &mut lost);
                    }
                    Piece::Lost(why) | Piece::Newer(why) => lost.push(why),
                    Piece::Torn(_) => {}
                }
                goes_on
            });
        }
        Ok(lost)
    }
}

/// The state at a time, and what was lost on the way.
#[derive(Debug, Clone, Default)]
struct Found {
    state: State,
    lost: Vec<String>,
}

impl Found {
    fn apply(&mut self, entries: impl IntoIterator<Item = Entry>) {
        let failed = entries
            .into_iter()
            .filter_map(|entry| self.state.apply(entry).err());
        self.lost.extend(failed);
    }

    fn at(self) -> At {
        At {
            recorded_ms: self.state.recorded,
            stopped_ms: self.state.stopped,
            lost: self.lost,
            picture: self.state.picture,
        }
    }
}

/// The states at times within a file, each with its place among what was asked for.
fn replay(segment: &Segment, bytes: &[u8], times: Vec<(usize, u64)>) -> Vec<(usize, Found)> {
    let times = times.into_iter();
    let mut stops: Vec<_> = times
        .filter_map(|(place, at)| Some((last_part(bytes, at)?, at, place)))
        .collect();
    stops.sort_unstable();
    let mut stops = stops.into_iter().peekable();
    let mut found = Vec::new();
    let mut now = Found::default();
    let mut part = 0;
    pieces(segment, bytes, |_, piece| {
        let mut entries = match piece {
            Piece::Record(entries) => entries,
            Piece::Lost(why) | Piece::Newer(why) => {
                now.lost.push(why);
                Vec::new()
            }
            Piece::Torn(_) => return true,
        };
        while let Some((_, at, place)) = stops.next_if(|(last, ..)| *last == part) {
            let end = entries.iter().rposition(|entry| entry.at <= at);
            now.apply(entries.drain(..end.map_or(0, |end| end + 1)));
            if stops.peek().is_none() {
                found.push((place, mem::take(&mut now)));
                return false;
            }
            found.push((place, now.clone()));
        }
        now.apply(entries);
        part += 1;
        true
    });
    // A newer director wrote the rest.
    found.extend(stops.map(|(_, _, place)| (place, now.clone())));
    found
}

/// The last part of a file that was written by then. The clock may have been set back in between.
fn last_part(bytes: &[u8], at: u64) -> Option<usize> {
    let written = parts(bytes).enumerate().filter_map(|(part, what)| {
        let is_then = matches!(what, Part::Member(time, _) if time <= at);
        is_then.then_some(part)
    });
    written.last()
}

impl State {
    /// A server as it is now.
    pub(super) fn server(&self, change: &Change) -> Option<&ServerPicture> {
        let service = self.picture.services.get(&change.listen)?;
        service.servers.get(&change.server?)
    }

    /// A service's own fields as they are now.
    pub(super) fn bare(&self, change: &Change) -> Option<Value> {
        let service = self.picture.services.get(&change.listen)?;
        Some(service.bare())
    }
}

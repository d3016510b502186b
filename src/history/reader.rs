//! Reading the log, record by record: a picture is in memory, and one record.

use std::io;
use std::path::Path;

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
    pub files: Option<Files>,
    /// What operators and checks made of them.
    pub at: At,
}

/// The state while records are read.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) picture: Picture,
    pub(super) files: Option<Files>,
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
            self.files = Some(*files);
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
        Ok(self.state(at)?.map(|(state, lost)| State::at(state, lost)))
    }

    /// The service files that were in force at a time.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn files_at(&self, at: u64) -> io::Result<Option<FilesAt>> {
        let found = self.state(at)?;
        Ok(found.map(|(mut state, lost)| FilesAt {
            files: state.files.take(),
            at: State::at(state, lost),
        }))
    }

    /// The state at a time, and what was lost on the way.
    fn state(&self, at: u64) -> io::Result<Option<(State, Vec<String>)>> {
        let mut lost = Vec::new();
        for (begins, segment) in self.segments.iter().rev() {
            if *begins > at {
                continue;
            }
            let bytes = match segment.read() {
                Ok(bytes) => bytes,
                // The writer has removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // By the clock, which may have been set back in between: the last one counts.
            let times = parts(&bytes).filter_map(|part| match part {
                Part::Member(time, _) => Some(time),
                _ => None,
            });
            let wanted = times.enumerate().filter(|(_, time)| *time <= at);
            let Some((last, _)) = wanted.last() else {
                continue;
            };
            let mut state = State::default();
            let mut number = 0;
            pieces(segment, &bytes, |_, piece| {
                match piece {
                    Piece::Record(mut entries) => {
                        if number == last {
                            let until = entries.iter().rposition(|entry| entry.at <= at);
                            entries.truncate(until.map_or(0, |until| until + 1));
                        }
                        lost.extend(
                            entries
                                .into_iter()
                                .filter_map(|entry| state.apply(entry).err()),
                        );
                        number += 1;
                    }
                    Piece::Lost(why) | Piece::Newer(why) => {
                        lost.push(why);
                        number += 1;
                    }
                    Piece::Torn(_) => {}
                }
                number <= last
            });
            if state.is_complete {
                return Ok(Some((state, lost)));
            }
        }
        Ok(None)
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

impl State {
    fn at(self, lost: Vec<String>) -> At {
        At {
            recorded_ms: self.recorded,
            stopped_ms: self.stopped,
            lost,
            picture: self.picture,
        }
    }

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

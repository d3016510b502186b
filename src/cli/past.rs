//! Where a verb reads the history: on the disk if this user may, otherwise through the running
//! director.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::args::Args;
use super::clock::local;
use super::output::say;
use crate::apply::Incarnation;
use crate::history::{At, FilesAt, Filter, Reader, Row};
use crate::http::api::HistoryLine;
use crate::http::{Client, query};
use crate::net;
use crate::words::path as shown;

/// The history of a network namespace.
pub(crate) enum Past {
    Disk(PathBuf, Reader),
    Director(Client),
}

impl Past {
    /// Opens it; the program has one thread at this time.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(name) = &args.netns {
            net::enter(name)?;
        }
        let client = args.viewer()?;
        // A director may have another state directory than this program's default.
        let running = client.version();
        let state = match &running {
            Ok(Some(version)) => PathBuf::from(&version.state_dir),
            _ => {
                let own = Incarnation::current().context("cannot read `/proc`")?;
                args.state_dir.join(own.directory())
            }
        };
        match (Reader::open(&state), running) {
            (Ok(reader), _) => Ok(Self::Disk(state, reader)),
            (Err(error), Ok(Some(_))) if error.kind() == ErrorKind::PermissionDenied => {
                Ok(Self::Director(client))
            }
            (Err(error), Err(other)) if error.kind() == ErrorKind::PermissionDenied => {
                Err(other.into())
            }
            (Err(error), _) => {
                Err(error).with_context(|| format!("cannot read the history in {}", shown(&state)))
            }
        }
    }

    /// What the tables and states were at two times in seconds since 1970.
    pub(crate) fn between(&self, from: u64, to: u64) -> anyhow::Result<[At; 2]> {
        let [before, after] = match self {
            Self::Disk(_, reader) => reader.between(end(from), end(to))?,
            Self::Director(client) => {
                let at = |seconds: u64| {
                    let at = seconds.to_string();
                    client.get(&format!("/v1/history/at{}", query(&[("at", &at)])))
                };
                [Some(at(from)?), Some(at(to)?)]
            }
        };
        Ok([self.found(before)?, self.found(after)?])
    }

    /// The service files at a time in seconds since 1970.
    pub(crate) fn files_at(&self, seconds: u64) -> anyhow::Result<FilesAt> {
        let files = match self {
            Self::Disk(_, reader) => reader.files_at(end(seconds))?,
            Self::Director(client) => {
                let at = seconds.to_string();
                Some(client.get(&format!("/v1/history/files{}", query(&[("at", &at)])))?)
            }
        };
        self.found(files)
    }

    fn found<T>(&self, found: Option<T>) -> anyhow::Result<T> {
        let (Self::Disk(state, reader), None) = (self, &found) else {
            return found.context("no history");
        };
        match reader.begins() {
            Some(begins) => bail!("the history begins {}", local(begins / 1000)),
            None => bail!(
                "no history in {}: `director run` records it, unless `history_size` is off",
                shown(state)
            ),
        }
    }

    /// Visits what changed, until `each` has enough. Says what is lost.
    pub(crate) fn rows(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Row) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Disk(_, reader) => {
                if reader.begins().is_none() {
                    return self.found(None);
                }
                let lost = reader.rows(filter, |row| each(row).is_continue())?;
                say_lost(&lost);
            }
            Self::Director(client) => {
                let time = |time: Option<u64>| time.map(|time| (time / 1000).to_string());
                let [since, until] = [time(filter.since_ms), time(filter.until_ms)];
                let words = |words: &[crate::control::select::Word]| -> Vec<String> {
                    words.iter().map(ToString::to_string).collect()
                };
                let [services, servers] = [words(&filter.services), words(&filter.servers)];
                let mut asked = Vec::new();
                asked.extend(since.as_deref().map(|since| ("since", since)));
                asked.extend(until.as_deref().map(|until| ("until", until)));
                asked.extend(services.iter().map(|word| ("service", word.as_str())));
                asked.extend(servers.iter().map(|word| ("server", word.as_str())));
                client.lines(
                    &format!("/v1/history{}", query(&asked)),
                    |line| match line {
                        HistoryLine::Row(row) => each(row),
                        HistoryLine::Lost { lost } => {
                            say_lost(&[lost]);
                            ControlFlow::Continue(())
                        }
                    },
                )?;
            }
        }
        Ok(())
    }
}

/// The end of a second, in milliseconds.
pub(crate) const fn end(seconds: u64) -> u64 {
    seconds.saturating_mul(1000).saturating_add(999)
}

/// Says what the history lost.
pub(crate) fn say_lost(lost: &[String]) {
    for lost in lost {
        say!("director: the history is damaged: {lost}; what is shown may lack that");
    }
}

//! Notices changes of the service file and its includes.
//!
//! It polls once a second instead of using inotify: that works alike for files that are replaced,
//! for symbolic links that change and for network file systems, and it automatically waits until a
//! writer is done.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::pulse::Pulse;
use crate::words::path as shown;

/// The metadata of a file or directory.
type Look = Option<[i128; 7]>;

/// The metadata of several.
pub(super) type Looks = BTreeMap<PathBuf, Look>;

/// The watched files, and directories in which included files may appear; each with its metadata
/// when it was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched(Arc<Mutex<Looks>>);

impl Watched {
    /// The current metadata of everything watched, taken before it is read.
    pub(super) fn looks(&self, pulse: &Pulse) -> Looks {
        looks(self.read().into_keys(), pulse)
    }

    /// Replaces the watched set after a reading. A file that had the same metadata before counts as
    /// read in that state: it may have changed during the reading.
    pub(super) fn set(&self, paths: Vec<PathBuf>, before: &Looks, pulse: &Pulse) {
        let mut now = looks(paths.into_iter(), pulse);
        for (path, look) in &mut now {
            if let Some(before) = before.get(path) {
                *look = *before;
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    fn read(&self) -> Looks {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn look(path: &Path) -> Look {
    let found = fs::metadata(path).ok()?;
    // The status-change time also shows files that became readable, or have another text of the
    // same length and time; the device also shows mounts over them.
    Some([
        found.dev().into(),
        found.ino().into(),
        found.mtime().into(),
        found.mtime_nsec().into(),
        found.ctime().into(),
        found.ctime_nsec().into(),
        found.size().into(),
    ])
}

fn looks(paths: impl Iterator<Item = PathBuf>, pulse: &Pulse) -> Looks {
    let looks = paths.map(|path| {
        pulse.begin(format!("checking {}", shown(&path)));
        let look = look(&path);
        (path, look)
    });
    looks.collect()
}

/// Polls repeatedly.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    settled: Looks,
    last: Looks,
}

impl Watcher {
    /// Whether something changed and has been stable since the last look.
    pub(super) fn changed(&mut self, watched: &Watched, pulse: &Pulse) -> bool {
        let read = watched.read();
        // What a reload began to read counts with its metadata then.
        self.settled.retain(|path, _| read.contains_key(path));
        for (path, look) in &read {
            self.settled.entry(path.clone()).or_insert(*look);
        }
        let now = looks(read.keys().cloned(), pulse);
        if now == read {
            // In its last read state, whoever ordered that: an operator with SIGHUP may have been
            // first.
            self.settled.clone_from(&now);
        }
        let is_calm = now == self.last;
        self.last = now;
        if !is_calm || self.last == self.settled {
            return false;
        }
        self.settled.clone_from(&self.last);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_noticed_once_and_only_when_it_is_over() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.toml");
        fs::write(&file, "1").unwrap();
        let (watched, mut watcher) = (Watched::default(), Watcher::default());
        let paths = vec![file.clone(), directory.path().to_owned()];
        watched.set(paths, &Looks::new(), &Pulse::default());
        let looks = |watcher: &mut Watcher, times: usize| {
            (0..times)
                .filter(|_| watcher.changed(&watched, &Pulse::default()))
                .count()
        };
        assert_eq!(looks(&mut watcher, 5), 0, "the first look is no change");
        fs::write(&file, "22").unwrap();
        assert!(!watcher.changed(&watched, &Pulse::default()));
        fs::write(&file, "333").unwrap();
        assert!(
            !watcher.changed(&watched, &Pulse::default()),
            "still being written"
        );
        assert_eq!(looks(&mut watcher, 5), 1);
        fs::write(directory.path().join("b.toml"), "").unwrap();
        assert_eq!(
            looks(&mut watcher, 5),
            1,
            "a file that may be included appeared"
        );
        fs::remove_file(&file).unwrap();
        assert_eq!(looks(&mut watcher, 5), 1);
    }

    #[test]
    fn a_change_during_a_reading_is_noticed_and_a_change_before_it_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.toml");
        fs::write(&file, "1").unwrap();
        let (watched, mut watcher) = (Watched::default(), Watcher::default());
        watched.set(vec![file.clone()], &Looks::new(), &Pulse::default());
        let mut looks = || {
            (0..5)
                .filter(|_| watcher.changed(&watched, &Pulse::default()))
                .count()
        };
        assert_eq!(looks(), 0);

        fs::write(&file, "22").unwrap();
        watched.set(
            vec![file.clone()],
            &watched.looks(&Pulse::default()),
            &Pulse::default(),
        );
        assert_eq!(looks(), 0, "a reload was ordered");

        fs::write(&file, "333").unwrap();
        let before = watched.looks(&Pulse::default());
        fs::write(&file, "4444").unwrap();
        watched.set(vec![file.clone()], &before, &Pulse::default());
        assert_eq!(looks(), 1, "the reload may have read the former");
    }
}

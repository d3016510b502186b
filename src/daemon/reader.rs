//! Reads the service files and checks whether they changed, on its own thread.
//!
//! A file system that hangs (NFS whose server is gone) blocks every access, and neither a signal
//! nor a timeout interrupts it. This thread therefore does nothing else, and nothing waits for it:
//! its [`Pulse`] shows what it is doing, and the core continues without it. Only one thread hangs,
//! however often it is asked: further orders wait in the channel.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::messages::{Declared, FilesRead, ReadOrder};
use super::pulse::Pulse;
use super::watch_file::{Watched, Watcher};
use crate::config::{self, Disk, Environment, Files, Reader, Reading, Services};
use crate::discovery::first_lists;
use crate::words::path as shown;

/// The interval between checks of the files.
const PACE: Duration = Duration::from_secs(1);

/// The files of a director.
pub(super) struct FileReader<F: Files = Disk> {
    file: PathBuf,
    reader: Reader<Noticed<F>>,
    /// The last result: equal services are shared in memory.
    last: Services,
    watched: Watched,
    watcher: Watcher,
    pulse: Pulse,
    /// Where the lists of pools are that find their servers.
    lists: Option<PathBuf>,
}

impl<F: Files> FileReader<F> {
    pub(super) fn new(file: PathBuf, files: F, environment: Environment, pulse: Pulse) -> Self {
        let files = Noticed {
            files,
            pulse: pulse.clone(),
        };
        Self {
            reader: Reader::new(file.clone(), files, environment),
            file,
            last: Services::new(),
            watched: Watched::default(),
            watcher: Watcher::default(),
            pulse,
            lists: None,
        }
    }

    /// The same with the lists of pools in this directory, where the first reading writes those
    /// that are missing.
    pub(super) fn with_lists(mut self, directory: PathBuf) -> Self {
        self.lists = Some(directory);
        self
    }

    /// Reads the files.
    pub(super) fn read(&mut self, order: ReadOrder) -> FilesRead {
        let ReadOrder { first, order } = order;
        let looks = self.watched.looks(&self.pulse);
        let mut reading = self.reader.read_as(&self.last, order.force);
        if first && self.has_first_lists(&reading) {
            reading = self.reader.read_as(&self.last, order.force);
        }
        let Reading {
            outcome,
            services,
            extent,
        } = reading;
        tracing::debug!(?extent, "{} read", self.file.display());
        let read = outcome
            .sources
            .iter()
            .map(|source| source.path())
            .chain([self.file.as_path()]);
        // What cannot be read may become readable.
        let looked = outcome.directories.iter().chain(&outcome.unread);
        let looked = looked.map(PathBuf::as_path);
        let paths = read.chain(looked).map(Path::to_owned).collect();
        self.watched.set(paths, &looks, &self.pulse);
        self.pulse.end();
        let report = outcome.render(config::Style::Plain);
        let outcome = match (outcome.desired, outcome.watch) {
            (Some(rest), Some(watch)) => {
                self.last.clone_from(&services);
                Ok(Declared {
                    rest,
                    watch,
                    failovers: Arc::new(outcome.failovers.unwrap_or_default()),
                    services,
                    shape: outcome.shape,
                    warnings: report,
                })
            }
            _ => Err(report),
        };
        FilesRead {
            first,
            order,
            outcome,
        }
    }

    /// Whether there are lists now for pools that had none.
    fn has_first_lists(&self, reading: &Reading) -> bool {
        let pools = reading.outcome.watch.as_ref();
        let pools = pools.map_or(&[][..], |watch| &watch.run.discoveries);
        let Some(directory) = self.lists.as_ref().filter(|_| !pools.is_empty()) else {
            return false;
        };
        self.pulse
            .begin("asking where servers are listed".to_owned());
        first_lists(directory, pools)
    }

    /// Whether they changed since they were read, and are no longer being written.
    fn changed(&mut self) -> bool {
        let changed = self.watcher.changed(&self.watched, &self.pulse);
        self.pulse.end();
        changed
    }
}

/// Starts the thread: results go to `done`, and `changed` is called when the files changed. It ends
/// when no more orders can come or `done` says so, and is not waited for.
pub(super) fn start<F: Files + Send + 'static>(
    mut files: FileReader<F>,
    orders: Receiver<ReadOrder>,
    done: impl Fn(FilesRead) -> bool + Send + 'static,
    changed: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name("reader".to_owned());
    thread.spawn(move || {
        loop {
            match orders.recv_timeout(PACE) {
                Ok(order) => {
                    if !done(files.read(order)) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if files.changed() {
                        changed();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(())
}

/// Files that record what they are asked for.
#[derive(Debug)]
struct Noticed<F> {
    files: F,
    pulse: Pulse,
}

impl<F> Noticed<F> {
    fn note(&self, verb: &str, path: &Path) {
        self.pulse.begin(format!("{verb} {}", shown(path)));
    }
}

impl<F: Files> Files for Noticed<F> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note("reading", path);
        self.files.read(path)
    }

    fn read_into(&self, path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.note("reading", path);
        self.files.read_into(path, buffer)
    }

    fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        self.note("listing", &directory.join(pattern));
        self.files.matching(directory, pattern)
    }

    fn lacks(&self, path: &Path) -> bool {
        self.note("looking for", path);
        self.files.lacks(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.note("checking", path);
        self.files.is_directory(path)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        self.note("looking for", path);
        self.files.identity(path)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Instant;

    use super::*;
    use crate::config::Memory;
    use crate::daemon::messages::Order;

    /// Files, one of which does not answer while the gate is closed.
    #[derive(Clone)]
    struct Blocking {
        files: Memory,
        gate: Arc<(Mutex<bool>, Condvar)>,
    }

    impl Blocking {
        fn set(&self, closed: bool) {
            *self.gate.0.lock().unwrap() = closed;
            self.gate.1.notify_all();
        }
    }

    impl Files for Blocking {
        fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
            if path.ends_with("far.toml") {
                let closed = self.gate.0.lock().unwrap();
                drop(self.gate.1.wait_while(closed, |closed| *closed).unwrap());
            }
            self.files.read(path)
        }

        fn matching(&self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
            self.files.matching(directory, pattern)
        }

        fn lacks(&self, path: &Path) -> bool {
            self.files.lacks(path)
        }
    }

    #[test]
    fn a_file_that_does_not_answer_is_named_and_read_when_it_does() {
        let far = "[service.a]\nlisten = \"tcp://192.0.2.1:80\"\nservers = [\"10.0.0.1\"]\n";
        let root = "version = 1\ninclude = [\"far.toml\"]\n";
        let files = Blocking {
            files: Memory::from_iter([("a.toml", root), ("far.toml", far)]),
            gate: Arc::default(),
        };
        files.set(true);
        let pulse = Pulse::default();
        let reader = FileReader::new(
            "a.toml".into(),
            files.clone(),
            Environment::default(),
            pulse.clone(),
        );
        let (orders, todo) = mpsc::channel();
        let (sender, done) = mpsc::channel();
        start(reader, todo, move |read| sender.send(read).is_ok(), || {}).unwrap();
        let order = ReadOrder {
            first: false,
            order: Order::UNASKED,
        };
        // Many orders, and one thread that hangs.
        for _ in 0..3 {
            orders.send(order).unwrap();
        }
        let end = Instant::now() + Duration::from_secs(20);
        let overdue = loop {
            assert!(Instant::now() < end, "it is not noticed");
            match pulse.overdue(Duration::from_millis(100)) {
                Some((what, _)) if what.contains("far.toml") => break what,
                _ => thread::sleep(Duration::from_millis(5)),
            }
        };
        assert_eq!(&*overdue, "reading far.toml");
        assert!(done.try_recv().is_err());
        files.set(false);
        for _ in 0..3 {
            let read = done.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(read.outcome.unwrap().services.len(), 1);
        }
        assert!(pulse.overdue(Duration::from_secs(1)).is_none());
    }
}

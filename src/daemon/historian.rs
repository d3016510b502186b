//! The thread that records the history. It reads what is published, as a client of the control
//! socket does: the core does not know it, so a slow or full disk delays nothing.
//!
//! The queue is the list of published events, which is bounded. What is no longer in it when the
//! disk answers again is counted as lost.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::messages::{Input, Job, Recorded};
use crate::control::event::Event;
use crate::control::snapshot::{Published, ServerState, Snapshot};
use crate::control::{InForce, Now};
use crate::history::{Files, Recorder};
use crate::words::count;

/// How long changes are collected for one record: a verdict's event comes before its snapshot.
const GATHER: Duration = Duration::from_millis(250);
/// The longest sleep.
const PATIENCE: Duration = Duration::from_secs(1);
/// The interval between attempts while the disk takes nothing.
const RETRY: Duration = Duration::from_secs(5);
/// How long the first verdicts may take: the history does not begin with servers that wait for
/// theirs.
const VERDICTS: Duration = Duration::from_secs(10);
/// How long the worker, which may be busy with a transaction, is waited for.
const FILES: Duration = Duration::from_secs(10);
/// Between two looks whether the director stops.
const SLICE: Duration = Duration::from_millis(100);

/// The running thread.
#[derive(Debug)]
pub(super) struct Historian {
    stop: Arc<Stop>,
    published: Arc<Published>,
    thread: JoinHandle<()>,
}

/// How the director stops.
#[derive(Debug, Default)]
struct Stop {
    now: AtomicBool,
    /// Whether it deletes its services.
    deletes: AtomicBool,
}

impl Historian {
    /// Starts the thread; `state` is the state directory of the network namespace.
    pub(super) fn start(
        state: &Path,
        published: Arc<Published>,
        jobs: Sender<Job>,
        inputs: Sender<Input>,
    ) -> io::Result<Self> {
        let stop = Arc::<Stop>::default();
        let (answer, files) = mpsc::channel();
        let mut work = Work {
            recorder: Recorder::new(state),
            published: Arc::clone(&published),
            stop: Arc::clone(&stop),
            jobs,
            inputs,
            answer,
            files,
            asked: None,
            next: 0,
            began: Instant::now(),
            failed: None,
            is_dirty: false,
        };
        let thread = thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || work.run())?;
        Ok(Self {
            stop,
            published,
            thread,
        })
    }

    /// Lets the thread record the end; returns it for the caller to wait for.
    pub(super) fn stop(self, deletes: bool) -> JoinHandle<()> {
        self.stop.deletes.store(deletes, Ordering::Relaxed);
        self.stop.now.store(true, Ordering::Release);
        self.published.wake();
        self.thread
    }
}

/// Files in force, and since when, in milliseconds since 1970.
type InForceSince = (u64, Option<InForce>);

struct Work {
    recorder: Recorder,
    published: Arc<Published>,
    stop: Arc<Stop>,
    jobs: Sender<Job>,
    inputs: Sender<Input>,
    answer: Sender<InForceSince>,
    files: Receiver<InForceSince>,
    /// The time of the files that were asked for last.
    asked: Option<std::time::SystemTime>,
    /// The number of the next event.
    next: u64,
    began: Instant,
    /// When the disk last took nothing.
    failed: Option<Instant>,
    /// Whether something is written and not on disk.
    is_dirty: bool,
}

impl Work {
    fn run(&mut self) {
        while !self.is_over() {
            self.published.wait(PATIENCE);
            if !self.is_over() {
                thread::sleep(GATHER);
            }
            let snapshot = self.published.snapshot();
            if snapshot.history.size == 0 {
                self.next = self.published.next_event();
                continue;
            }
            self.ask_for_files(&snapshot);
            if self.is_ready(&snapshot) {
                self.record(&snapshot);
            }
            self.sync();
        }
        let snapshot = self.published.snapshot();
        if snapshot.history.size > 0 && snapshot.loaded.is_some() {
            self.failed = None;
            self.record(&snapshot);
            let at = snapshot.date(crate::apply::boot_time());
            let at = at.or_else(|| snapshot.at.map(|at| at.wall));
            let at = at.map_or(0, |wall| {
                let boot = crate::apply::boot_time();
                Now { boot, wall }.unix_ms()
            });
            let deletes = self.stop.deletes.load(Ordering::Relaxed);
            let _ = self.recorder.stop(at, deletes);
        }
    }

    fn is_over(&self) -> bool {
        self.stop.now.load(Ordering::Acquire)
    }

    /// Asks the worker for the files when others come into force, and waits a while for them, so that
    /// they are in the record of what they changed.
    fn ask_for_files(&mut self, snapshot: &Snapshot) {
        if let Some(loaded) = snapshot.loaded
            && self.asked != Some(loaded)
        {
            self.asked = Some(loaded);
            let boot = crate::apply::boot_time();
            let at = Now { boot, wall: loaded }.unix_ms();
            let answer = self.answer.clone();
            let reply = Box::new(move |files| {
                let _ = answer.send((at, files));
            });
            let _ = self.jobs.send(Job::Files(reply));
            let asked = Instant::now();
            while !self.is_over() && asked.elapsed() < FILES {
                match self.files.recv_timeout(SLICE) {
                    Ok(files) => {
                        self.came(files);
                        break;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        }
        while let Ok(files) = self.files.try_recv() {
            self.came(files);
        }
    }

    fn came(&mut self, (at, files): InForceSince) {
        if let Some(files) = files {
            self.recorder.files(at, &texts(&files));
        }
    }

    /// Whether there is a state to record, and the time to do so.
    fn is_ready(&self, snapshot: &Snapshot) -> bool {
        if snapshot.loaded.is_none() {
            return false;
        }
        if let Some(failed) = self.failed {
            return failed.elapsed() >= RETRY;
        }
        let mut services = snapshot.services.values();
        let waits = |state| state == ServerState::Pending;
        self.began.elapsed() >= VERDICTS
            || !services.any(|one| one.servers.iter().any(|server| waits(server.state)))
    }

    fn record(&mut self, snapshot: &Arc<Snapshot>) {
        let (events, next): (Vec<Arc<Event>>, u64) = self.published.events(self.next);
        let first = events.first().map_or(next, |event| event.id);
        let lost = first.saturating_sub(self.next);
        if !self.recorder.is_owed(snapshot, &events) && lost == 0 {
            return;
        }
        let opened = self.recorder.open();
        if let Ok(damage) = &opened
            && !damage.is_empty()
        {
            self.tell(Recorded::Damaged(damage.join("; ")));
        }
        let recorded = opened.and_then(|_| {
            self.recorder
                .record(snapshot, &events, lost, snapshot.history)
        });
        match recorded {
            Ok(()) => {
                self.next = next;
                self.is_dirty = true;
                if lost > 0 {
                    let events = count(lost, "event is", "events are");
                    tracing::warn!("{events} not in the history: the disk was too slow, or full");
                }
                if self.failed.take().is_some() {
                    self.tell(Recorded::Resumed);
                }
            }
            Err(error) => {
                if self.failed.replace(Instant::now()).is_none() {
                    self.tell(Recorded::Paused(error.to_string()));
                }
            }
        }
    }

    fn sync(&mut self) {
        if std::mem::take(&mut self.is_dirty)
            && let Err(error) = self.recorder.sync()
            && self.failed.replace(Instant::now()).is_none()
        {
            self.tell(Recorded::Paused(error.to_string()));
        }
    }

    fn tell(&self, what: Recorded) {
        let _ = self.inputs.send(Input::Recorded(what));
    }
}

fn texts(files: &InForce) -> Files {
    let texts = files.texts.iter();
    Files {
        root: files.root.to_string_lossy().into_owned(),
        files: texts
            .map(|(path, text)| {
                let path = path.to_string_lossy().into_owned();
                (path, String::from_utf8_lossy(text).into_owned())
            })
            .collect(),
    }
}

//! Threads that hang: a file system or a disk that does not answer.
//!
//! The core continues without them. Those who wait for a reload are answered within a bounded time,
//! `status` shows what hangs, and what could not be read is read once it answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::reloading::Stage;
use crate::control::Now;
use crate::control::event::{EventKind, Subject};
use crate::control::operator::{Refusal, RefusalKind};
use crate::control::snapshot::Rejection;
use crate::daemon::messages::{Order, Reply};
use crate::daemon::pulse::{Stall, Thread};
use crate::state::BootTime;
use crate::words::path;

/// How long a reload waits for the files.
const LOADING: Duration = Thread::Reader.limit();

/// How long the requester of a reload waits until the tables are changed.
const TRANSACTING: Duration = Duration::from_secs(60);

/// What hangs.
#[derive(Debug, Default)]
pub(super) struct Stalls {
    stalls: Vec<Stall>,
    /// Whether the files are being read too late for their reload.
    late: bool,
    /// The number of stages begun that wait for a thread.
    begun: u64,
    /// The stage seen last, and since when.
    seen: u64,
    since: BootTime,
}

impl Stalls {
    /// Begins a stage that waits for a thread.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    /// The trouble for `status`.
    pub(super) fn trouble(&self) -> Option<String> {
        let texts: Vec<String> = self.stalls.iter().map(text).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn of(&self, thread: Thread) -> Option<&Stall> {
        self.stalls.iter().find(|stall| stall.thread == thread)
    }
}

fn text(stall: &Stall) -> String {
    let seconds = stall.thread.limit().as_secs();
    let what = &stall.what;
    format!("{what} has not answered for more than {seconds}s")
}

impl Core {
    /// Updates what hangs.
    pub(in crate::daemon) fn stalled(&mut self, stalls: Vec<Stall>, now: Now) {
        let before = std::mem::replace(&mut self.stalls.stalls, stalls);
        let has = |stalls: &[Stall], one: &Stall| {
            let same = |other: &Stall| (other.thread, &other.what) == (one.thread, &one.what);
            stalls.iter().any(same)
        };
        let new = |stall: &&Stall| !has(&before, stall);
        let told: Vec<String> = self.stalls.stalls.iter().filter(new).map(text).collect();
        let gone = |stall: &&Stall| !has(&self.stalls.stalls, stall);
        let answered: Vec<Arc<str>> = before
            .iter()
            .filter(gone)
            .map(|stall| stall.what.clone())
            .collect();
        if !told.is_empty() || !answered.is_empty() {
            self.show.touch();
        }
        for text in told {
            self.event(EventKind::Stalled, Subject::None, text, now);
        }
        for what in answered {
            let text = format!("{what} has ended");
            self.event(EventKind::Answers, Subject::None, text, now);
        }
        self.do_not_wait(now);
    }

    /// Gives up waiting for what hangs.
    fn do_not_wait(&mut self, now: Now) {
        if self.stalls.seen != self.stalls.begun {
            self.stalls.seen = self.stalls.begun;
            self.stalls.since = now.boot;
        }
        let time = self.stalls.since.until(now.boot);
        match self.reloading.stage() {
            Stage::Loading { .. } if time >= LOADING => {
                self.stalls.late = true;
                let why = self.not_read(time);
                if self.is_ready() {
                    self.reloading.leave();
                    self.refuse_waiting(&why);
                } else {
                    self.reject(&Rejection::failure(why), now);
                }
            }
            Stage::Transacting { .. } if time >= TRANSACTING => {
                let what = self.stalls.of(Thread::Worker);
                let what = what.map_or("changing the tables", |stall| &*stall.what);
                let seconds = time.as_secs();
                let why = format!(
                    "{what} has not finished for {seconds}s; `director status` shows when it has"
                );
                self.refuse_waiting(&why);
            }
            _ => {}
        }
    }

    /// Why the files are not read.
    fn not_read(&self, time: Duration) -> String {
        let reader = self.stalls.of(Thread::Reader);
        let (what, time) = match reader.or_else(|| self.stalls.of(Thread::Worker)) {
            Some(stall) => (stall.what.to_string(), stall.time),
            None => (format!("reading {}", path(self.reloading.file())), time),
        };
        let then = if self.is_ready() {
            "; the files are read once it does, subject to the guards"
        } else {
            ""
        };
        format!("{what} has not answered for {}s{then}", time.as_secs())
    }

    fn refuse_waiting(&mut self, why: &str) {
        self.refuse_reloads(unavailable(why.to_owned()));
    }

    /// Whether files are being read for a reload that has been given up. An order to read them is
    /// then answered; they are read anyway once what hangs has answered.
    pub(super) fn is_reading_late(&mut self, reply: &mut Option<Reply>, now: Now) -> bool {
        if self.stalls.late
            && let Some(reply) = reply.take()
        {
            let why = self.not_read(self.stalls.since.until(now.boot));
            self.answer(reply, Err(unavailable(why)), BTreeSet::new());
        }
        self.stalls.late
    }

    /// Files have been read; returns whether that is too late for their reload. They are then read
    /// again, as they may have changed, and not forced: whoever forced it was told that it failed.
    pub(super) fn came_late(&mut self, now: Now) -> bool {
        let late = std::mem::take(&mut self.stalls.late);
        if late {
            self.reload(Order::UNASKED, None, now);
        }
        late
    }
}

fn unavailable(message: String) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, message)
}

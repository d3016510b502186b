//! What a thread is at, for others to see: a file system that hangs holds the thread that uses it,
//! and no time limit of its own helps there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a thread does now that may take for ever, if anything.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<Option<Doing>>>);

#[derive(Debug, Clone)]
struct Doing {
    what: Arc<str>,
    since: Instant,
}

impl Pulse {
    /// The thread begins something, in the place of what it did before.
    pub(super) fn begin(&self, what: impl Into<Arc<str>>) {
        let doing = Doing {
            what: what.into(),
            since: Instant::now(),
        };
        self.set(Some(doing));
    }

    /// The thread has nothing to do.
    pub(super) fn end(&self) {
        self.set(None);
    }

    /// What the thread has been at for longer than `limit`, and how long.
    pub(super) fn overdue(&self, limit: Duration) -> Option<(Arc<str>, Duration)> {
        let doing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let doing = doing.as_ref()?;
        let time = doing.since.elapsed();
        (time > limit).then(|| (doing.what.clone(), time))
    }

    fn set(&self, doing: Option<Doing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }
}

/// The threads that may hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thread {
    /// Reads the service files and looks whether they changed.
    Reader,
    /// Reads and changes the tables, and writes the ledger.
    Worker,
    /// Writes what operators have set.
    Keeper,
}

impl Thread {
    /// From when on it counts as hung. A large table on a slow machine takes its time.
    pub(super) const fn limit(self) -> Duration {
        match self {
            Self::Reader | Self::Keeper => Duration::from_secs(10),
            Self::Worker => Duration::from_secs(30),
        }
    }
}

/// A thread that hangs.
#[derive(Debug, Clone)]
pub(super) struct Stall {
    pub(super) thread: Thread,
    pub(super) what: Arc<str>,
    pub(super) time: Duration,
}

/// Of each thread what it is at.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    pub(super) reader: Pulse,
    pub(super) worker: Pulse,
    pub(super) keeper: Pulse,
}

impl Pulses {
    /// The threads that hang.
    pub(super) fn stalls(&self) -> Vec<Stall> {
        let all = [
            (Thread::Reader, &self.reader),
            (Thread::Worker, &self.worker),
            (Thread::Keeper, &self.keeper),
        ];
        let stalls = all.into_iter().filter_map(|(thread, pulse)| {
            let (what, time) = pulse.overdue(thread.limit())?;
            Some(Stall { thread, what, time })
        });
        stalls.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_at_something_new_does_not_hang() {
        let pulse = Pulse::default();
        assert!(pulse.overdue(Duration::ZERO).is_none());
        pulse.begin("reading a");
        std::thread::sleep(Duration::from_millis(20));
        let (what, time) = pulse.overdue(Duration::from_millis(10)).unwrap();
        assert_eq!(&*what, "reading a");
        assert!(time >= Duration::from_millis(20));
        pulse.begin("reading b");
        assert!(pulse.overdue(Duration::from_secs(5)).is_none());
        pulse.end();
        assert!(pulse.overdue(Duration::ZERO).is_none());
    }
}

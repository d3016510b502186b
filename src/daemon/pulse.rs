//! What a thread is doing, for others to see: a file system that hangs blocks the thread that uses
//! it, and no timeout of its own helps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The current action of a thread that may take for ever, if any.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<Option<Doing>>>);

#[derive(Debug, Clone)]
struct Doing {
    what: Arc<str>,
    since: Instant,
}

impl Pulse {
    /// The thread begins an action, replacing the earlier one.
    pub(super) fn begin(&self, what: impl Into<Arc<str>>) {
        let doing = Doing {
            what: what.into(),
            since: Instant::now(),
        };
        self.set(Some(doing));
    }

    /// The thread is idle.
    pub(super) fn end(&self) {
        self.set(None);
    }

    /// The thread's action if it takes longer than `limit`, and how long.
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
    /// Reads the service files and checks whether they changed.
    Reader,
    /// Reads and changes the tables, and writes the ledger.
    Worker,
    /// Writes operators' settings.
    Keeper,
}

impl Thread {
    /// The time after which it counts as hanging. A large table on a slow machine takes time.
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

/// The current action of each thread.
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

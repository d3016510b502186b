//! Commands that a service file runs on events.
//!
//! ```text
//!   core ── tell ──► bounded queue ──► coalesce.rs: what is run when ──► run.rs: a process group
//!           never waits                a pure function of events and time    with a time limit
//! ```
//!
//! - **Never in the way**: they have a thread of their own; events that do not fit into the queue
//!   are dropped and counted, and the next run is told how many.
//! - **A burst is one run**: events within a short time go to one run of each command, and no
//!   command runs twice at the same time.
//! - **A command gets** the events as JSON lines on its standard input, and the last one in its
//!   environment too, for those that only need to know that something happened.

mod coalesce;
mod run;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::messages::{NotifyAbout, NotifyEvent};
use crate::state::health::Notify;
use coalesce::Coalescer;

/// The most events that wait for the thread.
const QUEUE: usize = 4096;
/// How long events are collected before a command runs.
const WINDOW: Duration = Duration::from_secs(1);

/// The thread that runs commands. Dropping it kills the running ones.
#[derive(Debug)]
pub struct Commands {
    queue: Option<Sender<(Arc<Notify>, NotifyEvent)>>,
    dropped: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Commands {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        let (queue, events) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let lost = dropped.clone();
        let thread = thread::Builder::new()
            .name("commands".to_owned())
            .spawn(move || runtime.block_on(serve(events, &lost)))?;
        Ok(Self {
            queue: Some(queue),
            dropped,
            thread: Some(thread),
        })
    }

    /// Runs those commands that are for this event. Does not block.
    pub(super) fn tell(&self, commands: &[Notify], event: &NotifyEvent) {
        let Some(queue) = &self.queue else { return };
        for command in commands {
            if let NotifyAbout::Service { event, .. } = &event.about
                && !command.on.contains(event)
            {
                continue;
            }
            let told = (Arc::new(command.clone()), event.clone());
            if queue.try_send(told).is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(mut events: Receiver<(Arc<Notify>, NotifyEvent)>, dropped: &AtomicU64) {
    let mut coalescer = Coalescer::new(WINDOW);
    // Dropped at the end, which kills running commands.
    let mut runs = JoinSet::new();
    loop {
        let now = Instant::now();
        for batch in coalescer.due(now) {
            runs.spawn(run::run(batch));
        }
        let next = coalescer.next();
        let wake = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = events.recv() => {
                let Some((command, event)) = told else { return };
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!(lost, "too many events at once: commands are told only some of \
                                          them");
                }
                coalescer.push(Instant::now(), command, event, lost);
            }
            Some(ended) = runs.join_next() => {
                // A run does not panic; if it did, its command would not run again.
                if let Ok(command) = ended {
                    coalescer.ended(&command);
                }
            }
            () = wake => {}
        }
    }
}

//! Commands that a service file asks to be run when something happens.
//!
//! ```text
//!   core ── tell ──► bounded queue ──► coalesce.rs: what is run when ──► run.rs: a process group
//!           never waits                a pure function of events and time    with a time limit
//! ```
//!
//! - **Never in the way**: a thread of its own; what does not fit into the queue is dropped and
//!   counted, and the next run is told how many.
//! - **A burst is one run**: what happens within a short time goes to one run of each command, and
//!   no command runs twice at the same time.
//! - **A command gets** what happened as JSON lines on its standard input, the last of it in its
//!   environment too, for those who only need to know that something did.

mod coalesce;
mod run;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::messages::NotifyEvent;
use crate::state::health::Notify;
use coalesce::Coalescer;

/// So many events wait for the thread at most.
const QUEUE: usize = 4096;
/// How long what happens is gathered before a command is run.
const WINDOW: Duration = Duration::from_secs(1);

/// The thread that runs commands. Those under way are killed when this is dropped.
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
    /// When there is no thread to be had.
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

    /// Runs those of the commands that are for such an occasion. Returns at once.
    pub(super) fn tell(&self, commands: &[Notify], event: &NotifyEvent) {
        let Some(queue) = &self.queue else { return };
        for command in commands {
            if !command.on.contains(&event.event) {
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
    // Dropped at the end, and what runs is killed with it.
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
                    tracing::warn!(lost, "too much happened at once to tell the commands of it all");
                }
                coalescer.push(Instant::now(), command, event, lost);
            }
            Some(ended) = runs.join_next() => {
                // A run does not panic; if it did, its command would not be run again.
                if let Ok(command) = ended {
                    coalescer.ended(&command);
                }
            }
            () = wake => {}
        }
    }
}

//! The thread that reads, and the queues of the peers that ask.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ipvs::{Client, SyncDaemon};
use ipvs_sync::Entry;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::super::inject::backup;
use super::super::own::Own;
use super::ear::Ear;
use super::pulse::Pulse;
use crate::state::relay;

/// The most entries that wait for one peer: about 3 MiB.
const ROOM: usize = 16_384;

/// Shared by the threads of all peers; none waits while it holds the lock.
#[derive(Debug, Clone, Default)]
pub(in crate::peers) struct Hub {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    queues: Vec<Queue>,
    is_running: bool,
    /// Why the reader ended.
    failed: String,
}

#[derive(Debug)]
struct Queue {
    entries: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

/// What a peer gets. Its queue ends with it.
#[derive(Debug)]
pub(super) struct Subscription {
    entries: Receiver<Entry>,
    dropped: Arc<AtomicU64>,
    hub: Hub,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue for a peer, which the reader fills.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn subscribe(&self, own: &Own) -> anyhow::Result<Subscription> {
        let subscription = self.queue(ROOM);
        let mut inner = self.lock();
        if !inner.is_running {
            inner.failed.clear();
            let (hub, own) = (self.clone(), own.clone());
            thread::Builder::new()
                .name("relay-read".to_owned())
                .spawn(move || hub.run(&own))
                .context("cannot start a thread")?;
            inner.is_running = true;
        }
        Ok(subscription)
    }

    /// A queue with this much room.
    pub(super) fn queue(&self, room: usize) -> Subscription {
        let (sender, entries) = sync_channel(room);
        let dropped = Arc::new(AtomicU64::new(0));
        self.lock().queues.push(Queue {
            entries: sender,
            dropped: Arc::clone(&dropped),
        });
        Subscription {
            entries,
            dropped,
            hub: self.clone(),
        }
    }

    fn run(&self, own: &Own) {
        let failed = self.read(own).err();
        let mut inner = self.lock();
        if let Some(why) = failed {
            inner.failed = format!("cannot read what the own sync daemon sends: {why:#}");
            inner.queues.clear();
            inner.is_running = false;
        }
    }

    /// Reads until no peer asks any more.
    fn read(&self, own: &Own) -> anyhow::Result<()> {
        let backup = daemons()?;
        let mut ear = Ear::open().context("cannot listen on `lo`")?;
        let mut pulse = Pulse::open(&backup, Instant::now()).context("cannot send on `lo`")?;
        let mut dropped = 0;
        loop {
            let now = Instant::now();
            ear.look(now);
            // What the kernel dropped would have been for all.
            let lost = ear.dropped().saturating_sub(dropped);
            dropped = dropped.max(ear.dropped());
            if !self.keep(lost) {
                return Ok(());
            }
            pulse.beat(now)?;
            let wait = pulse.wait(Instant::now());
            let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
            let mut waits = [PollFd::new(ear.socket().as_fd(), PollFlags::POLLIN)];
            // An interrupted wait is a short one.
            let _ = poll(&mut waits, wait);
            let is_private = own.is_private();
            let mut entries = Vec::new();
            ear.read(|entry| {
                if !is_private(entry.mark) {
                    entries.push(entry);
                }
            })?;
            self.give(&entries);
        }
    }

    /// Counts what is lost to all queues, and forgets the queues that ended. Returns whether there are some;
    /// if not, the reader ends, under the same lock under which the next one would start.
    fn keep(&self, lost: u64) -> bool {
        let mut inner = self.lock();
        inner
            .queues
            .retain(|queue| Arc::strong_count(&queue.dropped) > 1);
        for queue in &inner.queues {
            queue.dropped.fetch_add(lost, Ordering::Relaxed);
        }
        inner.is_running = !inner.queues.is_empty();
        inner.is_running
    }

    /// Puts entries into all queues, and drops what does not fit.
    pub(super) fn give(&self, entries: &[Entry]) {
        let inner = self.lock();
        for queue in &inner.queues {
            for entry in entries {
                if let Err(TrySendError::Full(_)) = queue.entries.try_send(entry.clone()) {
                    queue.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// The own backup daemon, if the daemons of a relay run.
fn daemons() -> anyhow::Result<SyncDaemon> {
    let running = Client::connect()?.daemons()?;
    match backup(&running) {
        Some(backup) if running.iter().any(is_relay) => Ok(*backup),
        _ => bail!("the sync daemons of `role = \"relay\"` do not run"),
    }
}

/// What runs has the kernel's defaults filled in.
fn is_relay(running: &SyncDaemon) -> bool {
    let [master, _] = relay::daemons(running.sync_id);
    (running.role, running.interface, running.port) == (master.role, master.interface, master.port)
}

impl Subscription {
    /// The next entry, within a time. `None`: there is none.
    ///
    /// # Errors
    /// If the reader has ended.
    pub(super) fn next(&self, patience: Duration) -> anyhow::Result<Option<Entry>> {
        match self.entries.recv_timeout(patience) {
            Ok(entry) => Ok(Some(entry)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!(self.hub.lock().failed.clone()),
        }
    }

    /// An entry that is there.
    pub(super) fn more(&self) -> Option<Entry> {
        self.entries.try_recv().ok()
    }

    /// How many entries were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

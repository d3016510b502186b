//! Messages to the checks' thread from the daemon and the worker.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::kind::Memory;
use super::target::Job;
use super::{Command, Report};

#[derive(Debug)]
pub(crate) enum Message {
    /// From the daemon.
    Commands(Vec<Command>),
    /// From the worker.
    Completed(Completed),
}

/// The result of a check in the worker.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) job: Job,
    pub(crate) report: Report,
    pub(crate) memory: Memory,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
}

/// Messages, and the means to wake their reader.
#[derive(Debug)]
pub(crate) struct Inbox {
    messages: Mutex<Vec<Message>>,
    wake: EventFd,
    /// Whether the reader was woken and has not looked since: one write is enough for many
    /// messages.
    woken: AtomicBool,
    closed: AtomicBool,
}

impl Inbox {
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self {
            messages: Mutex::default(),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            woken: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Becomes readable once for each wake-up.
    pub(crate) const fn wake(&self) -> &EventFd {
        &self.wake
    }

    pub(crate) fn put(&self, message: Message) {
        self.lock().push(message);
        self.signal();
    }

    /// Rejects further messages.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.signal();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// All messages so far, in order.
    pub(crate) fn take(&self) -> Vec<Message> {
        // First, so that later messages wake the reader again.
        self.woken.store(false, Ordering::SeqCst);
        mem::take(&mut *self.lock())
    }

    fn signal(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            // The write fails when the counter is full; the reader is then already signalled.
            let _ = self.wake.write(1);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

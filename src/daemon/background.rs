//! A thread for writes that may block: a full pipe at stderr, systemd's socket. Queueing never
//! blocks, and the end of the program waits for a bounded time.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the last items may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// The interval between checks of a thread that is about to end.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends the thread when dropped, once everything queued is written or a second has passed.
#[derive(Debug)]
pub(super) struct BackgroundWriter<T> {
    pub(super) queue: Queue<T>,
    thread: JoinHandle<()>,
}

/// Takes items for the thread. Clones may outlive it.
#[derive(Debug, Clone)]
pub(super) struct Queue<T> {
    /// `None` ends the thread.
    items: SyncSender<Option<T>>,
}

impl<T: Send + 'static> BackgroundWriter<T> {
    /// Starts a thread that calls `write` with each item, and holds at most `room` of them.
    pub(super) fn start(
        name: &str,
        room: usize,
        mut write: impl FnMut(T) + Send + 'static,
    ) -> io::Result<Self> {
        let (items, waiting) = sync_channel(room);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Ok(Some(item)) = waiting.recv() {
                    write(item);
                }
            })?;
        let queue = Queue { items };
        Ok(Self { queue, thread })
    }
}

impl<T> Queue<T> {
    /// Queues an item; `false` if there is no room and it was dropped.
    pub(super) fn offer(&self, item: T) -> bool {
        self.items.try_send(Some(item)).is_ok()
    }
}

impl<T> Drop for BackgroundWriter<T> {
    fn drop(&mut self) {
        let end = Instant::now() + FAREWELL;
        while let Err(TrySendError::Full(_)) = self.queue.items.try_send(None)
            && Instant::now() < end
        {
            thread::sleep(PAUSE);
        }
        has_ended(&self.thread, end);
    }
}

/// Waits for a thread, at most until `end`; returns whether it has ended.
pub(super) fn has_ended(thread: &JoinHandle<()>, end: Instant) -> bool {
    while !thread.is_finished() && Instant::now() < end {
        thread::sleep(PAUSE);
    }
    thread.is_finished()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_is_queued_is_written_before_the_end_though_the_queue_lives_on() {
        let (written, found) = mpsc::channel();
        let writer = BackgroundWriter::start("test", 2, move |item: u8| {
            let _ = written.send(item);
        })
        .unwrap();
        let queue = writer.queue.clone();
        assert!(queue.offer(1));
        drop(writer);
        assert_eq!(found.iter().collect::<Vec<_>>(), [1]);
        assert!(!queue.offer(2), "nobody takes it");
    }

    #[test]
    fn a_write_that_blocks_delays_neither_the_sender_nor_the_end_for_long() {
        let (release, blocked) = mpsc::channel::<()>();
        let (begun, writing) = mpsc::channel();
        let writer = BackgroundWriter::start("test", 1, move |_: u8| {
            let _ = begun.send(());
            let _ = blocked.recv();
        })
        .unwrap();
        assert!(writer.queue.offer(1));
        writing.recv().unwrap();
        assert!(writer.queue.offer(2));
        assert!(!writer.queue.offer(3), "it is full");
        drop(writer);
        drop(release);
    }
}

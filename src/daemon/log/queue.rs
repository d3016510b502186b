//! Lines on their way to stderr: whoever logs never waits.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::LogForm;
use crate::words::{count, json_bytes, safe_coloured};

/// So many lines wait at most.
const LINES: usize = 8192;
/// How long the last lines may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often is looked whether they are out.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes lines for the thread that writes them.
#[derive(Clone)]
pub(super) struct Queue {
    form: LogForm,
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// Writes what is left when it is dropped, for as long as a second.
#[derive(Debug)]
pub struct LogGuard {
    /// Empty: it wakes the writer, and ends it.
    lines: SyncSender<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(
        form: LogForm,
        out: impl Write + Send + 'static,
    ) -> io::Result<(Self, LogGuard)> {
        let (lines, waiting) = sync_channel(LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let queue = Self {
            form,
            lines: lines.clone(),
            dropped: dropped.clone(),
        };
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(out, &waiting, &dropped))?;
        let guard = LogGuard {
            lines,
            thread: Some(thread),
        };
        Ok((queue, guard))
    }
}

fn write(mut out: impl Write, waiting: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    while let Ok(line) = waiting.recv() {
        if line.is_empty() {
            return;
        }
        // That nobody reads it any more must not end the director.
        let _ = out.write_all(&line);
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                out,
                "director: {} lost, it was too slow",
                count(lost, "line of the log was", "lines of the log were")
            );
        }
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let end = Instant::now() + FAREWELL;
        let mut last = self.lines.try_send(Vec::new());
        while last.is_err() && Instant::now() < end {
            thread::sleep(PAUSE);
            last = self.lines.try_send(Vec::new());
        }
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < end {
                thread::sleep(PAUSE);
            }
        }
    }
}

/// One line. It is handed on whole, when it is dropped.
pub(super) struct Entry<'q> {
    queue: &'q Queue,
    line: Vec<u8>,
}

impl<'q> MakeWriter<'q> for Queue {
    type Writer = Entry<'q>;

    fn make_writer(&'q self) -> Entry<'q> {
        Entry {
            queue: self,
            line: Vec::new(),
        }
    }
}

impl Write for Entry<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.line);
        // What others wrote is in it: servers, operators, whoever names files.
        let line = match self.queue.form {
            LogForm::Json => json_bytes(line),
            LogForm::Text => safe_coloured(&String::from_utf8_lossy(&line))
                .into_owned()
                .into_bytes(),
        };
        if !line.is_empty() && self.queue.lines.try_send(line).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Takes nothing until it is told to.
    struct Stuck {
        open: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.open.recv();
            self.written.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_is_stuck_stops_nobody_and_what_was_lost_is_said() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (open, stuck) = mpsc::channel();
        let out = Stuck {
            open: stuck,
            written: written.clone(),
        };
        let (queue, guard) = Queue::start(LogForm::Text, out).unwrap();
        for _ in 0..LINES + 100 {
            queue.make_writer().write_all(b"line\n").unwrap();
        }
        drop(open);
        drop(guard);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|line| *line == "line").count();
        // One more than fits may be in the writer's hand.
        assert!((LINES..=LINES + 1).contains(&kept), "{kept}");
        let lost = format!("{} lines of the log were lost", LINES + 100 - kept);
        assert!(text.contains(&lost), "{kept}");
    }
}

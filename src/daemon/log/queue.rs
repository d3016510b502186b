//! Lines on their way to stderr: logging never blocks.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_subscriber::fmt::MakeWriter;

use super::LogForm;
use crate::daemon::background::{self, BackgroundWriter};
use crate::words::{count, json_bytes, safe_coloured};

/// The most lines that wait.
const LINES: usize = 8192;

/// Accepts lines for the thread that writes them.
#[derive(Clone)]
pub(super) struct Queue {
    form: LogForm,
    lines: background::Queue<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// Writes the remaining lines when dropped, for up to a second.
#[derive(Debug)]
pub struct LogGuard {
    _writer: BackgroundWriter<Vec<u8>>,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(
        form: LogForm,
        mut out: impl Write + Send + 'static,
    ) -> io::Result<(Self, LogGuard)> {
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let writer = BackgroundWriter::start("log", LINES, move |line: Vec<u8>| {
            write(&mut out, &line, &lost);
        })?;
        let queue = Self {
            form,
            lines: writer.queue.clone(),
            dropped,
        };
        Ok((queue, LogGuard { _writer: writer }))
    }
}

fn write(out: &mut impl Write, line: &[u8], dropped: &AtomicU64) {
    // A reader that is gone must not end the director.
    let _ = out.write_all(line);
    let lost = dropped.swap(0, Ordering::Relaxed);
    if lost > 0 {
        let _ = writeln!(
            out,
            "director: {} dropped: the output is too slow",
            count(lost, "log line", "log lines")
        );
    }
}

/// One line. It is handed on whole, when it is dropped.
pub(super) struct LineWriter<'q> {
    queue: &'q Queue,
    line: Vec<u8>,
}

impl<'q> MakeWriter<'q> for Queue {
    type Writer = LineWriter<'q>;

    fn make_writer(&'q self) -> LineWriter<'q> {
        LineWriter {
            queue: self,
            line: Vec::new(),
        }
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.line);
        // It contains text from others: servers, operators, authors of file names.
        let line = match self.queue.form {
            LogForm::Json => json_bytes(line),
            LogForm::Text => safe_coloured(&String::from_utf8_lossy(&line))
                .into_owned()
                .into_bytes(),
        };
        if !line.is_empty() && !self.queue.lines.offer(line) {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Accepts nothing until released.
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
    fn a_stuck_reader_stops_no_other_and_lost_lines_are_counted() {
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
        // The writer may hold one more than fits.
        assert!((LINES..=LINES + 1).contains(&kept), "{kept}");
        let lost = format!("{} log lines dropped", LINES + 100 - kept);
        assert!(text.contains(&lost), "{kept}");
    }
}

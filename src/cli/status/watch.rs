//! `status --watch`: refreshes the status. On a terminal it is drawn in place on the alternate
//! screen, and the previous contents come back at the end.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::args::TextOrJson;
use super::super::output::{control, stream};
use crate::words::{count, safe_coloured};

/// The shortest interval between refreshes.
const SHORTEST: Duration = Duration::from_millis(100);

/// Shows the status until a signal arrives or the reader is gone.
pub(crate) fn run<E: Display + Into<anyhow::Error>>(
    pace: Duration,
    format: TextOrJson,
    mut page: impl FnMut() -> Result<String, E>,
) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before the terminal is changed: from here on, a signal no longer kills the process.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let screen = io::stdout().is_terminal() && format == TextOrJson::Text;
    // If no director is running at the start, report it as any verb does.
    let mut shown: Result<_, E> = Ok(page().map_err(Into::into)?);
    let _screen = screen.then(Screen::enter).transpose()?;
    loop {
        let text = match shown {
            Ok(text) => text,
            // The director may come back.
            Err(error) if screen => format!("director: {error}\n"),
            Err(error) => return Err(error.into()),
        };
        let written = if screen {
            control(&in_place(&safe_coloured(&text), super::screen(true).height))
        } else {
            stream(&text)
        };
        if written?.is_break() || runtime.block_on(signals.within(pace.max(SHORTEST))) {
            return Ok(());
        }
        shown = page();
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Whether a signal arrives within this time, or has arrived.
    async fn within(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            _ = self.hangup.recv() => true,
            () = tokio::time::sleep(time) => false,
        }
    }
}

/// The alternate screen of the terminal, without a cursor and with long lines cut; dropping this
/// leaves it.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        let _: ControlFlow<()> = control("\x1b[?1049h\x1b[?25l\x1b[?7l")?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = control("\x1b[?7h\x1b[?25h\x1b[?1049l");
    }
}

/// Draws the new status over the old one without flicker: each line is drawn and its rest cleared,
/// and everything below the last line is cleared. Lines that do not fit are counted.
fn in_place(text: &str, height: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let height = height.max(2);
    let fitting = if lines.len() <= height {
        lines.len()
    } else {
        height.saturating_sub(1)
    };
    let mut drawn = "\x1b[H".to_owned();
    for (index, line) in lines.iter().take(fitting).enumerate() {
        if index > 0 {
            drawn.push_str("\r\n");
        }
        drawn.push_str(line);
        drawn.push_str("\x1b[K");
    }
    if fitting < lines.len() {
        let rest = lines.len() - fitting;
        drawn.push_str(&format!(
            "\r\n... {}\x1b[K",
            count(rest, "more line", "more lines")
        ));
    }
    drawn.push_str("\x1b[J");
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_drawn_over_the_last_one_and_fits() {
        assert_eq!(in_place("a\nb\n", 2), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J");
        assert_eq!(
            in_place("a\nb\nc\n", 2),
            "\x1b[Ha\x1b[K\r\n... 2 more lines\x1b[K\x1b[J"
        );
    }
}

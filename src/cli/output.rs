//! Output: streams and colours.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;

use crate::plan::Style;
use crate::words::{json, safe, safe_coloured};

use super::args::{Args, Colour, TextOrJson};

/// The style for stdout.
pub(crate) fn style(args: &Args) -> Style {
    Style {
        colour: colour(args, io::stdout().is_terminal()),
        forced: false,
    }
}

/// Whether diagnostics on stderr are coloured.
pub(crate) fn colour_on_stderr(args: &Args) -> bool {
    colour(args, io::stderr().is_terminal())
}

fn colour(args: &Args, terminal: bool) -> bool {
    match args.color {
        Colour::Always => true,
        Colour::Never => false,
        // https://no-color.org: set and not empty.
        Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
    }
}

/// How much fits stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// The most characters of a line.
    pub(crate) width: usize,
    /// The most lines.
    pub(crate) height: usize,
}

/// The narrowest screen for which tables are laid out.
const NARROWEST: usize = 60;

/// The width where the output is no terminal: lines stay whole, for `grep`.
const UNBROKEN: usize = 20_000;

/// The number of lines that fit where the output is no terminal.
const PAGE: usize = 50;

/// The screen on which the output is read: the terminal, or what `COLUMNS` and `LINES` say. `whole`:
/// no prompt follows the output.
pub(crate) fn screen(whole: bool) -> Screen {
    let given = |name| std::env::var(name).ok()?.trim().parse::<usize>().ok();
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let (width, height) = match terminal {
        Some((width, height)) => (usize::from(width.0), usize::from(height.0)),
        None => (
            given("COLUMNS").unwrap_or(UNBROKEN),
            given("LINES").unwrap_or(PAGE),
        ),
    };
    Screen {
        // A terminal that does not know its size says 0.
        width: if width == 0 { 80 } else { width.max(NARROWEST) },
        height: match height {
            0 => 24,
            height if whole => height,
            height => height - 1,
        },
    }
}

/// Writes text to stdout and flushes it. A reader that has gone away (`| head`) is no error and
/// does not change what else the verb does. Names and reasons may contain any characters: those
/// that would hide or reorder others are escaped.
pub(crate) fn print(text: &str) -> io::Result<()> {
    stream(text).map(|_| ())
}

/// Like [`print`] for endless output: returns whether the reader is still there.
pub(crate) fn stream(text: &str) -> io::Result<ControlFlow<()>> {
    control(&safe_coloured(text))
}

/// Like [`stream`] for JSON, whose strings stay unchanged.
pub(crate) fn stream_json(text: String) -> io::Result<ControlFlow<()>> {
    control(&json(text))
}

/// Like [`print`] for JSON.
pub(crate) fn print_json(text: String) -> io::Result<()> {
    stream_json(text).map(|_| ())
}

/// Like [`print`] or [`print_json`], by the format.
pub(crate) fn print_either(format: TextOrJson, text: String) -> io::Result<()> {
    match format {
        TextOrJson::Text => print(&text),
        TextOrJson::Json => print_json(text),
    }
}

/// Writes bytes to stdout as they are: output for programs only.
pub(crate) fn print_raw(bytes: &[u8]) -> io::Result<()> {
    write(bytes).map(|_| ())
}

/// Writes terminal control sequences.
pub(crate) fn control(text: &str) -> io::Result<ControlFlow<()>> {
    write(text.as_bytes())
}

/// Writes to stdout and flushes it; returns whether the reader is still there.
fn write(bytes: &[u8]) -> io::Result<ControlFlow<()>> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => {
            let message = format!("cannot write the output: {error}");
            Err(io::Error::new(error.kind(), message))
        }
    }
}

/// Writes to stderr. `eprint!` would panic if the reader is gone, and an apply that cuts off its
/// own terminal must not end halfway. Writes in one call, since stderr is unbuffered, so that a
/// line stays in one piece where several programs write.
pub(crate) fn note(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_all(safe(&text.to_string()).as_bytes());
}

/// Like [`note`], for text that may be coloured.
pub(crate) fn note_coloured(text: &str) {
    let _ = io::stderr().write_all(safe_coloured(text).as_bytes());
}

/// A line on stderr: see [`note`].
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::note(format_args!("{}\n", format_args!($($text)*)))
    };
}
pub(crate) use say;

/// Asks a question on the terminal; `false` unless the answer is yes.
pub(crate) fn ask(question: &str) -> io::Result<bool> {
    note(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// Asks for consent, unless `--yes` gave it.
///
/// # Errors
/// If stdin is not a terminal.
pub(crate) fn consent(yes: bool, question: &str) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        anyhow::bail!("stdin is not a terminal; pass --yes");
    }
    Ok(ask(question)?)
}

//! Where output goes and how it looks.

use std::io::{self, IsTerminal, Write};

use crate::plan::Style;

use super::args::{Args, Colour};

/// The style for stdout.
pub(crate) fn style(args: &Args) -> Style {
    Style {
        colour: colour(args, io::stdout().is_terminal()),
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

/// Writes data to stdout, and makes sure that it arrived.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Whether the error is that nobody reads any more (`| head`), which is no error.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Asks a question on the terminal; `false` unless the answer is yes.
pub(crate) fn ask(question: &str) -> io::Result<bool> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// Asks for consent, unless it was given by `--yes`.
///
/// # Errors
/// When there is nobody to ask.
pub(crate) fn consent(yes: bool, question: &str) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        anyhow::bail!("nobody to ask, as stdin is not a terminal: use --yes");
    }
    Ok(ask(question)?)
}

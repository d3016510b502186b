//! Parses the command line in two stages.
//!
//! ```text
//!  words ── popt.rs ──► options in the order typed
//!                 │
//!                 ▼  typed.rs      applied one by one, as their order matters
//!               Typed
//!                 │  matrix.rs     which option goes with which command
//!                 ▼  command.rs    what it all means
//!              Command
//! ```
//!
//! Everything is bytes: arguments need not be UTF-8, and messages show them unchanged.

mod address;
mod command;
mod matrix;
mod options;
mod popt;
mod typed;
mod values;

pub(crate) use command::{Command, List, Listed, View};

use crate::errors::Stop;
use crate::names::Names;
use options::Opt;
use popt::Popt;
use typed::Typed;

/// Whether the first option asks for help or the version, which do not need IPVS.
pub(crate) fn asks_for_text(words: &[&[u8]]) -> Option<Command> {
    match Popt::new(words).next() {
        Ok(Some((Opt::Help, _))) => Some(Command::Help),
        Ok(Some((Opt::Version, _))) => Some(Command::Version),
        _ => None,
    }
}

/// Parses a command line without the program's name. With `nested` (in `-R`), `-R` is not allowed.
pub(crate) fn parse(
    program: &[u8],
    words: &[&[u8]],
    nested: bool,
    names: &mut dyn Names,
) -> Result<Command, Stop> {
    let mut popt = Popt::new(words);
    let Ok(Some((first, value))) = popt.next() else {
        return Err(Stop::no_command(program));
    };
    let verb = match first {
        Opt::Help => return Ok(Command::Help),
        Opt::Version => return Ok(Command::Version),
        Opt::Restore if nested => return Err(Stop::no_command(program)),
        first => match typed::verb(first) {
            Some(verb) => verb,
            None => return Err(Stop::no_command(program)),
        },
    };
    let mut typed = Typed::new(verb);
    typed.command_value(value.unwrap_or_default())?;
    loop {
        match popt.next() {
            Ok(None) => break,
            Ok(Some((option, value))) => typed.apply(option, value, popt.last_word(), names)?,
            Err(error) => return Err(Stop::bad_word(popt.last_word(), error.text())),
        }
    }
    typed.operands(popt.operands())?;
    command::mean(&typed)
}

//! `director man`.

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man as Page;

use super::args::{Args, Man};
use super::exit::Exit;

pub(crate) fn run(verb: &Man) -> anyhow::Result<Exit> {
    let directory = &verb.directory;
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    std::fs::create_dir_all(directory)
        .and_then(|()| write(&program, directory))
        .with_context(|| format!("cannot write man pages to {}", directory.display()))?;
    Ok(Exit::Done)
}

/// Writes the pages of a command and of what is below it.
fn write(command: &Command, directory: &Path) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write(verb, directory)?;
    }
    Page::new(command.clone())
        .date(date())
        .source(concat!("director ", env!("CARGO_PKG_VERSION")))
        .manual("Director of IPVS")
        .generate_to(directory)
        .map(|_| ())
}

/// The day of the commit, the last word of the version; nothing, if it is not known.
fn date() -> &'static str {
    let version = env!("DIRECTOR_VERSION").trim_end_matches(')');
    let last = version.rsplit(' ').next().unwrap_or_default();
    if last.starts_with(|letter: char| letter.is_ascii_digit()) {
        last
    } else {
        ""
    }
}

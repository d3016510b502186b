//! `director man`.

use anyhow::Context;
use clap::CommandFactory;

use super::args::{Args, Man};
use super::exit::Exit;

pub(crate) fn run(verb: &Man) -> anyhow::Result<Exit> {
    let directory = &verb.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .with_context(|| format!("cannot write man pages to {}", directory.display()))?;
    Ok(Exit::Done)
}

//! `director completions`.

use clap::CommandFactory;

use super::args::{Args, Completions};
use super::exit::Exit;
use super::output::print;

pub(crate) fn run(verb: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(verb.shell, &mut Args::command(), "director", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

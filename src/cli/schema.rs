//! `director schema`.

use super::exit::Exit;
use super::output::print;
use crate::config;

pub(crate) fn run() -> anyhow::Result<Exit> {
    print(&format!("{:#}\n", config::schema()))?;
    Ok(Exit::Done)
}

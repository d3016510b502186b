//! `director export`.

use super::args::{Args, Export, ExportFormat};
use super::exit::Exit;
use super::output::print;
use super::session::Session;
use crate::config;

pub(crate) fn run(args: &Args, verb: &Export) -> anyhow::Result<Exit> {
    let mut session = Session::open(args)?;
    let observed = session.observe()?;
    let text = match verb.format {
        ExportFormat::Toml => config::export(&config::declared(&observed), config::Format::Toml),
        ExportFormat::Json => config::export(&config::declared(&observed), config::Format::Json),
        ExportFormat::Ipvsadm => super::ipvsadm::lines(&observed),
    };
    print(&text)?;
    Ok(Exit::Done)
}

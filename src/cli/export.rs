//! `director export`.

use super::args::{Args, Export, ExportFormat};
use super::beside;
use super::exit::Exit;
use super::output::print;
use super::session::Session;
use crate::config;

pub(crate) fn run(args: &Args, verb: &Export) -> anyhow::Result<Exit> {
    let beside = beside::find(args)?;
    let mut session = Session::open(args)?;
    let overlay = beside
        .map(|beside| {
            beside.overlay("exporting the declared weights, not those set by checks and operators")
        })
        .transpose()?;
    if let Some(overlay) = &overlay {
        session.hide(overlay.marks());
    }
    let mut observed = session.observe()?;
    if let Some(overlay) = &overlay {
        overlay.take_off(&mut observed);
    }
    let text = match verb.format {
        ExportFormat::Toml => config::export(&config::declared(&observed), config::Format::Toml),
        ExportFormat::Json => config::export(&config::declared(&observed), config::Format::Json),
        ExportFormat::Ipvsadm => super::ipvsadm::lines(&observed),
    };
    print(&text)?;
    Ok(Exit::Done)
}

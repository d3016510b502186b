//! `director metrics`.

use std::io::Write;

use anyhow::Context;

use super::args::{Args, Metrics};
use super::exit::Exit;
use super::output::print_raw;
use crate::http::query;
use crate::regular;
use crate::words::path as shown;

/// Readable by `node_exporter`, which runs as a user of its own.
const MODE: u32 = 0o644;

pub(crate) fn run(args: &Args, verb: &Metrics) -> anyhow::Result<Exit> {
    let mut parameters: Vec<(&str, &str)> = Vec::new();
    parameters.extend(verb.services.iter().map(|name| ("service", name.as_str())));
    parameters.extend(verb.servers.map(|servers| ("servers", servers.word())));
    let path = format!("/metrics{}", query(&parameters));
    let text = args.viewer()?.text(&path, verb.format.media_type())?;
    match &verb.output {
        None => print_raw(&text)?,
        Some(file) => regular::replace(file, MODE, |out| out.write_all(&text))
            .with_context(|| format!("cannot write {}", shown(file)))?,
    }
    Ok(Exit::Done)
}

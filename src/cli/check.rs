//! `director check`.

use super::args::{Args, Check, TextOrJson};
use super::exit::Exit;
use super::load::{print, read_on};
use super::output;

pub(crate) fn run(args: &Args, verb: &Check) -> anyhow::Result<Exit> {
    let outcome = read_on(verb.machine.as_deref(), &verb.file, false)?;
    match verb.format {
        TextOrJson::Text => print(args, &outcome),
        TextOrJson::Json => output::print_json(format!("{:#}\n", outcome.report()))?,
    }
    let failed = outcome.desired.is_none() || (verb.strict && outcome.warnings() > 0);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

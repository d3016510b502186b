//! `director schema`.

mod contract;

use super::args::{Schema, SchemaOf};
use super::exit::Exit;
use super::output::print;
use crate::config;

pub(crate) fn run(verb: &Schema) -> anyhow::Result<Exit> {
    let schema = match verb.of {
        SchemaOf::File => config::schema(),
        SchemaOf::Check => contract::check(),
        SchemaOf::Plan => contract::plan(),
        SchemaOf::Apply => contract::apply(),
    };
    print(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}

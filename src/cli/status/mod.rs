//! `director status`.

mod counters;
mod people;
mod watch;

use std::fmt::Write;

use serde_json::Value;

use super::args::{Args, Status, TextOrJson};
use super::exit::Exit;
use super::output::{print, style};
use crate::http::api;
use crate::http::{Client, ClientError, query};
use crate::plan::Style;
use crate::words::json;
use counters::Column;

pub(crate) fn run(args: &Args, verb: &Status) -> anyhow::Result<Exit> {
    let client = args.viewer()?;
    let asked = Asked::new(verb, style(args));
    match verb.watch {
        Some(pace) => watch::run(pace, verb.format, || asked.ask(&client))?,
        None => print(&asked.ask(&client)?)?,
    }
    Ok(Exit::Done)
}

/// What to show, and how.
struct Asked {
    path: String,
    columns: Option<Column>,
    format: TextOrJson,
    /// One line per snapshot.
    again: bool,
    style: Style,
}

impl Asked {
    fn new(verb: &Status, style: Style) -> Self {
        let services = verb.services.iter();
        let services: Vec<_> = services.map(|name| ("service", name.as_str())).collect();
        let columns = match (verb.stats, verb.rate) {
            (true, _) => Some(Column::Total),
            (_, true) => Some(Column::Rate),
            _ => None,
        };
        let route = match columns {
            Some(_) => "/v1/stats",
            None => "/v1/status",
        };
        Self {
            path: format!("{route}{}", query(&services)),
            columns,
            format: verb.format,
            again: verb.watch.is_some(),
            style,
        }
    }

    fn ask(&self, client: &Client) -> Result<String, ClientError> {
        Ok(match (self.format, self.columns) {
            (TextOrJson::Json, _) => {
                // Passed through unparsed: a newer director may send more than this program knows.
                let value: Value = client.get(&self.path)?;
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = if self.again {
                    writeln!(text, "{value}")
                } else {
                    writeln!(text, "{value:#}")
                };
                json(text)
            }
            (TextOrJson::Text, Some(column)) => {
                let stats: api::Stats = client.get(&self.path)?;
                counters::render(&stats, column, self.style)
            }
            (TextOrJson::Text, None) => {
                let status: api::Status = client.get(&self.path)?;
                people::render(&status, self.style)
            }
        })
    }
}

//! `director status`.
//!
//! ```text
//!   brief answer ─► do all servers fit the screen? ─┬─ yes ─► tables.rs   a table for each service
//!                                                   ├─ some ─► compact    the selected servers
//!                                                   └─ no ──► lines.rs    a line for each service
//! ```

mod counters;
mod layout;
mod lines;
mod page;
mod tables;
pub(crate) mod watch;
mod why;

use std::collections::HashMap;
use std::fmt::Write;

use ipvs::{ServerKey, ServiceKey};
use serde_json::Value;

use super::args::{Args, Status, TextOrJson};
use super::exit::Exit;
use super::output::{Screen, print, screen, style};
use crate::control::select::Word;
use crate::http::api::{self, Service, Stats};
use crate::http::{Client, ClientError, query};
use crate::plan::Style;
use crate::words::json;
use counters::Column;
pub(crate) use counters::rounded;
pub(crate) use layout::{cut, wrap};
use page::Page;

/// With more servers than this, connections are left out: the kernel would take long to list them.
const COUNTED: usize = 5_000;

pub(crate) fn run(args: &Args, verb: &Status) -> anyhow::Result<Exit> {
    let client = args.viewer()?;
    let asked = Asked::new(verb, style(args));
    match verb.watch {
        Some(pace) => watch::run(pace, verb.form.get(), || asked.ask(&client))?,
        None => print(&asked.ask(&client)?)?,
    }
    Ok(Exit::Done)
}

/// What to show, and how.
struct Asked<'a> {
    verb: &'a Status,
    columns: Option<Column>,
    style: Style,
}

/// How services and servers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Tables,
    Compact,
    Lines,
}

impl<'a> Asked<'a> {
    fn new(verb: &'a Status, style: Style) -> Self {
        Self {
            verb,
            columns: match (verb.stats, verb.rate) {
                (true, _) => Some(Column::Total),
                (_, true) => Some(Column::Rate),
                _ => None,
            },
            style,
        }
    }

    /// A path with the selection.
    fn path(&self, route: &str, more: &[(&str, &str)]) -> String {
        let verb = self.verb;
        let words = |key: &'static str, words: &'a [String]| {
            words.iter().map(move |word| (key, word.as_str()))
        };
        let mut parameters: Vec<(&str, &str)> = words("name", &verb.names).collect();
        parameters.extend(words("service", &verb.service));
        parameters.extend(words("server", &verb.server));
        parameters.extend(words("state", &verb.state));
        parameters.extend(more);
        format!("/v1/{route}{}", query(&parameters))
    }

    fn ask(&self, client: &Client) -> Result<String, ClientError> {
        Ok(match (self.verb.form.get(), self.columns) {
            (TextOrJson::Json, columns) => {
                let route = if columns.is_some() { "stats" } else { "status" };
                let brief: &[_] = if self.verb.brief { &[BRIEF] } else { &[] };
                // Passed through unparsed: a newer director may send more than this program knows.
                let value: Value = client.get(&self.path(route, brief))?;
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = if self.verb.watch.is_some() {
                    writeln!(text, "{value}")
                } else {
                    writeln!(text, "{value:#}")
                };
                json(text)
            }
            (TextOrJson::Text, Some(column)) => {
                let stats: Stats = client.get(&self.path("stats", &[]))?;
                let screen = screen(self.verb.watch.is_some());
                counters::render(&stats, column, self.style, screen.width)
            }
            (TextOrJson::Text, None) => self.for_people(client)?,
        })
    }

    /// In the form that fits the screen.
    fn for_people(&self, client: &Client) -> Result<String, ClientError> {
        let screen = screen(self.verb.watch.is_some());
        let brief: api::Status = client.get(&self.path("status", &[BRIEF]))?;
        let form = self.form(&brief, &screen);
        if form != Form::Lines {
            let whole: api::Status = client.get(&self.path("status", &[]))?;
            let connections = self.connections(client, &whole)?;
            let text = self.render(&whole, &connections, form, screen.width);
            let fits = text.lines().count() <= screen.height;
            // Reasons may have taken more than a line each.
            if form == Form::Compact || self.is_exact(&brief) || fits {
                return Ok(text);
            }
        }
        let connections = self.connections(client, &brief)?;
        Ok(self.render(&brief, &connections, Form::Lines, screen.width))
    }

    fn form(&self, brief: &api::Status, screen: &Screen) -> Form {
        let services = &brief.services;
        let is_part = services.iter().any(|service| service.partial);
        // A blank line, a title and a header each.
        let lines: usize = services.iter().map(|one| 3 + page::selected(one)).sum();
        match lines < screen.height {
            _ if self.verb.brief => Form::Lines,
            true => Form::Tables,
            false if is_part => Form::Compact,
            false if self.is_exact(brief) => Form::Tables,
            false => Form::Lines,
        }
    }

    /// Whether certain services are asked for, so that their servers are shown in any case.
    fn is_exact(&self, brief: &api::Status) -> bool {
        let verb = self.verb;
        let mut words = verb.names.iter().chain(&verb.service).peekable();
        let is_named = words.peek().is_some();
        let has_pattern = words.any(|word| Word::new(word).is_pattern());
        verb.long || brief.services.len() == 1 || is_named && !has_pattern && verb.state.is_empty()
    }

    /// The connections of the services shown, if that does not take long.
    fn connections(
        &self,
        client: &Client,
        status: &api::Status,
    ) -> Result<Connections, ClientError> {
        let shown: usize = status.services.iter().map(page::selected).sum();
        if shown > COUNTED || status.services.is_empty() {
            return Ok(Connections::default());
        }
        match client.get(&self.path("stats", &[])) {
            Ok(stats) => Ok(Connections::of_stats(&stats)),
            // Others are reading them, or the kernel does not answer: the rest is still true. Or
            // what is shown has just changed.
            Err(ClientError::Refused(_)) => Ok(Connections::default()),
            Err(error) => Err(error),
        }
    }

    fn render(
        &self,
        status: &api::Status,
        connections: &Connections,
        form: Form,
        width: usize,
    ) -> String {
        let style = self.style;
        render(status, connections, form, style, width, &self.verb.state)
    }
}

/// Leaves out servers without anything to report.
const BRIEF: (&str, &str) = ("brief", "true");

/// The whole status. Ends in a newline.
fn render(
    status: &api::Status,
    connections: &Connections,
    form: Form,
    style: Style,
    width: usize,
    states: &[String],
) -> String {
    let mut page = Page {
        status,
        style,
        width,
        text: String::new(),
    };
    page.head();
    page.shown();
    let services = troubled_first(&status.services);
    match form {
        _ if services.is_empty() && !states.is_empty() => {
            page.line(&format!("no server or service is {}", states.join(" or ")));
        }
        _ if services.is_empty() => {}
        Form::Tables => page.tables(&services, connections),
        Form::Compact => page.compact(&services, connections),
        Form::Lines => page.services(&services, connections),
    }
    page.tail(form == Form::Lines);
    page.text
}

/// Services in trouble first, the others in the order of their listen addresses.
fn troubled_first(services: &[Service]) -> Vec<&Service> {
    let mut services: Vec<&Service> = services.iter().collect();
    services.sort_by_key(|service| {
        let worst = service.states.keys().map(|state| state.rank()).min();
        (service.state, worst)
    });
    services
}

/// The kernel's connections, active and inactive, as far as they are known.
#[derive(Debug, Default)]
struct Connections {
    servers: HashMap<(ServiceKey, ServerKey), u64>,
    services: HashMap<ServiceKey, u64>,
}

impl Connections {
    fn of_stats(stats: &Stats) -> Self {
        let mut all = Self::default();
        for service in &stats.services {
            for server in &service.servers {
                let number = u64::from(server.active) + u64::from(server.inactive);
                all.servers.insert((service.listen, server.address), number);
                *all.services.entry(service.listen).or_default() += number;
            }
        }
        all
    }

    fn of(&self, service: ServiceKey, server: ServerKey) -> Option<u64> {
        self.servers.get(&(service, server)).copied()
    }

    fn of_service(&self, service: ServiceKey) -> Option<u64> {
        self.services.get(&service).copied()
    }
}

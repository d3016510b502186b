//! `director connections`.
//!
//! A table of millions of entries is never in memory: one line is, and with `--top` one address for
//! each entry.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::bail;
use ipvs::{Connection, Connections};

use super::args::{Args, Connections as Verb, TextOrJson};
use super::exit::Exit;
use super::output::{note, say, stream, stream_json};
use super::status::watch;
use crate::connections::{
    Counts, Filter, Known, KnownServer, Names, NotFound, Top, Wanted, listen, object, page,
};
use crate::http::api;
use crate::net;
use crate::words::{chain, count, printable};

/// After this many entries, and each time again, a terminal sees how far the reading is.
const PROGRESS: u64 = 200_000;

/// The size up to which rows are collected, in bytes.
const PIECE: usize = 16 * 1024;

pub(crate) fn run(args: &Args, verb: &Verb) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let (names, why) = names(args);
    let filter = filter(verb, &names, why.as_deref())?;
    if let Some(top) = verb.top {
        let page = || busiest(top, verb, &filter, &names);
        match verb.watch {
            Some(pace) => watch::run(pace, verb.form.get(), page)?,
            None => super::output::print_either(verb.form.get(), page()?)?,
        }
    } else {
        list(verb, &filter, &names)?;
    }
    Ok(Exit::Done)
}

/// The names of the running director; if none can be asked, none, and why.
pub(super) fn names(args: &Args) -> (Names, Option<String>) {
    let asked = args
        .viewer()
        .and_then(|client| Ok(client.get::<api::Status>("/v1/status")?));
    match asked {
        Ok(status) => (Names::new(status.services.into_iter().map(known)), None),
        Err(error) => (Names::default(), Some(chain(error.as_ref()))),
    }
}

fn known(service: api::Service) -> Known {
    let servers = service.servers.into_iter();
    Known {
        name: service.name.into(),
        listen: service.listen,
        servers: servers
            .map(|server| KnownServer {
                name: server.name.map(Into::into),
                key: server.address,
                state: server.state,
                reason: server.reason.into(),
                declared_weight: server.declared_weight,
            })
            .collect(),
    }
}

/// The filter that the options describe. `why`: why no director could be asked for names.
fn filter(verb: &Verb, names: &Names, why: Option<&str>) -> anyhow::Result<Filter> {
    let wanted = Wanted {
        services: verb.service.clone(),
        servers: verb.server.clone(),
        clients: verb.client.clone(),
        states: verb.state.clone(),
    };
    match (Filter::new(wanted, names), why) {
        (Ok(filter), _) => Ok(filter),
        (Err(NotFound::Word { word, .. }), Some(why)) => {
            bail!("`{word}` is no address, and there are no names: {why}")
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// Visits the entries that the filter lets through; returns the number of all.
fn each(
    filter: &Filter,
    mut visit: impl FnMut(&Connection) -> io::Result<ControlFlow<()>>,
) -> anyhow::Result<u64> {
    let shows = io::stderr().is_terminal() && !io::stdout().is_terminal();
    let mut read = 0;
    for connection in Connections::open()? {
        let connection = connection?;
        read += 1;
        if shows && read % PROGRESS == 0 {
            note(format_args!("\r{}", count(read, "entry", "entries")));
        }
        if filter.lets_through(&connection) && visit(&connection)?.is_break() {
            break;
        }
    }
    if shows && read >= PROGRESS {
        note(format_args!("\r\x1b[K"));
    }
    Ok(read)
}

/// One row for each entry.
fn list(verb: &Verb, filter: &Filter, names: &Names) -> anyhow::Result<()> {
    let mut piece = String::new();
    let mut shown = 0;
    let limit = verb.limit.unwrap_or(u64::MAX);
    let text = verb.form.get() == TextOrJson::Text;
    if text {
        piece.push_str(HEADER);
    }
    let flush = |piece: &mut String| match text {
        true => stream(&std::mem::take(piece)),
        false => stream_json(std::mem::take(piece)),
    };
    let read = each(filter, |connection| {
        if shown == limit {
            return Ok(ControlFlow::Break(()));
        }
        shown += 1;
        if text {
            row(&mut piece, connection, names);
        } else {
            // Writing to a string does not fail.
            let _ = writeln!(piece, "{}", object(connection, names));
        }
        if piece.len() >= PIECE {
            return flush(&mut piece);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if flush(&mut piece)?.is_continue() && text {
        say!(
            "director: {} of {} shown",
            count(shown, "entry", "entries"),
            read
        );
    }
    Ok(())
}

const HEADER: &str = "PROTOCOL  CLIENT                  SERVICE                            \
                      SERVER                             STATE        EXPIRES\n";

fn row(text: &mut String, connection: &Connection, names: &Names) {
    let client = if connection.client.port() == 0 {
        format!("{} (template)", connection.client.ip())
    } else {
        connection.client.to_string()
    };
    let with = |name: Option<&str>, address: String| match name {
        Some(name) => format!("{} {address}", printable(name)),
        None => address,
    };
    let service = with(names.service(connection), listen(connection));
    let server = with(names.server(connection), connection.server.to_string());
    let protocol = connection.protocol.to_string().to_ascii_lowercase();
    let (state, left) = (&connection.state, left(connection.expires));
    let _ = writeln!(
        text,
        "{protocol:<8}  {client:<22}  {service:<33}  {server:<33}  {state:<11}  {left}",
        state = state.to_string(),
    );
}

/// `14:59`, as `ipvsadm -Lc` shows it.
fn left(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// The clients, servers or services with the most entries.
fn busiest(top: Top, verb: &Verb, filter: &Filter, names: &Names) -> anyhow::Result<String> {
    let mut counts = Counts::new(top);
    let read = each(filter, |connection| {
        counts.add(connection);
        Ok(ControlFlow::Continue(()))
    })?;
    let limit = usize::try_from(verb.limit.unwrap_or(10)).unwrap_or(usize::MAX);
    let busiest = counts.most(limit, names);
    Ok(match verb.form.get() {
        TextOrJson::Json => page(top, read, &busiest).to_string() + "\n",
        TextOrJson::Text => {
            let mut text = format!("{:>9}  {}\n", "ENTRIES", top.word().to_ascii_uppercase());
            for row in busiest.rows {
                let name = row.name.map(|name| format!("{} ", printable(&name)));
                let _ = writeln!(
                    text,
                    "{:>9}  {}{}",
                    row.entries,
                    name.unwrap_or_default(),
                    row.of
                );
            }
            let read = count(read, "entry", "entries");
            let _ = match busiest.different {
                Some(different) => {
                    let different = count(different, top.word(), top.words());
                    writeln!(text, "{read} in all, of {different}")
                }
                None => writeln!(
                    text,
                    "{read} in all; each row may be {} short",
                    count(busiest.missed, "entry", "entries")
                ),
            };
            text
        }
    })
}

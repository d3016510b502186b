//! `director connections`.
//!
//! ```text
//!   /proc/net/ip_vs_conn ─► line by line ─► filter.rs ─┬─► a row each, with names (names.rs)
//!                                                      └─► top.rs: counts
//! ```
//!
//! A table of millions of entries is never in memory: one line is, and with `--top` one address for
//! each entry.

mod filter;
mod names;
mod top;

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::time::Duration;

use ipvs::{Connection, Connections};
use serde_json::{Value, json};

use super::args::{Args, Connections as Verb, TextOrJson, Top};
use super::exit::Exit;
use super::output::{note, say, stream, stream_json};
use super::status::watch;
use crate::net;
use crate::words::{count, printable};
use filter::Filter;
pub(crate) use filter::Net;
pub(crate) use names::Names;

/// After this many entries, and each time again, a terminal sees how far the reading is.
const PROGRESS: u64 = 200_000;

/// The size up to which rows are collected, in bytes.
const PIECE: usize = 16 * 1024;

pub(crate) fn run(args: &Args, verb: &Verb) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let (names, why) = Names::ask(args);
    let filter = Filter::new(verb, &names, why.as_deref())?;
    if let Some(top) = verb.top {
        let page = || page(top, verb, &filter, &names);
        match verb.watch {
            Some(pace) => watch::run(pace, verb.form.get(), page)?,
            None => super::output::print_either(verb.form.get(), page()?)?,
        }
    } else {
        list(verb, &filter, &names)?;
    }
    Ok(Exit::Done)
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
    let service = with(names.service(connection), names::listen(connection));
    let server = with(names.server(connection), connection.server.to_string());
    let protocol = connection.protocol.to_string().to_ascii_lowercase();
    let (state, left) = (&connection.state, left(connection.expires));
    let _ = writeln!(
        text,
        "{protocol:<8}  {client:<22}  {service:<33}  {server:<33}  {state:<11}  {left}",
        state = state.to_string(),
    );
}

fn object(connection: &Connection, names: &Names) -> Value {
    json!({
        "protocol": connection.protocol.to_string().to_ascii_lowercase(),
        "client": connection.client.ip(),
        "client_port": connection.client.port(),
        "template": connection.client.port() == 0,
        "service": names.service(connection),
        "listen": names::listen(connection),
        "server": connection.server.to_string(),
        "server_name": names.server(connection),
        "state": connection.state.to_string(),
        "expires_seconds": connection.expires.as_secs(),
    })
}

/// `14:59`, as `ipvsadm -Lc` shows it.
fn left(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// The clients, servers or services with the most entries.
fn page(top: Top, verb: &Verb, filter: &Filter, names: &Names) -> anyhow::Result<String> {
    let mut counts = top::Counts::new(top);
    let read = each(filter, |connection| {
        counts.add(connection);
        Ok(ControlFlow::Continue(()))
    })?;
    let limit = usize::try_from(verb.limit.unwrap_or(10)).unwrap_or(usize::MAX);
    let (rows, different) = counts.most(limit, names);
    Ok(match verb.form.get() {
        TextOrJson::Json => {
            let rows: Vec<Value> = rows
                .iter()
                .map(|row| json!({ top.word(): row.of, "name": row.name, "entries": row.entries }))
                .collect();
            json!({ "entries": read, "different": different, "top": rows }).to_string() + "\n"
        }
        TextOrJson::Text => {
            let mut text = format!("{:>9}  {}\n", "ENTRIES", top.word().to_ascii_uppercase());
            for row in rows {
                let name = row.name.map(|name| format!("{} ", printable(&name)));
                let _ = writeln!(
                    text,
                    "{:>9}  {}{}",
                    row.entries,
                    name.unwrap_or_default(),
                    row.of
                );
            }
            let _ = writeln!(
                text,
                "{} in all, of {}",
                count(read, "entry", "entries"),
                count(different, top.word(), top.words())
            );
            text
        }
    })
}

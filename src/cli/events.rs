//! `director events`.

use std::io;
use std::ops::ControlFlow;

use super::args::{Args, Events, TextOrJson};
use super::clock::local;
use super::exit::Exit;
use super::output::{say, stream, stream_json};
use crate::http::api::{Event, Line};
use crate::http::query;
use crate::words::{count, printable};

/// The number of past events shown before new ones.
const BEFORE: u64 = 10;

pub(crate) fn run(args: &Args, verb: &Events) -> anyhow::Result<Exit> {
    let last = match (verb.from, verb.last) {
        (None, None) if verb.follow && verb.since.is_none() => Some(BEFORE),
        (_, last) => last,
    };
    let (from, last, since) = (verb.from.map(text), last.map(text), verb.since.map(text));
    let mut parameters = Vec::new();
    parameters.extend(from.as_deref().map(|from| ("from", from)));
    parameters.extend(last.as_deref().map(|last| ("last", last)));
    parameters.extend(since.as_deref().map(|since| ("since", since)));
    for (key, words) in [
        ("service", &verb.service),
        ("server", &verb.server),
        ("kind", &verb.kind),
    ] {
        parameters.extend(words.iter().map(|word| (key, word.as_str())));
    }
    if verb.follow {
        parameters.push(("follow", "true"));
    }
    let client = args.viewer()?;
    let mut trouble = None;
    client.lines(
        &format!("/v1/events{}", query(&parameters)),
        |line: Line| {
            show(&line, verb.form.get()).unwrap_or_else(|error| {
                trouble = Some(error);
                ControlFlow::Break(())
            })
        },
    )?;
    match trouble {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Done),
    }
}

fn text(number: u64) -> String {
    number.to_string()
}

fn show(line: &Line, format: TextOrJson) -> io::Result<ControlFlow<()>> {
    match (line, format) {
        (Line::Event(event), TextOrJson::Text) => stream(&for_people(event)),
        (Line::Event(event), TextOrJson::Json) => stream_json(serde_json::to_string(event)? + "\n"),
        (Line::Missed { missed, .. }, _) => {
            say!(
                "director: {} no longer kept",
                count(*missed, "event is", "events are")
            );
            Ok(ControlFlow::Continue(()))
        }
        (Line::Next { .. }, _) => Ok(ControlFlow::Continue(())),
    }
}

/// `2026-11-21 13:00:00 CET  server-down  web tcp://192.0.2.10:80 10.0.0.14:80  connection refused`.
fn for_people(event: &Event) -> String {
    let mut of = Vec::new();
    of.extend(event.service.as_deref().map(printable));
    of.extend(event.listen.map(|listen| listen.to_string()));
    of.extend(event.server.map(|server| server.to_string()));
    let time = local(event.at_ms / 1000);
    let head = format!("{time}  {:<12}", event.kind);
    // A file's mistakes span many lines.
    let text: Vec<_> = event.text.lines().map(printable).collect();
    let parts = [head, of.join(" "), text.join("\n    ")];
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(String::as_str).collect::<Vec<_>>().join("  ") + "\n"
}

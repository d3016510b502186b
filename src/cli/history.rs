//! `director history` and `director diff`.

use std::ops::ControlFlow;

use serde_json::Value;

use super::args::{Args, Diff, History, TextOrJson};
use super::clock::local;
use super::exit::Exit;
use super::output::{print, print_json, say, stream, stream_json, style};
use super::past::{Past, end, say_lost};
use crate::control::select::Word;
use crate::history::{Changed, Filter, Row, plan};
use crate::state::BootTime;
use crate::words::printable;

pub(crate) fn history(args: &Args, verb: &History) -> anyhow::Result<Exit> {
    let past = Past::open(args)?;
    let words = |word: &Option<String>| word.iter().map(|word| Word::new(word)).collect();
    let filter = Filter {
        since_ms: verb.since.map(|since| since.saturating_mul(1000)),
        until_ms: verb.until.map(end),
        services: words(&verb.service),
        servers: words(&verb.server),
    };
    let mut trouble = None;
    past.rows(&filter, |row| {
        let shown = match verb.form.get() {
            TextOrJson::Text => stream(&for_people(&row)),
            TextOrJson::Json => serde_json::to_string(&row)
                .map_err(Into::into)
                .and_then(|line| stream_json(line + "\n")),
        };
        shown.unwrap_or_else(|error| {
            trouble = Some(error);
            ControlFlow::Break(())
        })
    })?;
    match trouble {
        Some(error) => Err(error.into()),
        None => Ok(Exit::Done),
    }
}

/// `2026-11-21 13:00:00 CET  check     server-down   web tcp://192.0.2.10:80 app4 10.0.0.14:80  up ->
/// down, weight 1 -> 0: connection refused`.
pub(crate) fn for_people(row: &Row) -> String {
    let mut of = Vec::new();
    of.extend(row.service.as_deref().map(printable));
    of.extend(row.listen.map(|listen| listen.to_string()));
    of.extend(row.name.as_deref().map(printable));
    of.extend(row.server.map(|server| server.to_string()));
    let time = local(row.at_ms / 1000);
    let head = format!("{time}  {:<8}  {:<13}", row.by.word(), printable(&row.kind));
    let changed: Vec<_> = row.changed.iter().map(change).collect();
    // A file's mistakes span many lines.
    let text: Vec<_> = row.text.lines().map(printable).collect();
    let parts = [changed.join(", "), text.join("\n    ")];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let parts = [head, of.join(" "), parts.join(": ")];
    let parts = parts.iter().filter(|part| !part.is_empty());
    let line = parts.map(String::as_str).collect::<Vec<_>>().join("  ");
    line.trim_end().to_owned() + "\n"
}

/// `up -> down`, `weight 1 -> 0`.
fn change(changed: &Changed) -> String {
    let word = |value: &Value| match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    };
    let (from, to) = (word(&changed.from), word(&changed.to));
    match changed.what.as_str() {
        "state" if changed.from.is_null() => to,
        "state" => format!("{from} -> {to}"),
        what if changed.from.is_null() => format!("{} {to}", printable(what)),
        what => format!("{} {from} -> {to}", printable(what)),
    }
}

pub(crate) fn diff(args: &Args, verb: &Diff) -> anyhow::Result<Exit> {
    let past = Past::open(args)?;
    let now = std::time::SystemTime::now();
    let to = verb.to.unwrap_or_else(|| crate::http::api::unix(now));
    let [before, after] = past.between(verb.from, to)?;
    let plan = plan(&before.picture, &after.picture);
    if verb.form.is_json() {
        let mut plan = plan.to_json(BootTime::default());
        plan["from"] = Value::from(verb.from);
        plan["to"] = Value::from(to);
        plan["lost"] = before.lost.iter().chain(&after.lost).cloned().collect();
        print_json(format!("{plan:#}\n"))?;
    } else {
        say!("director: from {} to {}", local(verb.from), local(to));
        print(&plan.render(BootTime::default(), style(args)))?;
    }
    say_lost(&before.lost);
    say_lost(&after.lost);
    if let Some(stopped) = after.stopped_ms {
        say!(
            "director: the director stopped {}; the history does not know what came after that",
            local(stopped / 1000)
        );
    }
    Ok(match plan.is_empty() {
        true => Exit::Done,
        false => Exit::Changes,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_when_who_what_and_why_in_one_line() {
        let row = |value: Value| {
            let row: Row = serde_json::from_value(value).unwrap();
            let line = for_people(&row);
            let (_, rest) = line.split_once("  ").unwrap();
            rest.to_owned()
        };
        let mut base = json!({
            "at_ms": 1_795_262_400_000_u64, "by": "check", "kind": "server-down",
            "service": "web", "listen": "tcp://192.0.2.10:80", "server": "10.0.0.14:80",
            "name": "app4", "text": "connection\u{202e} refused", "operator": null, "reason": null,
            "changed": [
                { "what": "state", "from": "up", "to": "down" },
                { "what": "weight", "from": 1, "to": 0 },
            ],
        });
        assert_eq!(
            row(base.clone()),
            "check     server-down    web tcp://192.0.2.10:80 app4 10.0.0.14:80  up -> down, \
             weight 1 -> 0: connection\u{fffd} refused\n"
        );
        for field in ["service", "listen", "server", "name"] {
            base[field] = Value::Null;
        }
        base["changed"] = json!([]);
        base["text"] = json!("first\nsecond");
        assert_eq!(row(base), "check     server-down    first\n    second\n");
    }
}

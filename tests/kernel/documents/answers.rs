//! The requests that a page shows, and their answers.
//!
//! ````text
//!   ```http                         sent to the director that runs, the lines below as its body
//!   POST /v1/drain
//!   { "service": "web", "server": "app1" }
//!   ```
//!   ```json 409                     the answer, with its status if that is not 200; `jsonl`: a
//!   { "error": { ... } }            value a line
//!   ```
//! ````

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::{Deserializer, Value};

use super::page::{Block, Step};
use super::shell::Shell;

/// The longest line of an answer that is written into a page, in characters.
const WIDTH: usize = 108;

/// An answer that is not as shown.
pub(super) struct Differs {
    /// What differs, for people.
    pub(super) text: String,
    /// Where it is shown.
    pub(super) step: Step,
    /// What to show instead.
    pub(super) lines: Vec<String>,
}

/// Sends a request, and compares the answer with the block that shows it. A request that only looks
/// is repeated for a while.
pub(super) fn ask(shell: &mut Shell, request: &Block, shown: &Block) -> Option<Differs> {
    let (line, body) = request.text.split_once('\n').unwrap();
    let (method, path) = line.split_once(' ').expect("METHOD PATH");
    let data = match body.trim() {
        "" => String::new(),
        body => format!(" --data '{body}'"),
    };
    let curl = format!(
        "curl --silent --unix-socket /run/director/control.sock --request {method}{data} \
         --write-out '\\n%{{http_code}}\\n' 'http://director{path}'"
    );
    let expected = match &*shown.rest {
        "" => "200",
        status => status,
    };
    let start = Instant::now();
    loop {
        let outcome = shell.run(&curl);
        let (status, answer) = outcome.lines.split_last().expect("curl prints the status");
        let answer = values(&answer.join("\n"));
        if status == expected && normal(&answer) == normal(&values(&shown.text)) {
            return None;
        }
        let is_last = method != "GET" || super::is_update() || start.elapsed() > super::PATIENCE;
        if is_last {
            return Some(differs(line, status, &answer, shown));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn differs(line: &str, status: &str, answer: &[Value], shown: &Block) -> Differs {
    let one_line = shown.language == "jsonl";
    let lines: Vec<String> = answer
        .iter()
        .flat_map(|value| match one_line {
            true => vec![compact(value)],
            false => laid_out(value, WIDTH, 0),
        })
        .collect();
    let (before, after) = (&shown.text, lines.join("\n"));
    let first = shown.first;
    Differs {
        text: format!("  shown:\n{before}  answered: {status}\n{after}\n"),
        step: Step {
            command: line.to_owned(),
            shown: before.lines().map(str::to_owned).collect(),
            lines: first..first + before.lines().count(),
            place: shown.place.clone(),
        },
        lines,
    }
}

#[track_caller]
fn values(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter();
    let values: Result<_, _> = values.collect();
    values.unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Answers without what is another in each run. Null stays null, and a total of 0 stays 0.
fn normal(answers: &[Value]) -> Vec<Value> {
    let mut answers = answers.to_vec();
    for answer in &mut answers {
        mask(answer, "", false);
    }
    answers
}

fn mask(value: &mut Value, key: &str, is_rate: bool) {
    let is_other = matches!(
        key,
        // Times.
        "now" | "started" | "loaded" | "reconciled" | "since" | "state_since" | "at" | "until" | "at_ms"
            | "took_ms" | "longest_gap_ms"
            // Numbers of snapshots, events and processes.
            | "revision" | "id" | "next" | "pid"
            // How long the director has been running.
            | "streak" | "successes" | "active" | "inactive"
            // What clients happen to have.
            | "client_port" | "expires_seconds" | "entries" | "left_out"
    );
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                mask(value, key, is_rate || key == "rate");
            }
        }
        Value::Array(list) if key == "namespace" => list.fill("N".into()),
        Value::Array(list) => list.iter_mut().for_each(|value| mask(value, "", is_rate)),
        Value::Number(_) if is_other || is_rate => *value = "N".into(),
        Value::Number(number) if number.as_u64() != Some(0) && is_counter(key) => {
            *value = "more".into();
        }
        Value::String(text) if key == "boot" => text.truncate(0),
        Value::String(text) if key == "state_dir" => {
            text.truncate(text.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        }
        Value::String(text) if key == "version" => text.truncate(0),
        _ => {}
    }
}

/// Whether it tells apart only that something was counted.
fn is_counter(key: &str) -> bool {
    matches!(
        key,
        "failures" | "connections" | "packets_in" | "packets_out" | "bytes_in" | "bytes_out"
    )
}

/// `{ "a": 1, "b": [2] }`.
fn compact(value: &Value) -> String {
    match value {
        Value::Object(object) if object.is_empty() => "{}".to_owned(),
        Value::Object(object) => {
            let entries = object.iter().map(|entry| member(entry, &compact(entry.1)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(list) => {
            let items = list.iter().map(compact);
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn member((key, _): (&String, &Value), value: &str) -> String {
    format!("{}: {value}", Value::from(key.as_str()))
}

/// The same over several lines, where one is too long; `taken` of its first line stands before it. A
/// list of one item has no lines of its own.
fn laid_out(value: &Value, width: usize, taken: usize) -> Vec<String> {
    let short = compact(value);
    if taken + short.chars().count() <= width {
        return vec![short];
    }
    if let Some([item]) = value.as_array().map(Vec::as_slice) {
        let mut lines = laid_out(item, width, taken + 2);
        lines[0].insert(0, '[');
        lines.last_mut().unwrap().push(']');
        return lines;
    }
    let (open, items, close): (_, Vec<Vec<String>>, _) = match value {
        Value::Object(object) => {
            let items = object.iter().map(|entry| {
                // Quotes, a colon, a blank, and a comma behind it.
                let taken = entry.0.len() + 5;
                let mut lines = laid_out(entry.1, width.saturating_sub(2), taken);
                lines[0] = member(entry, &lines[0]);
                lines
            });
            ("{", items.collect(), "}")
        }
        Value::Array(list) => {
            let items = list
                .iter()
                .map(|item| laid_out(item, width.saturating_sub(2), 1));
            ("[", items.collect(), "]")
        }
        _ => return vec![short],
    };
    let count = items.len();
    let mut lines = vec![open.to_owned()];
    // Whether the last line takes more.
    let mut is_open = false;
    for (number, mut item) in items.into_iter().enumerate() {
        if number + 1 < count {
            item.last_mut().unwrap().push(',');
        }
        let is_short = item.len() == 1;
        match lines.last_mut() {
            Some(last) if is_open && is_short && last.len() + item[0].len() < width => {
                // Writing to a String cannot fail.
                let _ = write!(last, " {}", item[0]);
            }
            _ => lines.extend(item.into_iter().map(|line| format!("  {line}"))),
        }
        is_open = is_short;
    }
    lines.push(close.to_owned());
    lines
}

#[test]
fn only_what_is_another_in_each_run_may_differ() {
    let same = |a, b| normal(&values(a)) == normal(&values(b));
    assert!(same(r#"{ "at": 1, "x": 2 }"#, r#"{ "x": 2, "at": 3 }"#));
    assert!(!same(r#"{ "at": 1 }"#, r#"{ "at": null }"#));
    assert!(!same(r#"{ "weight": 1 }"#, r#"{ "weight": 2 }"#));
    assert!(same(r#"{ "failures": 1 }"#, r#"{ "failures": 2 }"#));
    assert!(!same(r#"{ "failures": 0 }"#, r#"{ "failures": 2 }"#));
    assert!(same(
        r#"{ "rate": { "bytes_in": 0 } }"#,
        r#"{ "rate": { "bytes_in": 9 } }"#
    ));
    assert!(!same(r#"{ "id": 1 } { "next": 2 }"#, r#"{ "id": 1 }"#));
}

#[test]
fn a_long_answer_is_laid_out_in_lines() {
    let short = r#"{ "a": [1, { "b": null }], "c": {} }"#;
    assert_eq!(laid_out(&values(short)[0], WIDTH, 0), [short]);
    let words = ["a word of some length"; 3].join(" ");
    let long = serde_json::json!({ "services": [{ "name": words, "x": 1, "y": words }], "z": 2 });
    let lines = laid_out(&long, WIDTH, 0);
    assert_eq!(lines.len(), 7, "{lines:#?}");
    assert!(lines.iter().all(|line| line.len() <= WIDTH));
    assert_eq!(values(&lines.join("\n")), [long]);
}

//! Whether a command prints what is shown.
//!
//! What differs from run to run counts as equal: times and durations, process ids, the reader's
//! directory, the width of columns. Everything else must be as shown; a line `...` stands for any
//! lines.

use std::sync::LazyLock;

use regex::Regex;

/// Stands for any lines.
pub(super) const ELIDED: &str = "...";

static DIFFERS: LazyLock<[(Regex, &str); 5]> = LazyLock::new(|| {
    let regex = |pattern| Regex::new(pattern).unwrap();
    [
        (
            regex(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)"),
            "TIME",
        ),
        (regex(r"\b\d+(ms|s|m|h|d)( \d+(ms|s|m|h|d))*\b"), "SPAN"),
        (regex(r"\(process \d+\)"), "(process PID)"),
        (regex(r"\b\d+ checks? passed"), "N checks passed"),
        // Wherever the file is.
        (regex(r"^/\S+/(\w+\.toml, running )"), "$1"),
    ]
});

/// Compares, and describes the difference.
pub(super) fn compare(shown: &[String], printed: &[String]) -> Result<(), String> {
    if shown.is_empty() || matches(&normal(shown), &normal(printed)) {
        return Ok(());
    }
    let block = |lines: &[String]| lines.iter().map(|line| format!("    {line}\n")).collect();
    let (shown, printed): (String, String) = (block(shown), block(printed));
    Err(format!("  shown:\n{shown}  printed:\n{printed}"))
}

fn normal(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| one(line)).collect()
}

fn one(line: &str) -> String {
    let mut line = line.to_owned();
    for (regex, name) in &*DIFFERS {
        line = regex.replace_all(&line, *name).into_owned();
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ELIDED => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed.first() == Some(first) && matches(rest, &printed[1..]),
    }
}

#[test]
fn only_what_is_another_each_time_may_differ() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let same = |a: &str, b: &str| compare(&lines(a), &lines(b)).is_ok();
    assert!(same(
        "up  10.0.0.11  1   12s  ok",
        "up 10.0.0.11 1  1m 3s ok"
    ));
    assert!(!same("up 10.0.0.11", "up 10.0.0.12"));
    assert!(!same("3 of 3 up", "2 of 3 up"));
    assert!(same("a\n...\nd", "a\nb\nc\nd"));
    assert!(same("a\n...", "a"));
    assert!(!same("a\n...\nd", "a\nb\nc"));
    assert!(!same("a", "a\nb"));
    let status = |place| format!("{place}/web.toml, running 3s");
    assert!(same(&status("/root"), &status("/tmp/.tmpX")));
    assert!(same("", "whatever: nothing is shown"));
}

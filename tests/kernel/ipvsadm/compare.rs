//! What must be equal, and what may differ.
//!
//! Only the differences listed in the README of ipvsadm-compat are removed, each here and nowhere
//! else:
//!
//! * the drop-in's line that names the line of `-R`: removed from its stderr
//! * the help, except for its first line
//! * the second line of `-v`, which names the build
//! * thresholds, which Debian's `-S` omits: removed from lines that add a server
//!
//! One more is caused by neither program: services in a `--nosort` list are in hash-bucket order,
//! which differs from one network namespace to the next.
//!
//! The other differences (order of addresses 2^31 apart, large marks, a list of commas, a zero
//! address) are in `differences`; the cases here avoid them.

use super::programs::{Case, Observation};

/// The length at which a difference is cut, in bytes.
const LONGEST: usize = 8_000;

/// Compares the results of a case on both sides; `Err` describes the difference.
pub(super) fn compare(case: &Case, debian: &Observation, ours: &Observation) -> Result<(), String> {
    let (theirs, own) = (&debian.outcome, &ours.outcome);
    let mut different = Vec::new();
    if theirs.code != own.code {
        different.push("exit code");
    }
    if stdout(case, &theirs.stdout) != stdout(case, &own.stdout) {
        different.push("stdout");
    }
    if theirs.stderr != without_places(&own.stderr) {
        different.push("stderr");
    }
    if debian.state != ours.state {
        different.push("tables");
    }
    if different.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "{} of {}\n--- Debian's: {theirs}--- ours: {own}",
        different.join(", "),
        show(case)
    );
    if debian.state != ours.state {
        let (theirs, own) = (&debian.state, &ours.state);
        text += &format!("--- tables, Debian's: {theirs:?}\n--- ours: {own:?}");
    }
    // Inputs may be long; the difference is at the ends.
    if text.len() > LONGEST {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (head, tail) = text.as_bytes().split_at(LONGEST / 2);
        let tail = &tail[tail.len() - LONGEST / 2..];
        text = format!("{}\n[...]\n{}", lossy(head), lossy(tail));
    }
    Err(text)
}

/// A case in a form that a person can read and repeat.
pub(super) fn show(case: &Case) -> String {
    let words: Vec<String> = case
        .words
        .iter()
        .map(|word| format!("'{}'", String::from_utf8_lossy(word)))
        .collect();
    let stdin = String::from_utf8_lossy(&case.stdin);
    let stdin = match stdin.len() {
        0 => String::new(),
        _ => format!("\n--- with stdin:\n{stdin:.4000}"),
    };
    format!("ipvsadm {}{stdin}", words.join(" "))
}

/// stderr without the lines that name a line of `-R`.
pub(super) fn without_places(stderr: &str) -> String {
    stderr
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("ipvsadm: line "))
        .collect()
}

fn stdout(case: &Case, text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut in_help = false;
    for line in text.split_inclusive('\n') {
        // Both helps start with the version, which may follow the output of lines of `-R`.
        let version = blocks
            .last()
            .is_some_and(|last| last.starts_with("ipvsadm v"));
        if line.starts_with("Usage:") || (line == "\n" && version) {
            in_help = true;
        }
        if in_help || line.starts_with("director ") {
            continue;
        }
        if line.starts_with("  -> ") && !blocks.is_empty() {
            // A server's row stays with its service's.
            let last = blocks.len() - 1;
            blocks[last].push_str(line);
        } else if line.starts_with("-a ") {
            blocks.push(without_thresholds(line));
        } else {
            blocks.push(line.to_owned());
        }
    }
    let unsorted = b"--nosort".as_slice();
    let in_input = case
        .stdin
        .windows(unsorted.len())
        .any(|part| part == unsorted);
    if case.has("--nosort") || in_input {
        blocks.sort();
    }
    blocks
}

fn without_thresholds(line: &str) -> String {
    let mut words = line.split_inclusive(' ').peekable();
    let mut kept = String::new();
    while let Some(word) = words.next() {
        if matches!(word, "-x " | "-y ") {
            // The last value has the line ending behind it.
            if let Some(value) = words.next()
                && value.ends_with('\n')
            {
                kept = kept.trim_end().to_owned() + "\n";
            }
        } else {
            kept.push_str(word);
        }
    }
    kept
}

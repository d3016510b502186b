//! Every mistake and every warning, as printed.
//!
//! Each file of `mistakes/` and `warnings/` (or a directory's `main.toml`) is loaded, and the
//! diagnostics are compared with the `.txt` next to it; if there is a `.report.json`, the JSON form
//! too. `UPDATE_GOLDEN=1 cargo test --test config` rewrites them: review the difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use director_config::{self as config, Code, Environment, Parsed, Severity, Style};

fn environment() -> Environment {
    let variables = [("VIP", "192.0.2.10"), ("EMPTY", ""), ("WORD", "many")];
    Environment::from_iter(variables).on_machine("lb1")
}

/// The golden files of a directory, ordered by name.
fn cases(directory: &str) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(Path::new("tests/config").join(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            cases.push(path.join("main.toml"));
        } else if path.extension().is_some_and(|e| e == "toml" || e == "json")
            && !path.to_string_lossy().ends_with(".report.json")
        {
            cases.push(path);
        }
    }
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn load(path: &Path) -> Parsed {
    config::load(path, &environment())
}

pub(crate) fn compare(path: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap();
        return;
    }
    let expected = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; run with UPDATE_GOLDEN=1", path.display()));
    assert!(
        expected == found,
        "{} differs; expected:\n{expected}\nfound:\n{found}",
        path.display()
    );
}

fn check(directory: &str) {
    for path in cases(directory) {
        let outcome = load(&path);
        compare(&path.with_extension("txt"), &outcome.render(Style::Plain));
        let report = path.with_extension("report.json");
        if report.exists() {
            compare(&report, &format!("{:#}\n", outcome.report()));
        }
    }
}

#[test]
fn mistakes_read_as_written() {
    check("mistakes");
    for path in cases("mistakes") {
        let outcome = load(&path);
        assert!(outcome.errors() > 0, "{}", path.display());
        assert!(outcome.desired.is_none(), "{}", path.display());
    }
}

#[test]
fn warnings_read_as_written() {
    check("warnings");
    for path in cases("warnings") {
        let outcome = load(&path);
        assert_eq!(outcome.errors(), 0, "{}", path.display());
        assert!(outcome.warnings() > 0, "{}", path.display());
        assert!(outcome.desired.is_some(), "{}", path.display());
    }
}

#[test]
fn a_file_that_is_not_there() {
    let outcome = load(Path::new("tests/config/none.toml"));
    assert_eq!(
        outcome.render(Style::Plain),
        "error[unreadable]: cannot read `tests/config/none.toml`: No such file or directory (os error 2)\n"
    );
    assert!(outcome.desired.is_none());
}

#[test]
fn more_than_a_table_can_be_meant_to_have() {
    let servers: Vec<_> = (1..100).map(|host| format!("\"10.0.0.{host}\"")).collect();
    let text = format!(
        "version = 1\n[service.all]\nlisten = \"tcp://192.0.2.1:1-65535\"\nservers = [{}]\n",
        servers.join(", ")
    );
    let files = config::Memory::from_iter([("a.toml", text)]);
    let outcome = config::load_from(Path::new("a.toml"), &files, &environment());
    let codes: Vec<_> = outcome.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::TooLarge]);
    assert_eq!(
        outcome.render(Style::Plain).lines().next(),
        Some("error[too-large]: the file expands to more than 2000000 servers")
    );
}

#[test]
fn colours_add_escape_sequences_and_nothing_else() {
    let outcome = load(Path::new("tests/config/mistakes/keys.toml"));
    let coloured = outcome.render(Style::Coloured);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some(escape) = rest.find('\u{1b}') {
        plain.push_str(&rest[..escape]);
        let end = rest[escape..].find('m').expect("an SGR sequence ends in m");
        rest = &rest[escape + end + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, outcome.render(Style::Plain));
}

#[test]
fn every_code_is_shown() {
    let mut shown: BTreeSet<(Code, Severity)> = BTreeSet::new();
    for path in cases("mistakes").into_iter().chain(cases("warnings")) {
        let diagnostics = load(&path).diagnostics;
        shown.extend(diagnostics.iter().map(|found| (found.code, found.severity)));
    }
    // These two have tests of their own, above and in `mistakes/include`.
    shown.insert((Code::TooLarge, Severity::Error));
    // And in `crowds.rs`.
    shown.insert((Code::NotShown, Severity::Error));
    let missing: Vec<_> = Code::ALL
        .iter()
        .filter(|code| !shown.contains(&(**code, code.severity())))
        .collect();
    assert!(missing.is_empty(), "no golden file shows {missing:?}");
}

#[test]
fn codes_are_kebab_words_and_unique() {
    let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for name in names {
        let plain = |c: char| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit();
        assert!(name.chars().all(plain), "{name}");
    }
}

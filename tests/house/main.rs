//! The rooms of the house, and which of them may import which: `arrows.txt` has the table.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod crates;
mod imports;
mod kinds;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use imports::Sources;
use table::{Group, Table};

const TABLE: &str = include_str!("arrows.txt");

/// The files of a directory of sources, by their paths below it.
fn files(directory: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                files.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// What is wrong with the imports of a group of modules.
fn mistakes(group: &Group, sources: &Sources) -> BTreeSet<String> {
    let mut mistakes = BTreeSet::new();
    let mut used = BTreeSet::new();
    for name in sources.children(&group.parent) {
        if !group.rooms.contains_key(&name) {
            mistakes.insert(format!(
                "`{}` has a module `{name}`, which arrows.txt does not have",
                group.directory
            ));
        }
    }
    for arrow in sources.arrows(&group.parent) {
        let Some(room) = group.rooms.get(&arrow.from) else {
            continue;
        };
        if room.contains(&arrow.to) {
            used.insert((arrow.from, arrow.to));
            continue;
        }
        let allowed: Vec<&str> = room.iter().map(String::as_str).collect();
        let allowed = match allowed.join(", ") {
            none if none.is_empty() => "none is allowed".to_owned(),
            some => format!("allowed are {some}"),
        };
        mistakes.insert(format!(
            "`{}` imports `{}` (`{}`): {allowed}",
            group.file(&arrow.module),
            arrow.to,
            arrow.path.join("::"),
        ));
    }
    for (from, room) in &group.rooms {
        for to in room {
            if !used.contains(&(from.clone(), to.clone())) {
                mistakes.insert(format!(
                    "`{}/{from}` does not import `{to}`: take it out of arrows.txt",
                    group.directory
                ));
            }
        }
    }
    mistakes
}

#[test]
fn each_module_imports_only_what_stands_below_it() {
    let table = Table::parse(TABLE).unwrap();
    let mut crates = BTreeMap::new();
    let mut mistakes = BTreeSet::new();
    for group in &table.groups {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(&group.crate_sources);
        let sources = crates.entry(&group.crate_sources);
        let sources = sources.or_insert_with(|| Sources::new(&files(&root)));
        mistakes.append(&mut self::mistakes(group, sources));
    }
    let mistakes: Vec<String> = mistakes.into_iter().collect();
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

#[test]
fn each_crate_depends_only_on_what_stands_below_it() {
    let table = Table::parse(TABLE).unwrap();
    let mistakes = crates::mistakes(&table.crates, Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// What is wrong with a small crate, by a table of three rooms.
fn tried(http: &str) -> Vec<String> {
    let table = "[src]\nwords:\ndaemon: words\nhttp: words\n";
    let table = Table::parse(table).unwrap();
    let files = [
        ("lib.rs", "mod words;\nmod daemon;\nmod http;\n"),
        ("words.rs", "pub fn count() {}\n"),
        ("daemon/mod.rs", "mod run;\nuse crate::words::count;\n"),
        ("daemon/run.rs", ""),
        ("http/mod.rs", "mod x;\nuse super::words;\n"),
        ("http/x.rs", http),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Vec::from_iter(mistakes(&table.groups[0], &Sources::new(&files)))
}

#[test]
fn a_forbidden_import_is_found_however_it_is_written() {
    for text in [
        "use crate::daemon::run;",
        "use crate::{words, daemon::run};",
        "use super::super::daemon::{run};",
        "fn f() { crate::daemon::run::start(); }",
        "fn f() -> Vec<crate::daemon::Run> { vec![] }",
        "mod inner { use super::super::super::daemon::run; }",
    ] {
        let said = tried(text);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        let start = "`src/http/x.rs` imports `daemon` (`daemon::";
        assert!(said[0].starts_with(start), "{}", said[0]);
        assert!(said[0].ends_with("): allowed are words"), "{}", said[0]);
    }
}

#[test]
fn what_is_only_compiled_for_tests_may_import_anything() {
    for text in [
        "#[cfg(test)] mod tests { use crate::daemon::run; }",
        "#[cfg(test)] use crate::daemon::run;",
        "// use crate::daemon::run;",
        "/// [`run`](crate::daemon::run)\nfn f() { \"crate::daemon::run\"; }",
        "pub(in crate::http) fn f() {}",
    ] {
        assert_eq!(tried(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_table_has_no_cycle() {
    let error = Table::parse("[src]\nhttp: daemon\ndaemon:\n").unwrap_err();
    assert_eq!(
        error,
        "line 2: `http` imports `daemon`, which stands below it in the table: put it above, or \
         mark an import against the order with `^daemon`"
    );
    assert!(Table::parse("[src]\nhttp: ^daemon\ndaemon:\n").is_ok());
}

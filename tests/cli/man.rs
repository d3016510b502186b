//! Man pages: `director man`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{command, director};

/// The verbs that `director --help` shows.
fn verbs() -> Vec<String> {
    let help = director("--help").stdout;
    let (_, commands) = help.split_once("\nCommands:\n").unwrap();
    let lines = commands.split("\n\n").next().unwrap().lines();
    lines
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !matches!(*verb, "" | "help"))
        .map(str::to_owned)
        .collect()
}

fn pages() -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let output = command(&["man".as_ref(), directory.path().as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mut pages = Vec::new();
    for section in fs::read_dir(directory.path()).unwrap() {
        for page in fs::read_dir(section.unwrap().path()).unwrap() {
            pages.push(page.unwrap().path());
        }
    }
    (directory, pages)
}

/// The page as a reader sees it, without breaks of lines; `None` on a machine without `man`.
fn read(page: &Path) -> Option<String> {
    let mut man = Command::new("man");
    man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(page);
    man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
    // Without a terminal man writes no control characters, and does not break lines at hyphens.
    let output = man.env("MANROFFOPT", "-rHY=0").output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{page:?}: {said}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn there_is_a_page_for_every_verb_and_one_for_the_file() {
    let (directory, pages) = pages();
    let found: BTreeSet<String> = pages
        .iter()
        .map(|page| page.strip_prefix(directory.path()).unwrap())
        .map(|page| page.to_str().unwrap().to_owned())
        .collect();
    let verbs = verbs();
    assert!(verbs.len() >= 20, "{verbs:?}");
    let mut expected: BTreeSet<String> = verbs
        .iter()
        .map(|verb| format!("man8/director-{verb}.8"))
        .collect();
    // `failover` and `announce` have verbs of their own.
    let nested = ["status", "switchover", "yield", "claim", "auto"];
    expected.extend(nested.map(|verb| format!("man8/director-failover-{verb}.8")));
    let nested = ["status", "withdraw", "resume"];
    expected.extend(nested.map(|verb| format!("man8/director-announce-{verb}.8")));
    expected.extend([
        "man8/director.8".to_owned(),
        "man5/director.toml.5".to_owned(),
    ]);
    assert_eq!(found, expected);
    let root = fs::read_to_string(directory.path().join("man8/director.8")).unwrap();
    for verb in verbs {
        let page = directory.path().join(format!("man8/director-{verb}.8"));
        let own = fs::read_to_string(page).unwrap();
        for section in [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH EXAMPLES",
            ".SH \"SEE ALSO\"",
        ] {
            assert_eq!(own.matches(section).count(), 1, "{verb}: {own}");
        }
        assert!(root.contains(&format!("director\\-{verb}(8)")), "{verb}");
    }
    for section in [".SH \"EXIT STATUS\"", ".SH FILES", ".SH \"SEE ALSO\""] {
        assert!(root.contains(section), "{root}");
    }
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        assert!(
            !text.contains("guard"),
            "{page:?}: a verb that is not for people"
        );
    }
}

#[test]
fn man_and_mandoc_read_the_pages_without_a_warning() {
    let (_directory, pages) = pages();
    for page in &pages {
        if let Some(text) = read(page) {
            assert!(text.len() > 300, "{page:?}: {text}");
        }
        let Ok(lint) = Command::new("mandoc")
            .args(["-T", "lint"])
            .arg(page)
            .output()
        else {
            continue;
        };
        let said = String::from_utf8(lint.stdout).unwrap();
        // Tools that look for other pages; the date of sources that are not in git; an empty `br`,
        // which clap_mangen writes.
        let known = [
            "STYLE: ",
            "missing date, using \"\"",
            "skipping paragraph macro: br",
        ];
        let wrong: Vec<&str> = said
            .lines()
            .filter(|line| !known.iter().any(|known| line.contains(known)))
            .collect();
        assert!(wrong.is_empty(), "{page:?}: {wrong:#?}");
    }
}

#[test]
fn a_synopsis_shows_values_and_examples_keep_their_lines() {
    let (directory, _) = pages();
    let text = |verb: &str| read(&directory.path().join(format!("man8/director-{verb}.8")));
    let Some(apply) = text("apply") else {
        return; // a machine without `man`
    };
    for part in [
        "[--confirm-within TIME]",
        "[--state-dir DIR]",
        "[-y|--yes]",
        "GLOBAL OPTIONS",
    ] {
        assert!(apply.contains(part), "{part}: {apply}");
    }
    let synopsis = apply.split("DESCRIPTION").next().unwrap();
    let (own, global) = (synopsis.find("--force"), synopsis.find("--state-dir"));
    assert!(own.unwrap() < global.unwrap(), "{synopsis}");
    let status = text("status").unwrap();
    assert!(status.contains("[-w|--watch[=TIME]]"), "{status}");
    assert!(status.contains("[NAME...]"), "{status}");
    let adopt = text("adopt").unwrap();
    assert!(adopt.contains("{SERVICE...|--all}"), "{adopt}");
    assert!(!text("schema").unwrap().contains("--state-dir"));
    // `confirm` has two lines of examples, each a command.
    let roff = fs::read_to_string(directory.path().join("man8/director-confirm.8")).unwrap();
    let lines = roff
        .lines()
        .filter(|line| line.starts_with("director "))
        .count();
    assert!(lines >= 2 && roff.contains("\n.nf\n"), "{roff}");
}

#[test]
fn the_page_of_the_file_explains_every_key_of_the_schema() {
    let (directory, _) = pages();
    let Some(text) = read(&directory.path().join("man5/director.toml.5")) else {
        return; // a machine without `man`
    };
    let schema: serde_json::Value = serde_json::from_str(&director("schema").stdout).unwrap();
    let mut keys = 0;
    let sections = schema["$defs"].as_object().unwrap().values();
    for section in sections.chain([&schema]) {
        let properties = section["properties"].as_object().into_iter().flatten();
        // The kind of a check is in the heading of its keys.
        for (key, property) in properties.filter(|(key, _)| *key != "type") {
            assert!(text.contains(&format!(" {key} ")), "{key}");
            // A union of all kinds of checks refers to these.
            let summary = property["description"].as_str();
            if let Some(summary) = summary.filter(|text| !text.starts_with("Depends on")) {
                let first = summary.split([',', ';', '`']).next().unwrap();
                assert!(text.contains(first.trim()), "{key}: {summary}");
            }
            keys += 1;
        }
    }
    assert!(keys > 150, "{keys}");
}

//! The documents say what is so: files in them are right, links lead somewhere, the command lines
//! are such as the programs take, and those that need neither root nor a kernel are run.
//!
//! A block of three backticks and `toml` with `version = 1` is a whole service file. A block
//! `console` has lines that begin with `$ ` or, for root, `# `; what follows such a line is its
//! output, and not looked at.
//!
//! What is not run: commands that need a kernel with IPVS, systemd or other programs. Of these
//! `director`'s own are parsed by it, and no more.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use director::config::{self, Disk, Environment, Format, Style};

/// Verbs that need neither root nor a kernel, nor change anything but what they are told to.
const RUN: [&str; 4] = ["check", "schema", "completions", "man"];

struct Block {
    place: String,
    language: String,
    text: String,
}

/// README and all of docs/.
fn documents() -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir("docs")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain(["README.md".into(), "CONTRIBUTING.md".into()])
        .collect();
    pages.sort();
    assert!(pages.len() > 8);
    pages
}

fn blocks(path: &Path) -> Vec<Block> {
    let page = fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    place: format!("{}:{}", path.display(), number + 1),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block without end", path.display());
    blocks
}

/// All whole service files, with what they are called: a comment in their first line may say so.
fn files() -> Vec<(Block, Option<String>)> {
    let whole = |block: &Block| {
        block.language == "toml" && block.text.lines().any(|line| line.trim() == "version = 1")
    };
    let pages = documents();
    let found = pages.iter().flat_map(|path| blocks(path)).filter(whole);
    found
        .map(|block| {
            let first = block.text.lines().next().unwrap_or_default();
            let name = first
                .strip_prefix("# ")
                .filter(|name| name.ends_with(".toml") && !name.contains(char::is_whitespace));
            let name = name.map(str::to_owned);
            (block, name)
        })
        .collect()
}

#[test]
fn every_service_file_is_right() {
    let files = files();
    assert!(files.len() >= 5, "only {} files", files.len());
    for (block, _) in files {
        let outcome = config::load_text(
            &block.place,
            block.text.into_bytes(),
            Format::Toml,
            Path::new("docs"),
            &Disk,
            &Environment::default(),
        );
        assert_eq!(outcome.render(Style::Plain), "", "{}", block.place);
        assert!(outcome.desired.is_some(), "{}", block.place);
    }
}

/// The command lines of all pages that begin with `director`, with the page that has them.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands = Vec::new();
    for path in documents() {
        let console = blocks(&path)
            .into_iter()
            .filter(|block| block.language == "console");
        for block in console {
            for line in block.text.lines() {
                let Some(line) = line.strip_prefix("$ ").or(line.strip_prefix("# ")) else {
                    continue;
                };
                // A comment, what is written to a file, and the next command are the shell's.
                let line = line.split(" #").next().unwrap();
                for part in line
                    .split(['|', ';', '>'])
                    .flat_map(|part| part.split("&&"))
                {
                    let part = part.trim();
                    let part = part.strip_prefix("sudo ").unwrap_or(part);
                    if let Some(arguments) = part.strip_prefix("director ") {
                        commands.push((format!("{}: {part}", block.place), words(arguments)));
                    }
                }
            }
        }
    }
    assert!(commands.len() > 20, "only {} commands", commands.len());
    commands
}

/// Words of a shell, as far as the documents need them: spaces and quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    assert_eq!(quote, None, "a quote without end: {line}");
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn director(directory: &Path, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_director"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

#[test]
fn the_program_knows_every_command_line() {
    for (place, mut arguments) in commands() {
        // What is wrong before `--help` is said before help is given: nothing is carried out.
        arguments.push("--help".to_owned());
        let output = director(Path::new("."), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}\n{said}");
    }
}

#[test]
fn what_needs_no_kernel_is_run() {
    let directory = tempfile::tempdir().unwrap();
    for (block, name) in files() {
        if let Some(name) = name {
            fs::write(directory.path().join(&name), &block.text).unwrap();
        }
    }
    let mut ran = 0;
    for (place, arguments) in commands() {
        let verb = arguments.first().map(String::as_str).unwrap_or_default();
        // Files in /etc are not there.
        if !RUN.contains(&verb) || arguments.iter().any(|word| word.starts_with('/')) {
            continue;
        }
        let output = director(directory.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}\n{said}");
        ran += 1;
    }
    assert!(ran >= 3, "only {ran} were run");
}

#[test]
fn every_link_leads_somewhere() {
    for path in documents() {
        let page = fs::read_to_string(&path).unwrap();
        let directory = path.parent().unwrap();
        for link in page.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                directory.join(file)
            };
            assert!(file.exists(), "{}: {target}", path.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).unwrap();
                let found = text.lines().filter(|line| line.starts_with('#'));
                let found = found.map(anchor_of).any(|known| known == anchor);
                assert!(found, "{}: no heading for {target}", path.display());
            }
        }
    }
}

/// The anchor that a heading has where Markdown is shown as a page.
fn anchor_of(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
            _ => None,
        })
        .collect()
}

//! The documents are correct: files in them are valid, links lead somewhere, the programs accept
//! the command lines, and those that need neither root nor a kernel are run.
//!
//! `page.rs` describes their format. `tests/kernel/documents` runs what needs a kernel with IPVS;
//! here the program only parses it.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may fail as tests do"
)]

mod events;
mod families;
mod page;
mod taplo;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use director::config::{self, Disk, Environment, Format, Style};

use page::{Block, REASONS, Step, blocks, pages};

/// Verbs that need neither root nor a kernel, and change nothing but what they are told to.
const RUN: [&str; 4] = ["check", "schema", "completions", "man"];

/// All complete service files.
fn files() -> Vec<Block> {
    let pages = pages();
    let found = pages.iter().flat_map(|path| blocks(path));
    found.filter(Block::is_service_file).collect()
}

#[test]
fn every_service_file_is_right() {
    let files = files();
    assert!(files.len() >= 5, "only {} files", files.len());
    for block in files {
        let outcome = config::load_text(
            &block.place,
            block.text.into_bytes(),
            Format::Toml,
            Path::new("docs"),
            &Disk,
            &Environment::default(),
            false,
        );
        assert_eq!(outcome.render(Style::Plain), "", "{}", block.place);
        assert!(outcome.desired.is_some(), "{}", block.place);
    }
}

/// The command lines of all pages that start with `director`, with their places.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut commands = Vec::new();
    for step in pages()
        .iter()
        .flat_map(|path| blocks(path))
        .flat_map(|block| steps(&block))
    {
        // Comments, redirections and the next command are for the shell.
        let line = step.command.replace("\\\n", "");
        let line = line.split(" #").next().unwrap();
        let parts = line.split(['|', ';', '>', '&']).map(str::trim);
        for part in parts.map(|part| part.strip_prefix("sudo ").unwrap_or(part)) {
            if let Some(arguments) = part.strip_prefix("director ") {
                // `2>file`: the 2 is for the shell too.
                let arguments = arguments.strip_suffix(" 2").unwrap_or(arguments);
                commands.push((format!("{}: {part}", step.place), words(arguments)));
            }
        }
    }
    assert!(commands.len() > 20, "only {} commands", commands.len());
    commands
}

fn steps(block: &Block) -> Vec<Step> {
    if block.language == "console" {
        block.steps()
    } else {
        Vec::new()
    }
}

/// The words of a shell command, as far as the documents need them: spaces and quotes.
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
        // Mistakes before `--help` are reported before help is printed: nothing is carried out.
        arguments.push("--help".to_owned());
        let output = director(Path::new("."), &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}\n{said}");
    }
}

/// `director verb ...` in running text.
#[test]
fn the_program_knows_what_the_text_names() {
    let mut named = 0;
    for path in pages() {
        let text = page::text(&path);
        let prose: Vec<&str> = text.split("```").step_by(2).collect();
        for code in prose
            .iter()
            .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        {
            let Some(arguments) = code.strip_prefix("director ") else {
                continue;
            };
            if arguments.contains("...") {
                continue;
            }
            let mut arguments = words(&arguments.replace('\n', " "));
            // The only choice with a literal name; FILE and SERVICE may be anything.
            for shell in arguments.iter_mut().filter(|word| *word == "SHELL") {
                *shell = "bash".to_owned();
            }
            arguments.push("--help".to_owned());
            let output = director(Path::new("."), &arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}: {code}\n{said}",
                path.display()
            );
            named += 1;
        }
    }
    assert!(named > 20, "only {named}");
}

#[test]
fn the_table_of_states_is_what_status_prints() {
    let printed = include_str!("../control/status.txt");
    let blocks = blocks(Path::new("docs/operating.md"));
    let table = blocks
        .iter()
        .find(|block| block.text.contains("STATE") && block.language == "text");
    let table = &table.expect("operating.md shows all states").text;
    assert!(printed.contains(table.as_str()), "{table}");
}

/// The screen at the head of README is an excerpt of its tutorial, whose output the lab compares.
#[test]
fn the_first_screen_is_an_excerpt_of_the_tutorial() {
    let readme = blocks(Path::new("README.md"));
    let screen = readme.iter().find(|block| block.language == "text");
    let tutorial: Vec<Step> = readme.iter().flat_map(steps).collect();
    for paragraph in screen.unwrap().text.split("\n\n") {
        let (command, shown) = paragraph.split_once('\n').unwrap();
        let command = command.trim_start_matches("# ");
        let found = tutorial.iter().any(|step| {
            step.command == command && step.shown.join("\n").contains(shown.trim_end())
        });
        assert!(found, "not in the tutorial:\n{paragraph}");
    }
}

/// Five minutes, and every room: crates, and the directories of `src`.
#[test]
fn the_architecture_is_short_and_names_every_room() {
    let text = page::text(Path::new("ARCHITECTURE.md"));
    let words = text.split_whitespace().count();
    assert!(words <= 1_200, "{words} words");
    for parent in ["crates", "src"] {
        for entry in fs::read_dir(parent).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let named = match parent {
                "src" => format!("`{name}/`"),
                _ => format!("`crates/{name}/`"),
            };
            assert!(
                name.ends_with(".rs") || text.contains(&named),
                "{named} is missing"
            );
        }
    }
}

/// All Rust sources below a directory, with continued lines of strings joined.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            text.extend(source.split("\\\n").map(str::trim_start));
        }
    }
    text
}

/// The headings of the troubleshooting quote messages; `...` and numbers stand for what varies.
#[test]
fn the_troubleshooting_quotes_messages_that_exist() {
    /// The system's words, not the program's.
    const OTHERS: [&str; 1] = ["Operation not permitted"];
    let page = page::text(Path::new("docs/operating.md"));
    let (_, symptoms) = page.split_once("## Troubleshooting").unwrap();
    let known = sources(Path::new("src")) + &sources(Path::new("crates"));
    let mut quoted = 0;
    for symptom in symptoms.split("\n\n**").skip(1) {
        let heading = symptom.split("**").next().unwrap().replace('\n', " ");
        for message in heading.split('"').skip(1).step_by(2) {
            let varies = |c: char| c.is_ascii_digit();
            for part in message.split("...").flat_map(|part| part.split(varies)) {
                let part = part.trim_matches([' ', ':']);
                let found = part.len() < 5 || OTHERS.contains(&part) || known.contains(part);
                assert!(found, "no message says `{part}`: {heading}");
            }
            quoted += 1;
        }
    }
    assert!(quoted > 15, "only {quoted}");
}

#[test]
fn what_needs_no_kernel_is_run() {
    let directory = tempfile::tempdir().unwrap();
    for block in files() {
        if let Some(name) = block.file_name() {
            fs::write(directory.path().join(name), &block.text).unwrap();
        }
    }
    let mut ran = 0;
    for (place, arguments) in commands() {
        let verb = arguments.first().map(String::as_str).unwrap_or_default();
        // What depends on the machine, or on earlier commands, is run in the lab only.
        let is_there = |word: &&String| {
            word.ends_with(".toml")
                && directory.path().join(word).exists()
                && !word.starts_with('/')
        };
        let files = arguments
            .iter()
            .filter(|word| word.ends_with(".toml"))
            .count();
        let there = arguments.iter().filter(is_there).count();
        let piped = arguments.iter().any(|word| word == "-");
        if !RUN.contains(&verb) || files != there || piped {
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
fn what_is_not_run_has_a_reason() {
    let mut unrun = 0;
    for block in pages().iter().flat_map(|path| blocks(path)) {
        let Some(reason) = &block.unrun else { continue };
        let known = REASONS.iter().find(|(name, _)| name == reason);
        let (_, programs) = known.unwrap_or_else(|| panic!("{}: {reason}?", block.place));
        for step in block.steps() {
            let command = step.command.trim_start_matches("sudo ");
            let allowed = programs.iter().any(|program| command.starts_with(program));
            assert!(allowed, "{}: `{command}` can be run", step.place);
            unrun += 1;
        }
    }
    // If the number grows, check whether it must.
    assert!(unrun <= 33, "{unrun} commands are not run");
}

/// No command hides in a block with another marker, where no test would run it.
#[test]
fn commands_stand_in_blocks_that_are_run() {
    let known = [
        "console",
        "sh",
        "toml",
        "text",
        "http",
        "json",
        "jsonl",
        "ini",
        "yaml",
        "rust",
        "rust,no_run",
    ];
    for block in pages().iter().flat_map(|path| blocks(path)) {
        let (place, language) = (&block.place, &*block.language);
        assert!(known.contains(&language), "{place}: what is `{language}`?");
        let prompt = |line: &str| line.starts_with("$ ");
        let typed = language != "console" && block.text.lines().any(prompt);
        assert!(!typed, "{place}: commands stand in `console`");
    }
}

#[test]
fn every_link_leads_somewhere() {
    for path in pages() {
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

/// The anchor of a heading in Markdown rendered as a page.
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

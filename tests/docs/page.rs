//! README, CONTRIBUTING and `docs/` as blocks and commands. Two tests read them: `tests/docs`, and
//! `tests/kernel/documents`, which runs the commands.
//!
//! ````text
//!   ```console                      run, and what is shown below a command compared
//!   $ director plan web.toml
//!   Plan: 4 to add, 0 to change, 0 to remove.
//!   ...                             any lines
//!   ```
//!
//!   ```console unrun:build          not run, for one of the reasons in [`REASONS`]
//!   ```sh                           run, line by line
//!   ```http                         a request, the block behind it (`json` or `jsonl`) its answer
//!   ```toml                         a service file, if it has `version = 1`; if its first line is
//!   # web.toml                      a name, it is there for the commands below it; so it is for
//!                                   `sh`, `yaml` and `ini`
//! ````

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, of which each test uses its part"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The reasons not to run a block, and the programs allowed with each. Everything else must be run.
pub(crate) const REASONS: [(&str, &[&str]); 3] = [
    // Builds, boots and measures: these take minutes each, and run the tests themselves.
    (
        "build",
        &["cargo", "scripts/", "export CARGO_", "LAB_KERNEL="],
    ),
    // Six machines: the better part of an hour if emulated.
    (
        "machines",
        &["cd vagrant", "vagrant ", "./test", "scripts/vagrant-test"],
    ),
    // Changes installed packages. `scripts/package-test` does it, in separate systems.
    ("package", &["apt ", "scripts/release", "dpkg -i"]),
];

/// A fenced block of a page.
pub(crate) struct Block {
    /// The page, relative to the project: `docs/lvs.md`.
    pub(crate) page: String,
    /// The place of its start: `docs/lvs.md:12`.
    pub(crate) place: String,
    /// The line below the fence, from 0.
    pub(crate) first: usize,
    /// The first word behind the fence.
    pub(crate) language: String,
    /// What follows that word.
    pub(crate) rest: String,
    /// Why it is not run.
    pub(crate) unrun: Option<String>,
    pub(crate) text: String,
}

/// A command of a block.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The typed text. Lines continued with a backslash are joined by newlines.
    pub(crate) command: String,
    /// The output shown below it.
    pub(crate) shown: Vec<String>,
    /// The lines of the page that contain `shown`, from 0.
    pub(crate) lines: std::ops::Range<usize>,
    pub(crate) place: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README, CONTRIBUTING and all of docs/, relative to the project.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| Path::new("docs").join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain(["README.md".into(), "CONTRIBUTING.md".into()])
        .collect();
    pages.sort();
    assert!(pages.len() > 8);
    pages
}

pub(crate) fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page))
        .unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// All blocks of a page.
pub(crate) fn blocks(page: &Path) -> Vec<Block> {
    let text = text(page);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(words), None) => open = Some(opened(page, number, words)),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a block without end", page.display());
    blocks
}

fn opened(page: &Path, number: usize, words: &str) -> Block {
    let page = page.display().to_string();
    let place = format!("{page}:{}", number + 1);
    let (language, rest) = words.trim().split_once(' ').unwrap_or((words.trim(), ""));
    let unrun = rest.strip_prefix("unrun:").map(str::to_owned);
    if matches!(language, "console" | "sh") {
        assert!(
            unrun.is_some() || rest.is_empty(),
            "{place}: what is `{rest}`?"
        );
    }
    Block {
        page,
        place,
        first: number + 1,
        language: language.to_owned(),
        rest: rest.to_owned(),
        unrun,
        text: String::new(),
    }
}

impl Block {
    /// Whether it has commands to run.
    pub(crate) fn is_run(&self) -> bool {
        let typed = matches!(&*self.language, "console" | "sh") && self.file_name().is_none();
        typed && self.unrun.is_none()
    }

    /// Its commands: all lines of `sh`, those with a prompt of `console`.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let all = self.language == "sh";
        let mut goes_on = false;
        for (number, line) in self.text.lines().enumerate() {
            let number = self.first + number;
            let prompted = line.strip_prefix("$ ").or(line.strip_prefix("# "));
            let typed = if goes_on || all { Some(line) } else { prompted };
            match (typed, steps.last_mut()) {
                (Some(line), Some(step)) if goes_on => {
                    step.command.push('\n');
                    step.command.push_str(line);
                    step.lines = number + 1..number + 1;
                }
                (Some(line), _) => steps.push(Step {
                    command: line.to_owned(),
                    shown: Vec::new(),
                    lines: number + 1..number + 1,
                    place: format!("{}:{}", self.page, number + 1),
                }),
                (None, Some(step)) => {
                    step.shown.push(line.to_owned());
                    step.lines.end = number + 1;
                }
                (None, None) => panic!("{}: output of nothing: {line}", self.place),
            }
            goes_on = typed.is_some_and(|line| line.ends_with('\\'));
        }
        steps
    }

    /// Whether it is a complete service file.
    pub(crate) fn is_service_file(&self) -> bool {
        self.language == "toml" && self.text.lines().any(|line| line.trim() == "version = 1")
    }

    /// The name in a file's first line.
    pub(crate) fn file_name(&self) -> Option<&str> {
        let ending = match &*self.language {
            "toml" => ".toml",
            "sh" => ".sh",
            "yaml" => ".yml",
            "ini" => ".ini",
            _ => return None,
        };
        let first = self.text.lines().next()?.strip_prefix("# ")?;
        let named = first.ends_with(ending) && !first.contains([' ', '/']);
        named.then_some(first)
    }
}

/// Compares the generated part of a page, between two markers, with what it should be, or with
/// `UPDATE_GOLDEN` writes it.
#[track_caller]
pub(crate) fn generated(page: &str, begin: &str, end: &str, table: &str) {
    let text = text(Path::new(page));
    let (head, rest) = text.split_once(begin).expect("the table has a begin");
    let (shown, tail) = rest.split_once(end).expect("the table has an end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        fs::write(path, [head, begin, table, end, tail].concat()).unwrap();
        return;
    }
    assert!(
        shown == table,
        "{page}: run with UPDATE_GOLDEN=1; expected:\n{table}\nfound:\n{shown}"
    );
}

//! `director complete`: what a command line that is being typed can go on with. The scripts of
//! `director completions` call it.
//!
//! ```text
//!   script ─► words, or bash's line (line.rs) ─► clap's engine ─► words, and what the shell adds
//!                                                     │
//!              known.rs: director, file, kernel ◄─────┘ values (values.rs)
//! ```
//!
//! It prints nothing that people did not ask for: without a director, without rights or too late,
//! there are no names, and no message.

mod known;
mod line;
mod values;

use std::ffi::OsString;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap_complete::engine::{self, CompletionCandidate};

use super::args::{Asking, Complete};
use super::exit::Exit;
use super::output::print;
use line::Line;
use values::{Paths, Typed};

/// How long each source of names may take: a shell stands still so long.
const PATIENCE: Duration = Duration::from_millis(300);

pub(crate) fn run(verb: &Complete) -> Exit {
    let answer = answer(verb.shell, &verb.words);
    // A shell that is gone needs no completions.
    let _ = print(&answer);
    Exit::Done
}

/// The first line says what the shell adds itself (`files`, `directories`, `words` for nothing), the
/// others are what the word can be, for zsh and fish with a tab and an explanation.
fn answer(shell: Asking, words: &[OsString]) -> String {
    let (words, line) = match (shell, words) {
        (Asking::Bash, [line, rest @ ..]) => {
            let breaks = rest.first().map(|breaks| breaks.to_string_lossy());
            let line = Line::new(&line.to_string_lossy(), &breaks.unwrap_or_default());
            (line.words().map(OsString::from).collect(), Some(line))
        }
        _ => (words.to_vec(), None),
    };
    let Some(current) = words.last().cloned() else {
        return "words\n".to_owned();
    };
    let typed = Typed::new(&words);
    let (mut command, paths) = values::attach(typed);
    let index = words.len() - 1;
    let found = engine::complete(&mut command, words, index, None).unwrap_or_default();
    let found = shown(found, &current.to_string_lossy(), paths.get().is_some());
    let mut text = match paths.get() {
        Some(Paths::Files) => "files\n".to_owned(),
        Some(Paths::Directories) => "directories\n".to_owned(),
        None => "words\n".to_owned(),
    };
    for candidate in found {
        let value = candidate.get_value().to_string_lossy();
        // It would be two candidates.
        if value.contains('\n') {
            continue;
        }
        match &line {
            Some(line) => text.push_str(&line.inserted(&value)),
            None => {
                text.push_str(&value);
                let help = candidate.get_help().map(ToString::to_string);
                if let Some(first) = help.as_deref().and_then(|help| help.lines().next()) {
                    text.push('\t');
                    text.push_str(first);
                }
            }
        }
        text.push('\n');
    }
    text
}

/// Without what is hidden; options only if the word begins as one, or where nothing else can stand.
fn shown(
    mut found: Vec<CompletionCandidate>,
    current: &str,
    paths: bool,
) -> Vec<CompletionCandidate> {
    found.retain(|candidate| !candidate.is_hide_set());
    let is_option = |candidate: &CompletionCandidate| {
        candidate.get_value().as_encoded_bytes().starts_with(b"-")
    };
    let others = paths || found.iter().any(|candidate| !is_option(candidate));
    if current.is_empty() && others {
        found.retain(|candidate| !is_option(candidate));
    }
    found
}

/// Runs it in a thread of its own, and waits only so long: what hangs ends with the program.
fn bounded<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // The client may have given up by now.
        let _ = sender.send(work());
    });
    receiver.recv_timeout(PATIENCE).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(line: &str) -> String {
        let breaks = " \t\n\"'><=;|&(:";
        answer(Asking::Bash, &[line.into(), breaks.into()])
    }

    #[test]
    fn verbs_and_options_come_from_the_command_line() {
        assert_eq!(bash("director app"), "words\napply\n");
        assert_eq!(
            bash("director apply --confirm"),
            "words\n--confirm-within\n"
        );
        assert_eq!(bash("director run x --on-stop d"), "words\ndrain\n");
        // Bash replaces what stands after the `=` only.
        assert_eq!(bash("director run x --on-stop=d"), "words\ndrain\n");
        let words = ["director", "run", "x", "--on-stop=d"].map(OsString::from);
        assert!(answer(Asking::Zsh, &words).starts_with("words\n--on-stop=drain"));
    }

    #[test]
    fn verbs_that_are_not_for_people_are_not_offered() {
        for line in ["director gu", "director complete", "director guard"] {
            assert_eq!(bash(line).lines().count(), 1, "{line}: {}", bash(line));
        }
        assert!(!bash("director ").contains("guard"));
        assert!(!bash("director help ").contains("guard"));
    }

    #[test]
    fn an_option_without_meaning_is_not_offered() {
        assert_eq!(bash("director schema --state"), "words\n");
        assert_eq!(bash("director plan --state"), "words\n--state-dir\n");
    }

    #[test]
    fn paths_are_left_to_the_shell() {
        assert_eq!(bash("director plan "), "files\n");
        assert_eq!(bash("director plan --out "), "files\n");
        assert_eq!(bash("director plan --out=/tm"), "files\n");
        assert_eq!(bash("director man /us"), "directories\n");
        assert_eq!(bash("director plan --state-dir "), "directories\n");
    }
}

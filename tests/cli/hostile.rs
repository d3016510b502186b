//! Names and files made to mislead their reader on a terminal.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use super::{Run, command};

const HOSTILE: &str =
    "a\u{202e}b\u{2066}c\u{200f}d\u{feff}e\u{e0041}f\u{2028}g\u{9b}h\u{61c}i\u{ad}";

#[track_caller]
fn is_shown_as_it_is(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let hidden = text.chars().find(|c| HOSTILE.contains(*c) && !c.is_ascii());
        assert_eq!(hidden, None, "{text:?}");
        assert!(!text.contains('\x1b') && !text.contains('\r'), "{text:?}");
    }
}

#[test]
fn no_file_name_reorders_a_line_or_moves_the_cursor() {
    let directory = tempfile::tempdir().unwrap();
    let odd = format!("{HOSTILE}\x1b[2J\r.toml");
    for name in [OsStr::new(&odd), OsStr::from_bytes(b"\xff\xfe\x1b[8m.toml")] {
        for present in [false, true] {
            let path = directory.path().join(name);
            if present {
                std::fs::write(&path, "version = 1\n[service.a]\nlisten = 1\n").unwrap();
            }
            for verb in ["check", "plan"] {
                let run = command(&[OsStr::new(verb), path.as_os_str()])
                    .output()
                    .unwrap();
                let run = Run::from(run);
                assert_eq!(run.code, Some(1), "{}", run.stderr);
                is_shown_as_it_is(&run);
            }
            let words = ["check", "--format", "json"].map(OsStr::new);
            let run = Run::from(
                command(&[&words[..], &[path.as_os_str()]].concat())
                    .output()
                    .unwrap(),
            );
            is_shown_as_it_is(&run);
            let report: Value = serde_json::from_str(&run.stdout).unwrap();
            if present && name == OsStr::new(&odd) {
                assert_eq!(report[0]["file"], path.to_str().unwrap());
            }
        }
    }
}

#[test]
fn a_trojan_source_is_seen_in_what_is_said_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trojan.toml");
    let text = format!(
        "version = 1 # {HOSTILE}\n[service.\"{HOSTILE}\"]\nlisten = \"{HOSTILE}\" # {HOSTILE}\n\
         \"{HOSTILE}\" = \"{HOSTILE}\"\nscheduler = \"{HOSTILE}\"\nservers = [\"{HOSTILE}\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    for line in [&["check"][..], &["check", "--format", "json"], &["plan"]] {
        let mut words: Vec<&OsStr> = line.iter().map(OsStr::new).collect();
        words.push(file.as_os_str());
        let run = Run::from(command(&words).output().unwrap());
        assert_eq!(run.code, Some(1));
        assert!(!(run.stdout + &run.stderr).is_empty());
        is_shown_as_it_is(&Run::from(command(&words).output().unwrap()));
    }
}

#[test]
fn an_argument_that_is_not_understood_is_shown_as_it_is() {
    for words in [["status", &format!("--{HOSTILE}")], [HOSTILE, "x"]] {
        let run = Run::from(command(&words).output().unwrap());
        assert_eq!(run.code, Some(1));
        assert!(!run.stderr.is_empty());
        is_shown_as_it_is(&run);
    }
}

#[test]
fn a_line_break_in_a_file_name_begins_no_line_of_its_own() {
    const FORGED: &str = "error: all is well";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("a\n{FORGED}.toml"));
    for text in [
        None,
        Some(""),
        Some("x"),
        Some("version = 1\ninclude = [\"b\"]\n"),
    ] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let words = [OsStr::new("check"), path.as_os_str()];
        let run = Run::from(command(&words).output().unwrap());
        let said = run.stdout + &run.stderr;
        assert!(
            said.contains(FORGED) || said.contains("matches no file"),
            "{said}"
        );
        let begins = said
            .lines()
            .any(|line| line.trim_start().starts_with(FORGED));
        assert!(!begins, "{text:?}: {said}");
    }
}

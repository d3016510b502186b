//! Help, versions, completions, man pages, the schema, and wrong arguments.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use super::{command, director};

const VERBS: [&str; 28] = [
    "check",
    "plan",
    "apply",
    "confirm",
    "export",
    "flush",
    "adopt",
    "disown",
    "run",
    "status",
    "top",
    "events",
    "history",
    "diff",
    "connections",
    "why",
    "metrics",
    "drain",
    "undrain",
    "weight",
    "disable",
    "enable",
    "failover",
    "announce",
    "reload",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_names_every_verb_and_each_verb_has_an_example() {
    let help = director("--help");
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    for verb in VERBS {
        assert!(
            help.stdout.contains(&format!("\n  {verb} ")),
            "{verb}: {}",
            help.stdout
        );
        let own = director(&format!("{verb} --help"));
        assert_eq!(own.code, Some(0), "{verb}");
        assert!(own.stdout.contains("Example"), "{verb}: {}", own.stdout);
        assert!(
            own.stdout.contains(&format!("\n  director {verb}")),
            "{verb}: {}",
            own.stdout
        );
    }
    assert!(
        !help.stdout.contains("guard"),
        "what is not for people is not in it"
    );
}

#[test]
fn a_verb_shows_its_own_options_first_and_the_global_ones_that_mean_something_to_it() {
    const ALL: [&str; 4] = ["--state-dir", "--netns", "--socket", "--color"];
    for verb in VERBS {
        let expected: &[&str] = match verb {
            "schema" | "completions" | "man" => &[],
            "check" => &["--color"],
            "status" | "events" | "top" => &["--netns", "--socket", "--color"],
            "metrics" | "drain" | "undrain" | "weight" | "disable" | "enable" | "reload" => {
                &["--netns", "--socket"]
            }
            "confirm" => &["--state-dir", "--netns"],
            "history" | "export" | "adopt" | "disown" => &["--state-dir", "--netns", "--socket"],
            _ => &ALL,
        };
        let help = director(&format!("{verb} --help")).stdout;
        let (_, global) = help.split_once("\nGlobal options:\n").unwrap_or_default();
        let global = global.split("\nExample").next().unwrap();
        for option in ALL {
            let mut lines = help.lines().map(str::trim_start);
            let shown = lines.any(|line| line.starts_with(&format!("{option} ")));
            let here = expected.contains(&option);
            assert_eq!(shown, here, "{verb} {option}: {help}");
            assert_eq!(global.contains(option), here, "{verb} {option}: {help}");
            // Before the verb and after it.
            for line in [format!("{verb} {option} x"), format!("{option} x {verb}")] {
                let run = director(&format!("{line} --no-such-option"));
                let unknown = run.stderr.contains("--no-such-option");
                assert!(unknown || option == "--color", "{line}: {}", run.stderr);
            }
        }
        let own = help.find("\nOptions:\n").expect("each has --help");
        if !expected.is_empty() {
            assert!(own < help.find("\nGlobal options:\n").unwrap(), "{help}");
        }
    }
    for line in [
        "schema --state-dir x",
        "--state-dir x schema",
        "--netns x man d",
    ] {
        let run = director(line);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{line}");
        assert!(
            run.stderr.contains("has no use for it"),
            "{line}: {}",
            run.stderr
        );
    }
}

#[test]
fn the_examples_name_the_file_of_the_unit() {
    let unit = include_str!("../../packaging/systemd/director.service");
    let file = "/etc/director/director.toml";
    assert!(unit.contains(&format!("director run {file}")), "{unit}");
    for verb in ["run", "check", "plan", "apply", "confirm", "reload"] {
        let help = director(&format!("{verb} --help")).stdout;
        let (_, examples) = help.split_once("\nExample").unwrap();
        let named = examples
            .split_whitespace()
            .filter(|word| word.ends_with(".toml"));
        for named in named {
            assert_eq!(named, file, "{verb}: {examples}");
        }
    }
}

#[test]
fn versions() {
    // Made by build.rs, for this file as for the program.
    let version = env!("DIRECTOR_VERSION");
    for option in ["-V", "--version"] {
        let run = director(option);
        let expected = format!("director {version}\n");
        assert_eq!((run.code, run.stdout), (Some(0), expected));
    }
    let (number, commit) = version.split_once(" (").unwrap();
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    let commit = commit.split(['-', ' ']).next().unwrap();
    assert!(
        commit == "commit" || commit.len() == 12 && u64::from_str_radix(commit, 16).is_ok(),
        "{version}"
    );
}

#[test]
fn what_is_typed_wrong_is_an_error_and_no_change() {
    // 2 means "changes" for `plan`.
    for (line, said) in [
        ("", "Usage"),
        ("", "director: no director is running here; next: director "),
        ("plan", "<FILE>"),
        ("plan --outt x a.toml", "--out"),
        ("aply a.toml", "apply"),
        ("check --format yaml a.toml", "json"),
        ("apply --confirm-within soon a.toml", "90s"),
        ("apply --lock-timeout 5 a.toml", "5m"),
        (
            "apply --drain-wait --confirm-within 1m a.toml",
            "cannot be used with",
        ),
        ("adopt", "SERVICE"),
        ("adopt tcp://192.0.2.1", "tcp://192.0.2.1"),
        ("adopt --all tcp://192.0.2.1:80", "cannot be used with"),
        ("drain", "<SERVER>"),
        ("undrain web app1 --wait=soon", "90s"),
        ("enable app1 --timeout 5m", "--wait"),
        ("disable app1 --wait 5m", "5m"),
        ("drain web app1 --timeout 5m", "--wait"),
        ("drain web app1 --for ever", "30m"),
        ("drain web app1 --until yesterday", "a time to come"),
        (
            "failover yield front --for 2h --until 18:00",
            "cannot be used with",
        ),
        ("weight web app1 heavy", "declared"),
        ("status --watch=often", "90s"),
        ("status --stats --rate", "cannot be used with"),
        ("events --from 1 --last 2", "cannot be used with"),
        ("completions tcsh", "bash"),
        ("--color sometimes check a.toml", "never"),
    ] {
        let run = director(line);
        assert_eq!(run.code, Some(1), "director {line}");
        assert_eq!(run.stdout, "", "director {line}");
        assert!(run.stderr.contains(said), "director {line}: {}", run.stderr);
    }
}

#[test]
fn completions_for_every_shell_know_verbs_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = director(&format!("completions {shell}"));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in VERBS
            .into_iter()
            .chain(["confirm-within", "drain-wait", "netns"])
        {
            assert!(run.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_schema_is_one() {
    let run = director("schema");
    assert_eq!(run.code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(
        schema["$schema"]
            .as_str()
            .unwrap()
            .contains("json-schema.org")
    );
    assert!(schema["properties"]["service"].is_object());
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    for line in ["schema", "completions zsh", "--help"] {
        let words: Vec<_> = line.split(' ').collect();
        let mut child = command(&words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            (status.code(), said.as_str()),
            (Some(0), ""),
            "director {line}"
        );
    }
}

#[test]
fn a_full_disk_is_one() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return; // a machine without that device
    };
    let output = command(&["schema"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("No space left"), "{said}");
}

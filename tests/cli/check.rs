//! `director check`.

use serde_json::Value;

use super::{GOOD, WARNED, WRONG, command, director, director_in, director_with, files};

#[test]
fn a_good_file_is_passed_over_in_silence() {
    let directory = files();
    let run = director_in(directory.path(), "check good.toml");
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (Some(0), "", "")
    );
}

#[test]
fn all_mistakes_are_reported_together() {
    let directory = files();
    let run = director_in(directory.path(), "check wrong.toml");
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stdout, "", "data is for stdout, and this is none");
    for part in [
        "wrong.toml:5:1",
        "shceduler",
        "`scheduler`",
        "wrong.toml:6:24",
        "10.0.0.300",
        "2 mistakes",
    ] {
        assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
    }
}

#[test]
fn warnings_are_mistakes_only_when_asked_for() {
    let directory = files();
    let run = director_in(directory.path(), "check warned.toml");
    assert_eq!(run.code, Some(0));
    assert!(
        run.stderr.contains("warning[") && run.stderr.contains("1 warning"),
        "{}",
        run.stderr
    );
    let strict = director_in(directory.path(), "check --strict warned.toml");
    assert_eq!(strict.code, Some(1));
    assert_eq!(
        director_in(directory.path(), "check --strict good.toml").code,
        Some(0)
    );
}

#[test]
fn for_programs_there_is_json_on_stdout() {
    let directory = files();
    for (file, code, count) in [("good", 0, 0), ("warned", 0, 1), ("wrong", 1, 2)] {
        let run = director_in(
            directory.path(),
            &format!("check --format json {file}.toml"),
        );
        assert_eq!(run.code, Some(code), "{file}");
        assert_eq!(run.stderr, "", "{file}");
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let report = report.as_array().unwrap();
        assert_eq!(report.len(), count, "{file}: {report:?}");
        for found in report {
            assert_eq!(found["file"], format!("{file}.toml"));
            assert!(found["start"]["line"].as_u64() > Some(1), "{found}");
        }
    }
}

#[test]
fn a_file_comes_by_stdin_in_either_form() {
    assert_eq!(director_with("check -", GOOD).code, Some(0));
    let wrong = director_with("check -", WRONG);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("(stdin):5:1"), "{}", wrong.stderr);
    let json = r#"{ "version": 1, "service": { "web": { "listen": "tcp://192.0.2.10:80", "servers": ["10.0.0.1"] } } }"#;
    assert_eq!(director_with("check -", json).code, Some(0));
    assert_eq!(director_with("check -", "{ \"version\": 2 }").code, Some(1));
    assert_eq!(director_with("check --strict -", WARNED).code, Some(1));
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = files();
    for (file, why) in [("missing.toml", "No such file"), (".", "directory")] {
        for verb in ["check", "plan", "apply --yes"] {
            let run = director_in(directory.path(), &format!("{verb} {file}"));
            assert_eq!(run.code, Some(1), "{verb} {file}");
            let named = run.stderr.contains(&format!("cannot read `{file}`"))
                || run.stderr.contains(&format!("cannot read {file}"));
            assert!(
                named && run.stderr.contains(why),
                "{verb} {file}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let directory = files();
    let coloured = |args: &[&str], no_color: Option<&str>| {
        let mut command = command(args);
        command.current_dir(directory.path());
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap().contains("\x1b[")
    };
    assert!(
        !coloured(&["check", "wrong.toml"], None),
        "stderr is no terminal here"
    );
    assert!(coloured(
        &["check", "--color", "always", "wrong.toml"],
        None
    ));
    assert!(
        coloured(&["--color=always", "check", "wrong.toml"], Some("1")),
        "asked for by name"
    );
    assert!(!coloured(
        &["--color", "never", "check", "wrong.toml"],
        None
    ));
    assert!(!coloured(&["check", "wrong.toml"], Some("1")));
}

#[test]
fn a_file_that_is_empty_is_a_mistake_and_an_included_one_a_warning() {
    let directory = files();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    for text in ["", "\n \n", "# later\n"] {
        write("empty.toml", text);
        let run = director_in(directory.path(), "check empty.toml");
        assert_eq!(run.code, Some(1), "{text:?}");
        for part in ["error[empty-file]", "`empty.toml` is empty", "version = 1"] {
            assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
        }
        let run = director_with("check -", text);
        assert_eq!(run.code, Some(1), "{text:?} on standard input");
        write("root.toml", "version = 1\ninclude = [\"empty.toml\"]\n");
        let run = director_in(directory.path(), "check root.toml");
        assert_eq!(run.code, Some(0), "{text:?}");
        assert!(run.stderr.contains("warning[empty-file]"), "{}", run.stderr);
    }
    write("whole.toml", "version = 1\n");
    let run = director_in(directory.path(), "check whole.toml");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_fifo_is_refused_immediately_and_a_pipe_of_the_shell_is_read() {
    use nix::sys::stat::Mode;

    let directory = files();
    let path = |name: &str| directory.path().join(name);
    nix::unistd::mkfifo(&path("fifo.toml"), Mode::S_IRWXU).unwrap();
    std::fs::write(
        path("root.toml"),
        "version = 1\ninclude = [\"fifo.toml\"]\n",
    )
    .unwrap();
    for file in ["fifo.toml", "root.toml"] {
        let run = director_in(directory.path(), &format!("check {file}"));
        assert_eq!(run.code, Some(1), "{file}");
        let said = "not a regular file but a FIFO";
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    for (line, code) in [
        ("check <(cat good.toml)", 0),
        ("check <(echo '{\"version\": 1}')", 0),
        ("check /dev/stdin < good.toml", 0),
        ("cat good.toml | $director check /dev/stdin", 0),
        ("check <(cat wrong.toml)", 1),
        ("check <(true)", 1),
    ] {
        let program = env!("CARGO_BIN_EXE_director");
        let line = if line.contains("$director") {
            line.replace("$director", program)
        } else {
            format!("{program} {line}")
        };
        let ended = std::process::Command::new("bash")
            .args(["-c", &line])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{line}: {said}");
    }
}

#[test]
fn standard_input_has_a_limit_as_any_file() {
    let run = director_with("check -", &"#".repeat((64 << 20) + 1));
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("longer than"), "{}", run.stderr);
}

#[test]
fn several_files_are_all_checked_whatever_the_first_one_is_like() {
    let directory = files();
    let run = director_in(
        directory.path(),
        "check wrong.toml missing.toml warned.toml . good.toml",
    );
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    for part in [
        "wrong.toml:5:1",
        "wrong.toml: 2 mistakes.",
        "cannot read `missing.toml`: No such file",
        "missing.toml: 1 mistake.",
        "warning[hash-fallback]",
        "warned.toml: 1 warning.",
        "cannot read `.`",
    ] {
        assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
    }
    assert!(!run.stderr.contains("good.toml"), "{}", run.stderr);
    for (line, code) in [
        ("check good.toml good.toml", 0),
        ("check good.toml warned.toml", 0),
        ("check --strict good.toml warned.toml", 1),
        ("check good.toml wrong.toml", 1),
        ("check wrong.toml good.toml", 1),
    ] {
        assert_eq!(
            director_in(directory.path(), line).code,
            Some(code),
            "{line}"
        );
    }
}

#[test]
fn standard_input_is_read_once_under_whatever_name() {
    for line in ["check - -", "check - /dev/stdin", "check /dev/fd/0 -"] {
        let run = director_with(line, GOOD);
        assert_eq!(run.code, Some(1), "{line}");
        assert!(
            run.stderr.contains("cannot read standard input twice"),
            "{line}: {}",
            run.stderr
        );
    }
    let directory = files();
    let json = r#"{ "version": 1 }"#;
    std::fs::write(directory.path().join("a.json"), json).unwrap();
    let path = directory.path().join("a.json");
    let run = director_with(&format!("check - {}", path.display()), WARNED);
    assert_eq!(run.code, Some(0));
    assert!(run.stderr.contains("(stdin): 1 warning."), "{}", run.stderr);
}

#[test]
fn one_list_has_the_diagnostics_of_all_files_and_names_the_file_as_typed() {
    let directory = files();
    for option in ["--format json", "--json", "-o json"] {
        let line = format!("check {option} wrong.toml missing.toml good.toml warned.toml");
        let run = director_in(directory.path(), &line);
        assert_eq!((run.code, run.stderr.as_str()), (Some(1), ""), "{option}");
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let of = report.as_array().unwrap().iter();
        let of: Vec<_> = of
            .map(|found| {
                (
                    found["input"].as_str().unwrap(),
                    found["code"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            of,
            [
                ("wrong.toml", "unknown-key"),
                ("wrong.toml", "bad-address"),
                ("missing.toml", "unreadable"),
                ("warned.toml", "hash-fallback"),
            ]
        );
    }
    let run = director_with("check --json - -", GOOD);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report[0]["input"], "(stdin)");
    assert_eq!(report[0]["code"], "unreadable");
}

#[test]
fn without_a_file_the_one_of_the_unit_is_checked() {
    let unit = include_str!("../../packaging/systemd/director.service");
    let file = "/etc/director/director.toml";
    assert!(unit.contains(&format!("director run {file}\n")));
    let run = director("check");
    match std::path::Path::new(file).exists() {
        true => assert!(matches!(run.code, Some(0 | 1))),
        false => {
            assert_eq!(run.code, Some(1));
            assert!(run.stderr.contains(file), "{}", run.stderr);
        }
    }
    assert!(director("check --help").stdout.contains(file));
}

/// What `check` prints on a terminal.
fn on_a_terminal(directory: &std::path::Path, line: &str) -> String {
    let program = super::program();
    let typed = format!("{} check {line}", program.to_str().unwrap());
    let output = std::process::Command::new("script")
        .args(["-qec", &typed, "/dev/null"])
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn on_a_terminal_a_good_file_is_counted() {
    let directory = files();
    let path = directory.path();
    assert_eq!(
        on_a_terminal(path, "good.toml"),
        "ok: 1 service, 2 servers, 0 checks\n"
    );
    let checked = "version = 1\n[service.web]\nlisten = [\"tcp://192.0.2.10:80-82\"]\n\
                   servers = [\"10.0.0.1\", \"10.0.0.2\"]\nsorry = [\"10.0.0.3\"]\n\
                   check = [\"tcp\", \"http\"]\n";
    std::fs::write(path.join("checked.toml"), checked).unwrap();
    let said = on_a_terminal(path, "good.toml checked.toml");
    assert_eq!(
        said,
        "good.toml: ok: 1 service, 2 servers, 0 checks\n\
         checked.toml: ok: 3 services, 9 servers, 12 checks\n"
    );
    let said = on_a_terminal(path, "warned.toml");
    assert!(said.contains("warning[hash-fallback]"), "{said}");
    assert!(
        said.ends_with("ok: 1 service, 2 servers, 0 checks; 1 warning\n"),
        "{said}"
    );
    assert!(!on_a_terminal(path, "--strict warned.toml").contains("ok:"));
    assert!(!on_a_terminal(path, "wrong.toml").contains("ok:"));
}

#[test]
fn a_warning_that_the_file_allows_leaves_strict_usable() {
    let directory = files();
    let path = directory.path().join("allowed.toml");
    let allow = |codes: &str| {
        let text = WARNED.replace("scheduler", &format!("allow = {codes}\nscheduler"));
        std::fs::write(&path, text).unwrap();
        director_in(directory.path(), "check --strict allowed.toml")
    };
    let run = allow("\"hash-fallback\"");
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    for (codes, said) in [
        (
            "[\"hash-fallback\", \"udp-nodest\"]",
            "warning[unused-allow]",
        ),
        ("[\"hash-falback\"]", "did you mean `hash-fallback`?"),
        ("[\"bad-port\"]", "is a mistake, not a warning"),
        ("[]", "warning[hash-fallback]"),
    ] {
        let run = allow(codes);
        assert_eq!(run.code, Some(1), "{codes}");
        assert!(run.stderr.contains(said), "{codes}: {}", run.stderr);
    }
}

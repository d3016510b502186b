//! The output of `--version` for a source tree: `build/version.rs`, which both `build.rs` use.

#[path = "../../build/version.rs"]
#[allow(dead_code, reason = "what speaks with cargo is not tested here")]
mod build;

use std::path::Path;
use std::process::Command;

use build::version;

fn git(top: &Path, line: &str) {
    let mut command = Command::new("git");
    command.current_dir(top).args(line.split(' '));
    command.env("GIT_COMMITTER_DATE", "2026-02-28T23:30:00-05:00");
    for (name, value) in [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_AUTHOR_NAME", "a")] {
        command.env(name, value);
    }
    for name in [
        "GIT_COMMITTER_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_EMAIL",
    ] {
        command.env(name, "a");
    }
    assert!(command.status().unwrap().success(), "git {line}");
}

#[test]
fn sources_without_git_say_so() {
    let sources = tempfile::tempdir().unwrap();
    let top = sources.path();
    assert_eq!(version(top, "1.2.3", None), "1.2.3 (commit unknown)");
    for (epoch, date) in [
        ("0", "1970-01-01"),
        ("951782399", "2000-02-28"),
        ("951782400", "2000-02-29"),
        ("4107542400", "2100-03-01"),
        ("1798761599", "2026-12-31"),
    ] {
        let expected = format!("1.2.3 (commit unknown, {date})");
        assert_eq!(version(top, "1.2.3", Some(epoch)), expected);
    }
    for nonsense in ["", "soon", "-1", "18446744073709551615"] {
        let said = version(top, "1.2.3", Some(nonsense));
        assert_eq!(said, "1.2.3 (commit unknown)", "{nonsense}");
    }
}

#[test]
fn a_commit_has_its_own_date_and_changes_show() {
    let sources = tempfile::tempdir().unwrap();
    let top = sources.path();
    std::fs::create_dir(top.join("src")).unwrap();
    std::fs::write(top.join("src/main.rs"), "fn main() {}\n").unwrap();
    git(top, "init -q");
    git(top, "add src");
    git(top, "commit -q -m first");

    // Late in the evening there is the next day in UTC.
    let clean = version(top, "1.2.3", None);
    assert!(
        clean.starts_with("1.2.3 (") && clean.ends_with(" 2026-03-01)"),
        "{clean}"
    );
    let commit = &clean[7..19];
    assert!(u64::from_str_radix(commit, 16).is_ok(), "{clean}");
    let given = version(top, "1.2.3", Some("0"));
    assert_eq!(given, format!("1.2.3 ({commit} 1970-01-01)"));

    // Files that no program is made of do not count.
    std::fs::write(top.join("notes"), "").unwrap();
    git(top, "add notes");
    assert_eq!(version(top, "1.2.3", None), clean);
    std::fs::write(top.join("src/main.rs"), "fn main() { }\n").unwrap();
    let dirty = format!("1.2.3 ({commit}-dirty 2026-03-01)");
    assert_eq!(version(top, "1.2.3", None), dirty);

    // Sources in a subdirectory of another repository have no commit of their own.
    let below = version(&top.join("src"), "1.2.3", None);
    assert_eq!(below, "1.2.3 (commit unknown)");
}

//! What `--version` says: `0.1.0 (963c1c3d7e4a 2026-11-20)`, in the compilation's environment
//! variable `DIRECTOR_VERSION`.
//!
//! The same for the same commit: the date is the commit's, never that of the build.
//!
//! | built from | in the brackets |
//! |---|---|
//! | a commit | `963c1c3d7e4a 2026-11-20` |
//! | a commit and changes to what the programs are made of | `963c1c3d7e4a-dirty 2026-11-20` |
//! | sources without git, or inside another project's repository | `commit unknown` |
//!
//! `SOURCE_DATE_EPOCH`, where it is set, is the date in all three
//! (<https://reproducible-builds.org/specs/source-date-epoch/>).

use std::path::Path;
use std::process::Command;

/// What the programs are made of, below the top of the workspace.
const MADE_OF: [&str; 13] = [
    "Cargo.toml",
    "Cargo.lock",
    "build",
    "build.rs",
    "src",
    "crates/ipvs/Cargo.toml",
    "crates/ipvs/src",
    "crates/director-check/Cargo.toml",
    "crates/director-check/src",
    "crates/director-config/Cargo.toml",
    "crates/director-config/src",
    "ipvsadm-compat/Cargo.toml",
    "ipvsadm-compat/src",
];

/// Tells cargo the version, and when to ask again. `top` is the top of the workspace, seen from
/// the package that is built.
pub(crate) fn tell_cargo(top: &str) {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for path in MADE_OF {
        println!("cargo:rerun-if-changed={top}/{path}");
    }
    let top = Path::new(top);
    // Another commit of the same sources is another version. Not worth it while one works: each
    // commit would build everything again, so a debug build may name the commit before.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for file in ["HEAD", "logs/HEAD"] {
            let path = ["rev-parse", "--path-format=absolute", "--git-path", file];
            // cargo builds anew each time when a file that it watches is missing.
            if let Some(path) = git(top, &path).filter(|path| Path::new(path).exists()) {
                println!("cargo:rerun-if-changed={path}");
            }
        }
    }
    let number = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let version = version(top, &number, epoch.as_deref());
    println!("cargo:rustc-env=DIRECTOR_VERSION={version}");
}

/// What `--version` says of the sources in `top`.
pub(crate) fn version(top: &Path, number: &str, epoch: Option<&str>) -> String {
    let is_ours = git(top, &["rev-parse", "--show-prefix"]).is_some_and(|below| below.is_empty());
    let commit = is_ours.then(|| commit(top)).flatten();
    match (commit, epoch.and_then(day)) {
        (Some((commit, date)), given) => format!("{number} ({commit} {})", given.unwrap_or(date)),
        (None, Some(date)) => format!("{number} (commit unknown, {date})"),
        (None, None) => format!("{number} (commit unknown)"),
    }
}

/// The commit, with `-dirty` where it applies, and its date.
fn commit(top: &Path) -> Option<(String, String)> {
    let about = git(
        top,
        &[
            "log",
            "-1",
            "--abbrev=12",
            "--date=format-local:%Y-%m-%d",
            "--format=%h %cd",
        ],
    )?;
    let (commit, date) = about.split_once(' ')?;
    let status = [
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
    ];
    let dirty = match git(top, &[&status[..], &MADE_OF[..]].concat())?.as_str() {
        "" => "",
        _ => "-dirty",
    };
    Some((format!("{commit}{dirty}"), date.to_owned()))
}

/// What git prints, without the newline at its end. `None`: no git, no repository, or an error.
fn git(top: &Path, words: &[&str]) -> Option<String> {
    let answer = Command::new("git")
        .current_dir(top)
        .env("TZ", "UTC")
        .args(words)
        .output()
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| text.trim_end().to_owned())
}

/// The day of a `SOURCE_DATE_EPOCH`, seconds since 1970, in UTC. `None`: no such number, or past the
/// year 9999.
fn day(epoch: &str) -> Option<String> {
    let seconds: u64 = epoch.parse().ok()?;
    let mut day = seconds / 86_400;
    let mut year = 1970_u64;
    let leap = |year: u64| {
        u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
    };
    while day >= 365 + leap(year) {
        day -= 365 + leap(year);
        year += 1;
        if year > 9999 {
            return None;
        }
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    Some(format!("{year}-{month:02}-{:02}", day + 1))
}

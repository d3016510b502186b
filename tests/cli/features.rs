//! The released program has the features that were tested.
//!
//! Cargo builds tests, and the program with them, with the features that dev-dependencies request
//! of shared crates. `scripts/test` runs these tests once more with `DIRECTOR_PROGRAM`, a program
//! built without them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::director_with;

/// Features that only tests have, of crates that the program uses too: none of them changes what
/// the program does.
const ONLY_IN_TESTS: &[&str] = &[
    // The in-memory kernel.
    "ipvs/fake",
    // Namespaces of the lab.
    "nix/mount",
    // `tempfile` opens and removes its files with it.
    "rustix/fs",
];

/// The features of each crate, with these kinds of dependencies.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let output = Command::new(cargo)
        .args([
            "tree",
            "--offline",
            "--locked",
            "-p",
            "director",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}|{f}", "--edges", edges])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        let words: Vec<_> = package.split_whitespace().take(2).collect();
        let features = features.trim_end_matches("(*)").trim();
        let known = all.entry(words.join(" ")).or_default();
        known.extend(
            features
                .split(',')
                .filter(|f| !f.is_empty())
                .map(str::to_owned),
        );
    }
    all
}

#[test]
fn tests_give_no_crate_of_the_program_a_feature_that_users_lack() {
    let (shipped, tested) = (features("normal"), features("normal,dev"));
    assert!(shipped.contains_key("director v0.1.0"), "{shipped:?}");
    let mut more = Vec::new();
    for (package, features) in &shipped {
        let name = package.split(' ').next().unwrap();
        for feature in tested[package].difference(features) {
            let both = format!("{name}/{feature}");
            // `default` names others, which are listed separately.
            if feature != "default" && !ONLY_IN_TESTS.contains(&both.as_str()) {
                more.push(both);
            }
        }
    }
    assert!(
        more.is_empty(),
        "only tests have {more:?}: let [dependencies] ask for it, or say in this test why it \
         changes nothing"
    );
}

#[test]
fn all_of_unicode_can_be_expected_of_an_answer() {
    for pattern in [
        r"\pL+",
        r"\p{Lu}",
        r"\p{Greek}",
        r"\p{Alphabetic}",
        r"(?i)grüße",
        r"\w\d\s\b",
        r"\p{Cf}",
    ] {
        let file = format!(
            "version = 1\n[service.web]\nlisten = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.1\"]\n\
             check = {{ type = \"http\", body_regex = '{pattern}' }}\n"
        );
        let run = director_with("check -", &file);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{pattern}");
    }
    let file = "version = 1\n[service.web]\nlisten = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.1\"]\n\
                check = { type = \"http\", body_regex = '\\p{Klingon}' }\n";
    let run = director_with("check -", file);
    assert!(run.stderr.contains("bad-regex"), "{}", run.stderr);
}

//! A kind of check that a list leaves out does not compile.
//!
//! The lists themselves are compiled, with stubs around them: `rustc` on a file of sixty lines takes
//! a moment, a copy of the crates minutes.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The file of `director-check` with its list of kinds.
const LIST: &str = include_str!("../../crates/director-check/src/kind/mod.rs");

/// The file of `director-config` that defines `CheckKind` by its list.
const KINDS: &str = include_str!("../../crates/director-config/src/kinds/mod.rs");

/// The lines of the last `kinds! { ... }` of a file.
fn entries(source: &'static str) -> Vec<&'static str> {
    let (_, list) = source.rsplit_once("\nkinds! {\n").unwrap();
    let (list, _) = list.split_once("\n}\n").unwrap();
    list.lines().map(str::trim).collect()
}

/// The kind that an entry is about.
fn kind(entry: &str) -> &str {
    entry
        .split(|end: char| !end.is_alphanumeric())
        .next()
        .unwrap()
}

/// The list of `director-check` as it stands there, macro and all, with only these entries.
fn program(entries: &[&str]) -> String {
    let (_, list) = LIST.split_once("\nmacro_rules! kinds {\n").unwrap();
    let (definition, _) = list.split_once("\n// One line for each kind").unwrap();
    let mut text = String::from(
        "#![allow(dead_code, async_fn_in_trait)]\n\
         pub struct Passed; pub struct Failure; pub struct At; pub struct Any;\n\
         pub struct Target { pub spec: CheckSpec } pub struct CheckSpec { kind: CheckKind, at: At }\n\
         pub struct Attempt<'a> { target: &'a Target }\n\
         pub(crate) enum Driver { Connects, Holds, Task }\n",
    );
    text.push_str("pub enum CheckKind {\n");
    for entry in self::entries(KINDS) {
        writeln!(text, "    {}(Any),", kind(entry)).unwrap();
    }
    text.push_str("}\n");
    for entry in self::entries(LIST) {
        let file = entry.split([' ', ',', ';']).nth(2).unwrap();
        writeln!(
            text,
            "mod {file} {{ use super::*;\n\
             pub async fn run(_: &Any, _: &Attempt<'_>) -> Result<Passed, Failure> {{ Ok(Passed) }}\n\
             pub(crate) fn driver(_: &Any, _: &At) -> Driver {{ Driver::Task }} }}"
        )
        .unwrap();
    }
    write!(text, "macro_rules! kinds {{\n{definition}\nkinds! {{\n").unwrap();
    for entry in entries {
        writeln!(text, "    {entry}").unwrap();
    }
    text.push_str("}\n");
    text
}

fn compile(directory: &Path, program: &str) -> Output {
    let file = directory.join("kinds.rs");
    fs::write(&file, program).unwrap();
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .arg("--out-dir")
        .arg(directory)
        .arg(&file)
        .output()
        .unwrap()
}

#[test]
fn a_kind_of_check_that_is_not_in_the_list_of_director_check_does_not_compile() {
    let directory = tempfile::tempdir().unwrap();
    let all = entries(LIST);
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let complete = compile(directory.path(), &program(&all));
    assert!(complete.status.success(), "{}", said(&complete));
    for missing in &all {
        let others: Vec<&str> = all
            .iter()
            .copied()
            .filter(|entry| entry != missing)
            .collect();
        let output = compile(directory.path(), &program(&others));
        let said = said(&output);
        assert!(!output.status.success(), "without `{missing}`");
        assert!(said.contains("error[E0004]"), "without `{missing}`: {said}");
        let name = format!("CheckKind::{}(_)` not covered", kind(missing));
        assert!(said.contains(&name), "without `{missing}`: {said}");
    }
}

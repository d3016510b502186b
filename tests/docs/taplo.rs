//! taplo, which checks TOML in editors and in CI, accepts our files by the schema.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::files;

const SCHEMA: &str = "director.schema.json";

/// By the schema in this directory; `None` without taplo.
fn check(directory: &Path) -> Option<Output> {
    let schema = format!("file://{}", directory.join(SCHEMA).display());
    let mut taplo = Command::new("taplo");
    taplo.args(["check", "--schema", &schema]);
    taplo.current_dir(directory).output().ok()
}

/// The examples, the files of all pages, and a file with every key.
#[test]
fn taplo_accepts_our_files_and_refuses_a_wrong_one() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(SCHEMA, &director::config::schema().to_string());
    for (number, block) in files().iter().enumerate() {
        write(&format!("page-{number}.toml"), &block.text);
    }
    let examples = fs::read_dir("examples").unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    let every_key = Path::new("crates/director-config/tests/config/everything.toml").to_owned();
    for path in examples.chain([every_key]) {
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path.file_name().unwrap().to_str().unwrap();
            write(name, &fs::read_to_string(&path).unwrap());
        }
    }
    let Some(right) = check(directory.path()) else {
        eprintln!("not tested: no taplo here; `pip install taplo` installs it");
        return;
    };
    assert!(right.status.success(), "{}", said(&right));
    write(
        "wrong.toml",
        "version = 1\n[service.web]\nlisten = \"tcp://192.0.2.10:80\"\nservers = [\"10.0.0.11\"]\n\
         check = { type = \"htpp\" }\n",
    );
    let wrong = check(directory.path()).unwrap();
    assert!(!wrong.status.success());
    let said = said(&wrong);
    assert!(said.contains("\"htpp\" is not one of"), "{said}");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

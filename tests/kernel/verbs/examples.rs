//! The files of `examples/`, applied.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Desk, lone};

/// The root files: their includes are in directories below.
fn examples() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        matches!(ending, Some("toml" | "json")) && path.is_file()
    });
    paths.sort();
    paths
}

#[test]
#[ignore = "needs a kernel with ip_vs: run scripts/test"]
fn every_example_is_applied_planned_exported_and_flushed() {
    let examples = examples();
    assert!(examples.len() >= 7, "{examples:?}");
    for example in examples {
        let host = lone();
        let desk = Desk::on(&host);
        host.ipvsadm("-A -f 4711 -s rr\n-a -f 4711 -r 10.0.0.99 -g\n");
        let before = desk.tables();
        let file = example.display();

        let planned = desk.ends(&format!("plan {file}"), 2);
        assert!(planned.stdout.contains("Plan: "), "{planned}");
        assert_eq!(desk.tables(), before, "a plan changes nothing");
        desk.done(&format!("apply --yes {file}"));
        let applied = desk.tables();
        assert!(applied.services.len() > 1, "{file}");
        desk.nothing_to_do(&file.to_string());

        let exported = desk.done("export");
        desk.write("exported.toml", &exported);
        desk.nothing_to_do("exported.toml");

        desk.done("flush --yes");
        assert_eq!(desk.tables().services, before.services, "{file}");
    }
}

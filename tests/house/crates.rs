//! What the crates depend on, from their `Cargo.toml` and the `Cargo.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::table::Crate;

/// What is wrong with the dependencies of the crates below a directory.
pub(crate) fn mistakes(crates: &[Crate], root: &Path) -> Vec<String> {
    let lock = lock(&fs::read_to_string(root.join("Cargo.lock")).unwrap());
    let manifests = manifests(root);
    let mut mistakes = Vec::new();
    for name in manifests.keys() {
        if !crates.iter().any(|known| known.name == *name) {
            mistakes.push(format!("arrows.txt does not have the crate `{name}`"));
        }
    }
    for one in crates {
        let Some(dependencies) = manifests.get(&one.name) else {
            mistakes.push(format!("there is no crate `{}`", one.name));
            continue;
        };
        let ours: BTreeSet<String> = dependencies
            .iter()
            .filter(|name| manifests.contains_key(*name))
            .cloned()
            .collect();
        if ours != one.ours {
            mistakes.push(format!(
                "`{}` depends on {ours:?}: allowed are {:?}",
                one.name, one.ours
            ));
        }
        let tree = tree(&one.name, &manifests, &lock);
        for found in tree.intersection(&one.without) {
            mistakes.push(format!("`{}` has `{found}` in its tree", one.name));
        }
    }
    mistakes
}

/// The crates of this repository, and what each needs outside its tests.
fn manifests(root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut directories = vec![root.to_owned(), root.join("ipvsadm-compat")];
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        directories.push(entry.unwrap().path());
    }
    let mut manifests = BTreeMap::new();
    for directory in directories {
        let text = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        let (mut section, mut name, mut needs) = ("", "", BTreeSet::new());
        for line in text.lines() {
            if line.starts_with('[') {
                section = line.trim();
            } else if let Some((key, value)) = line.split_once('=') {
                let key = key.trim();
                if section == "[package]" && key == "name" {
                    name = value.trim().trim_matches('"');
                } else if section == "[dependencies]" && !line.starts_with('#') {
                    needs.insert(key.split('.').next().unwrap_or(key).to_owned());
                }
            }
        }
        manifests.insert(name.to_owned(), needs);
    }
    manifests
}

/// What each package of a `Cargo.lock` needs.
fn lock(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in text.split("[[package]]").skip(1) {
        let mut quoted = package.lines().filter_map(|line| {
            let (key, value) = (line.split('"').next()?, line.split('"').nth(1)?);
            Some((key.trim(), value))
        });
        let Some((_, name)) = quoted.next() else {
            continue;
        };
        // A line of the list has no key, and perhaps a version behind the name.
        let needs = quoted.filter(|(key, _)| key.is_empty());
        let needs = needs.filter_map(|(_, value)| value.split(' ').next());
        let all = packages.entry(name.to_owned()).or_default();
        all.extend(needs.map(str::to_owned));
    }
    packages
}

/// All packages that one needs, directly or not.
fn tree(
    name: &str,
    manifests: &BTreeMap<String, BTreeSet<String>>,
    lock: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<String> {
    let mut tree = BTreeSet::new();
    let mut names = vec![name.to_owned()];
    while let Some(name) = names.pop() {
        // The lock has what the tests of our own crates need, too.
        let needs = manifests.get(&name).or_else(|| lock.get(&name));
        for need in needs.into_iter().flatten() {
            if tree.insert(need.clone()) {
                names.push(need.clone());
            }
        }
    }
    tree
}

//! Reads `arrows.txt`.

use std::collections::{BTreeMap, BTreeSet};

/// The whole table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) groups: Vec<Group>,
    pub(crate) crates: Vec<Crate>,
}

/// The modules of one directory.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Below the repository's root.
    pub(crate) directory: String,
    /// Where the crate's `lib.rs` is.
    pub(crate) crate_sources: String,
    /// The module that the directory is.
    pub(crate) parent: Vec<String>,
    /// What each may import.
    pub(crate) rooms: BTreeMap<String, BTreeSet<String>>,
}

impl Group {
    /// The file of a module.
    pub(crate) fn file(&self, module: &[String]) -> String {
        let path = module.join("/");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(&self.crate_sources);
        match root.join(&path).is_dir() && root.join(&path).join("mod.rs").exists() {
            true => format!("{}/{path}/mod.rs", self.crate_sources),
            false => format!("{}/{path}.rs", self.crate_sources),
        }
    }
}

/// A crate of ours.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Those of ours that it depends on.
    pub(crate) ours: BTreeSet<String>,
    /// Those that must not be in its tree.
    pub(crate) without: BTreeSet<String>,
}

impl Table {
    /// Reads a table; an error names the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        let mut heading = "";
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(name) = line.strip_prefix('[') {
                heading = name.trim_end_matches(']');
                if heading != "crates" {
                    table.groups.push(Group::new(heading));
                }
            } else if let Some((name, others)) = line.split_once(':') {
                let added = match heading {
                    "crates" => table.add_crate(name, others),
                    _ => table.add_room(name, others),
                };
                added.map_err(|why| format!("line {}: {why}", index + 1))?;
            } else if !line.is_empty() {
                return Err(format!("line {}: `NAME: OTHERS` is missing", index + 1));
            }
        }
        Ok(table)
    }

    fn add_room(&mut self, name: &str, others: &str) -> Result<(), String> {
        let group = self.groups.last_mut().ok_or("`[DIRECTORY]` is missing")?;
        let mut allowed = BTreeSet::new();
        for other in others.split_whitespace() {
            let upward = other.strip_prefix('^');
            let other = upward.unwrap_or(other);
            if upward.is_none() && !group.rooms.contains_key(other) {
                return Err(format!(
                    "`{name}` imports `{other}`, which stands below it in the table: put it \
                     above, or mark an import against the order with `^{other}`"
                ));
            }
            allowed.insert(other.to_owned());
        }
        group.rooms.insert(name.to_owned(), allowed);
        Ok(())
    }

    fn add_crate(&mut self, name: &str, others: &str) -> Result<(), String> {
        let (mut ours, mut without) = (BTreeSet::new(), BTreeSet::new());
        for other in others.split_whitespace() {
            if let Some(other) = other.strip_prefix('!') {
                without.insert(other.to_owned());
            } else if self.crates.iter().any(|known| known.name == other) {
                ours.insert(other.to_owned());
            } else {
                return Err(format!("`{name}` needs `{other}`, which stands below it"));
            }
        }
        self.crates.push(Crate {
            name: name.to_owned(),
            ours,
            without,
        });
        Ok(())
    }
}

impl Group {
    fn new(directory: &str) -> Self {
        let (sources, below) = match directory.split_once("src/") {
            Some((before, below)) => (format!("{before}src"), below),
            None => (directory.to_owned(), ""),
        };
        let parent = below.split('/').filter(|name| !name.is_empty());
        Self {
            directory: directory.to_owned(),
            crate_sources: sources,
            parent: parent.map(str::to_owned).collect(),
            rooms: BTreeMap::new(),
        }
    }
}

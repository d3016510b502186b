//! Saved plans: `director plan --out`, `director apply PLAN`.
//!
//! A saved plan holds what was declared and the changes that it came to. Applied, it is made anew
//! from the tables as they are then; if that comes to other changes, the tables have moved and it
//! is refused.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pipe;
use crate::apply::Incarnation;
use crate::plan::Plan;
use crate::regular;
use crate::state::Desired;

/// What the first bytes of a saved plan look like; no service file begins so.
const MAGIC: &str = "{\"director_plan\":1,";

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanFile {
    director_plan: u32,
    incarnation: Incarnation,
    pub(crate) desired: Desired,
    changes: Value,
}

impl PlanFile {
    pub(crate) fn save(
        path: &Path,
        incarnation: &Incarnation,
        desired: &Desired,
        plan: &Plan,
    ) -> anyhow::Result<()> {
        let file = Self {
            director_plan: 1,
            incarnation: incarnation.clone(),
            desired: desired.clone(),
            changes: changes(plan),
        };
        let text = serde_json::to_string(&file)?;
        // Where symbolic links lead: the file is replaced, and not the link to it.
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let written = match fs::metadata(&whole) {
            // A pipe or a terminal: there is nothing to replace.
            Ok(found) if !found.is_file() => fs::write(&whole, text),
            found => {
                let mode = found.map_or(0o666, |found| found.permissions().mode() & 0o777);
                regular::replace(&whole, mode, |file| file.write_all(text.as_bytes()))
            }
        };
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// The saved plan in a file; `None` if it is something else, standard input or a pipe.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        if path == Path::new("-") || pipe::is_descriptor(path) {
            return Ok(None);
        }
        let unreadable = || format!("cannot read {}", path.display());
        let mut file = regular::open(path).with_context(unreadable)?;
        let mut bytes = Vec::with_capacity(MAGIC.len());
        let first = (&mut file).take(MAGIC.len() as u64);
        { first }.read_to_end(&mut bytes).with_context(unreadable)?;
        if bytes != MAGIC.as_bytes() {
            return Ok(None);
        }
        file.read_to_end(&mut bytes).with_context(unreadable)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("{} is a damaged plan", path.display()))
    }

    /// Checks that the plan made now is the one that was saved.
    pub(crate) fn verify(&self, incarnation: &Incarnation, plan: &Plan) -> anyhow::Result<()> {
        if self.incarnation != *incarnation {
            bail!("the plan was made for another network namespace, or before a reboot: plan anew");
        }
        if self.changes != changes(plan) {
            bail!("the tables have moved since the plan was made: plan anew");
        }
        Ok(())
    }
}

/// What is to be done, without counts and times, which change by themselves.
fn changes(plan: &Plan) -> Value {
    let mut json = plan.to_json(crate::state::BootTime::default());
    let mut steps = json["steps"].take();
    for step in steps.as_array_mut().into_iter().flatten() {
        step["effects"].take();
    }
    steps
}

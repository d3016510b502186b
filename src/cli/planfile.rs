//! Saved plans: `director plan --out`, `director apply PLAN`.
//!
//! A saved plan holds the declaration and the resulting changes. `apply` makes a new plan from the
//! current tables; if its changes differ, the tables have changed and `apply` refuses the saved
//! plan.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pipe;
use crate::apply::Incarnation;
use crate::plan::{Change, Plan};
use crate::regular;
use crate::state::Desired;

/// The first bytes of a saved plan; no service file starts like this.
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
        // Follow symbolic links: replace the file, not the link.
        let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let written = match fs::metadata(&whole) {
            // A pipe or a terminal cannot be replaced.
            Ok(found) if !found.is_file() => fs::write(&whole, text),
            found => {
                let mode = found.map_or(0o666, |found| found.permissions().mode() & 0o777);
                regular::replace(&whole, mode, |file| file.write_all(text.as_bytes()))
            }
        };
        written.with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// The saved plan in a file; `None` for anything else, standard input or a pipe.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        if path == Path::new("-") || pipe::is_descriptor(path) {
            return Ok(None);
        }
        let unreadable = || format!("cannot read `{}`", path.display());
        let mut file = regular::open(path).with_context(unreadable)?;
        let mut bytes = Vec::with_capacity(MAGIC.len());
        let first = (&mut file).take(MAGIC.len() as u64);
        { first }.read_to_end(&mut bytes).with_context(unreadable)?;
        if bytes != MAGIC.as_bytes() {
            return Ok(None);
        }
        file.read_to_end(&mut bytes).with_context(unreadable)?;
        serde_json::from_slice(&bytes).map(Some).with_context(|| {
            format!(
                "cannot parse the plan `{}`: the file is damaged",
                path.display()
            )
        })
    }

    /// Checks that the new plan equals the saved one.
    pub(crate) fn verify(&self, incarnation: &Incarnation, plan: &Plan) -> anyhow::Result<()> {
        if self.incarnation != *incarnation {
            bail!(
                "the plan was made in another network namespace or before a reboot; make a new \
                   plan"
            );
        }
        if self.changes != changes(plan) {
            bail!("the tables have changed since the plan was made; make a new plan");
        }
        Ok(())
    }
}

/// The changes, with everything that they carry and restore, but without effects: counts and times
/// change by themselves. The form is that of this file only, unlike [`Plan::to_json`].
fn changes(plan: &Plan) -> Value {
    let steps = plan.steps.iter().map(|step| {
        let service = match &step.change {
            Change::Operation(operation) => operation.service_key(),
            Change::Sysctl { .. } => None,
        };
        json!({
            "phase": step.phase.to_string(),
            "service": service.map(|key| key.to_string()),
            "description": step.change.to_string(),
            "change": change(&step.change),
            "undo": step.undo().iter().map(change).collect::<Vec<_>>(),
            // Earlier versions had emptied effects here.
            "effects": null,
        })
    });
    steps.collect()
}

/// All kernel names seen so far are UTF-8; others give no value.
fn change(change: &Change) -> Value {
    match change {
        Change::Operation(operation) => serde_json::to_value(operation).unwrap_or_default(),
        Change::Sysctl { sysctl, value } => {
            json!({ "Sysctl": { "name": sysctl.name(), "value": value } })
        }
    }
}

//! What `plan` and `apply` print for programs: one object in any case, also after a failure. The
//! contract is `docs/json.md`.

use serde_json::{Value, json};

use super::exit::Exit;
use super::load::summary;
use super::output::print_json;
use crate::apply::ApplyError;
use crate::config::Parsed;
use crate::net::Warning;
use crate::plan::Plan;
use crate::plan::json::VERSION;
use crate::state::BootTime;

/// What a verb found and did so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    plan: Option<Value>,
    warnings: Vec<Value>,
    diagnostics: Vec<Value>,
    draining: Option<Value>,
    /// The number of changes carried out.
    pub(crate) applied: usize,
    /// Whether director's ownership could not be written to disk.
    pub(crate) not_saved: bool,
    /// When everything is rolled back unless it is confirmed, in milliseconds.
    pub(crate) rollback_in_ms: Option<u64>,
    /// The kind of the error, if there is one.
    pub(crate) kind: Option<&'static str>,
    /// An error that the verb does not return as one.
    message: Option<String>,
}

impl Report {
    /// The file's diagnostics. With a mistake in it, the verb ends.
    pub(crate) fn file(&mut self, parsed: &Parsed) {
        let found = parsed.report();
        self.diagnostics
            .extend(found.as_array().into_iter().flatten().cloned());
        if parsed.desired.is_none() {
            self.end("mistakes", summary(parsed));
        }
    }

    pub(crate) fn plan(&mut self, plan: &Plan, now: BootTime) {
        self.plan = Some(plan.to_json(now));
    }

    /// Adds a key to the plan.
    pub(crate) fn of_plan(&mut self, key: &str, value: Value) {
        if let Some(plan) = &mut self.plan {
            plan[key] = value;
        }
    }

    pub(crate) fn warnings(&mut self, warnings: &[Warning]) {
        self.warnings = warnings.iter().map(Warning::to_json).collect();
    }

    /// What still drains after the changes.
    pub(crate) fn draining(&mut self, plan: &Plan, now: BootTime) {
        self.draining = Some(plan.draining_json(now));
    }

    /// Why the verb ends without an error of its own.
    pub(crate) fn end(&mut self, kind: &'static str, message: String) {
        self.kind = Some(kind);
        self.message = Some(message);
    }

    /// Prints the report of `plan`.
    pub(crate) fn print_plan(self, ended: &anyhow::Result<Exit>) -> anyhow::Result<()> {
        let error = self.error(ended);
        let mut object = match (self.plan, error.is_null()) {
            (Some(plan), true) => plan,
            _ => json!({ "version": VERSION }),
        };
        object["warnings"] = self.warnings.into();
        object["diagnostics"] = self.diagnostics.into();
        object["error"] = error;
        Ok(print_json(format!("{object:#}\n"))?)
    }

    /// Prints the report of `apply`.
    pub(crate) fn print_apply(mut self, ended: &anyhow::Result<Exit>) -> anyhow::Result<()> {
        let error = self.error(ended);
        let unrestored = match apply_error(ended) {
            Some(ApplyError::Failed { unrestored, .. }) => unrestored.len(),
            _ => 0,
        };
        let guards = self.plan.as_ref().map(|plan| plan["guards"].clone());
        let object = json!({
            "version": VERSION,
            "changed": self.applied > 0 || unrestored > 0,
            "applied": self.applied,
            "saved": !self.not_saved,
            "rollback_in_ms": self.rollback_in_ms,
            "draining": self.draining.take().unwrap_or_else(|| json!([])),
            "plan": self.plan,
            "guards": guards.unwrap_or_else(|| json!([])),
            "warnings": self.warnings,
            "diagnostics": self.diagnostics,
            "error": error,
        });
        Ok(print_json(format!("{object:#}\n"))?)
    }

    fn error(&self, ended: &anyhow::Result<Exit>) -> Value {
        let message = match ended {
            Err(error) => format!("{error:#}"),
            Ok(_) => match &self.message {
                Some(message) => message.clone(),
                None => return Value::Null,
            },
        };
        let mut object = json!({ "kind": self.kind.unwrap_or("error"), "message": message });
        if let Some(ApplyError::Failed { failed, unrestored }) = apply_error(ended) {
            object["kind"] = "failed".into();
            object["failures"] = failed.iter().map(ToString::to_string).collect();
            object["not_rolled_back"] = unrestored.iter().map(ToString::to_string).collect();
        }
        object
    }
}

fn apply_error(ended: &anyhow::Result<Exit>) -> Option<&ApplyError> {
    ended.as_ref().err()?.downcast_ref()
}

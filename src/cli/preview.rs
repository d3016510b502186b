//! What a reload would change, for `GET /v1/plan`: `director plan` beside a director, made by the
//! director's process itself on a thread that may block.
//!
//! Viewers see it, so nothing of the files' text is in it: diagnostics say which line is wrong, and
//! do not quote it.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use super::joining::{Joining, joining};
use super::load::summary;
use super::machine;
use super::plan::address_json;
use super::session::Session;
use crate::apply::{Incarnation, Kernel, Platform, Store};
use crate::config::{self, Environment, Memory, Parsed};
use crate::control::InForce;
use crate::discovery;
use crate::http::Planner;
use crate::http::api::Overlay;
use crate::net::Warning;
use crate::plan::json::VERSION;
use crate::state::failover::{Change, Failovers, changes};
use crate::words::chain;

/// The files of a running director, and what it owns.
#[derive(Debug)]
pub(crate) struct Preview {
    pub(crate) file: PathBuf,
    /// As which machine the files are read.
    pub(crate) machine: Option<String>,
    pub(crate) state_dir: PathBuf,
    pub(crate) incarnation: Incarnation,
}

impl Planner for Preview {
    fn plan(&self, now: &Overlay, in_force: InForce) -> Result<Value, String> {
        self.make(now, in_force)
            .map_err(|error| chain(error.as_ref()))
    }
}

impl Preview {
    fn make(&self, now: &Overlay, in_force: InForce) -> anyhow::Result<Value> {
        let environment = self.environment();
        // One of its own: clones share their warnings, and those of the director are for its log.
        let store = Store::within(&self.state_dir, &self.incarnation.directory());
        // The lists are those of the last answers, which a reload takes, too.
        let lists = discovery::directory(store.directory());
        let read = config::load(&self.file, &environment.clone().with_lists(lists));
        let diagnostics = diagnostics(&read);
        let mistakes = summary(&read);
        let declared = read.desired.zip(read.watch).zip(read.failovers);
        let Some(((mut desired, watch), failovers)) = declared else {
            return Ok(json!({
                "version": VERSION,
                "warnings": [],
                "diagnostics": diagnostics,
                "error": { "kind": "mistakes", "message": mistakes },
            }));
        };
        let unchecked = now.unchecked(&desired, &watch);
        let unchecked: Vec<String> = unchecked.into_iter().map(str::to_owned).collect();
        now.lay(&mut desired, &watch);
        let kernel = Kernel::connect().context("cannot read the kernel's tables")?;
        let mut session = Session::beside(kernel, store, self.incarnation.clone());
        session.hide(watch.run.marks);
        session.hide(now.marks());
        let plan = session.plan(&desired)?.plan;
        let addresses = address_changes(in_force, &environment, &failovers);
        let joining = joining(&plan, now, &desired, &watch);
        let mut object = plan.to_json(session.kernel.now());
        object["changes"] = (!plan.is_empty() || !addresses.is_empty()).into();
        object["joining"] = joining.iter().map(Joining::to_json).collect();
        object["without_checks"] = unchecked.into();
        object["addresses"] = addresses.iter().map(address_json).collect();
        let warnings = machine::found(&desired, Some(&watch)).unwrap_or_else(|error| {
            tracing::warn!("cannot check addresses and routes: {}", chain(&error));
            Vec::new()
        });
        object["warnings"] = warnings.iter().map(Warning::to_json).collect();
        object["diagnostics"] = diagnostics;
        object["error"] = Value::Null;
        Ok(object)
    }

    fn environment(&self) -> Environment {
        let environment = Environment::of_process();
        match &self.machine {
            Some(machine) => environment.on_machine(machine.clone()),
            None => environment,
        }
    }
}

/// What the files on disk do to the addresses that the director holds by those in force.
fn address_changes(in_force: InForce, environment: &Environment, after: &Failovers) -> Vec<Change> {
    let texts = in_force.texts.into_iter();
    let files: Memory = texts.map(|(path, text)| (path, text.to_vec())).collect();
    let before = config::load_from(&in_force.root, &files, environment);
    match before.failovers {
        Some(before) => changes(&before, after),
        None => Vec::new(),
    }
}

/// Which lines are wrong, without what is in them.
fn diagnostics(read: &Parsed) -> Value {
    let found = read.report();
    let found = found.as_array().into_iter().flatten();
    found.map(without_text).collect()
}

fn without_text(diagnostic: &Value) -> Value {
    let shown = ["code", "severity", "message", "file", "start", "end"];
    let fields = diagnostic.as_object().into_iter().flatten();
    let fields = fields.filter(|(key, _)| shown.contains(&key.as_str()));
    let fields = fields.map(|(key, value)| (key.clone(), value.clone()));
    Value::Object(fields.collect())
}

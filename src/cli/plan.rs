//! `director plan`.

use anyhow::bail;
use serde_json::{Value, json};

use super::args::{Args, Plan};
use super::beside;
use super::exit::Exit;
use super::joining::{Joining, joining};
use super::load::{Declared, load};
use super::machine;
use super::output::{print, say, style};
use super::planfile::PlanFile;
use super::report::Report;
use super::session::Session;
use crate::apply::Platform;
use crate::state::failover::{Change, Effect};
use crate::words::{count, listed};

pub(crate) fn run(args: &Args, verb: &Plan) -> anyhow::Result<Exit> {
    let mut report = Report::default();
    let ended = plan(args, verb, &mut report);
    if verb.form.is_json() {
        report.print_plan(&ended)?;
    }
    ended
}

fn plan(args: &Args, verb: &Plan, report: &mut Report) -> anyhow::Result<Exit> {
    let Some(declared) = load(args, verb.machine.as_deref(), &verb.file, report)? else {
        return Ok(Exit::Failed);
    };
    let beside = beside::find(args)?;
    if beside.is_none() {
        declared.say_needs_daemon();
    }
    let Declared {
        mut desired,
        watch,
        failovers,
    } = declared;
    if beside.is_some() && verb.out.is_some() {
        bail!(
            "a director is running here, so a saved plan could not be applied; see `director \
               reload`"
        );
    }
    let addresses = match &beside {
        Some(beside) => beside.address_changes(&failovers)?,
        None => Vec::new(),
    };
    let mut session = Session::open(args)?;
    session.hide(watch.run.marks);
    let mut without_checks = json!([]);
    let overlay = match beside {
        Some(beside) => {
            let overlay =
                beside.overlay("showing what a reload would change, given current health")?;
            let unchecked = overlay.unchecked(&desired, &watch);
            if !unchecked.is_empty() {
                without_checks = unchecked.iter().map(|name| json!(name)).collect();
                say!(
                    "warning: a reload removes the checks of {}: {}",
                    count(unchecked.len(), "service", "services"),
                    listed(unchecked.iter())
                );
            }
            overlay.lay(&mut desired, &watch);
            session.hide(overlay.marks());
            Some(overlay)
        }
        None => None,
    };
    let plan = session.plan(&desired)?.plan;
    let joining = overlay.map(|overlay| joining(&plan, &overlay, &desired, &watch));
    let joining = joining.unwrap_or_default();
    let now = session.kernel.now();
    if let Some(path) = &verb.out {
        PlanFile::save(path, &session.incarnation, &desired, &plan)?;
    }
    let warnings = machine::warnings(&desired, Some(&watch));
    let is_changed = !plan.is_empty() || !addresses.is_empty();
    if verb.form.is_json() {
        report.plan(&plan, now);
        report.of_plan("joining", joining.iter().map(Joining::to_json).collect());
        report.of_plan("without_checks", without_checks);
        report.of_plan("addresses", addresses.iter().map(address_json).collect());
        report.of_plan("changes", is_changed.into());
        report.warnings(&warnings);
    } else {
        let mut text = plan.render(now, style(args));
        text.extend(joining.iter().map(Joining::render));
        text.extend(addresses.iter().map(address_line));
        print(&text)?;
    }
    machine::print(args, &warnings);
    Ok(if is_changed {
        Exit::Changes
    } else {
        Exit::Done
    })
}

/// What the edit does to virtual addresses, in words.
fn address_line(change: &Change) -> String {
    match change.effect {
        Effect::Splits => format!("{change}; `director reload` refuses it without --force\n"),
        Effect::None | Effect::Moves => format!("{change}\n"),
    }
}

pub(super) fn address_json(change: &Change) -> Value {
    json!({
        "section": change.section,
        "effect": change.effect.word(),
        "text": change.text,
    })
}

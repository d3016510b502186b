//! `director plan`.

use super::args::{Args, Plan, TextOrJson};
use super::exit::Exit;
use super::load::load;
use super::output::{print, style};
use super::planfile::PlanFile;
use super::session::Session;
use crate::apply::Platform;

pub(crate) fn run(args: &Args, verb: &Plan) -> anyhow::Result<Exit> {
    let Some(desired) = load(args, &verb.file)? else {
        return Ok(Exit::Failed);
    };
    let mut session = Session::open(args)?;
    let plan = session.plan(&desired)?.plan;
    let now = session.kernel.now();
    if let Some(path) = &verb.out {
        PlanFile::save(path, &session.incarnation, &desired, &plan)?;
    }
    match verb.format {
        TextOrJson::Text => print(&plan.render(now, style(args)))?,
        TextOrJson::Json => print(&format!("{:#}\n", plan.to_json(now)))?,
    }
    Ok(if plan.is_empty() {
        Exit::Done
    } else {
        Exit::Changes
    })
}

//! `director flush`.

use std::time::Duration;

use super::apply::explain;
use super::args::{Args, Flush};
use super::beside;
use super::confirm::refuse_while_unconfirmed;
use super::exit::Exit;
use super::output::{consent, print, say, style};
use super::session::Session;
use crate::apply::{Platform, Prepared};
use crate::state::Desired;

/// How long to wait for another director's lock.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args, verb: &Flush) -> anyhow::Result<Exit> {
    beside::refuse(
        args,
        "stop it first, or let it flush on exit with `--on-stop flush`",
    )?;
    let mut session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    refuse_while_unconfirmed(&mut session)?;
    let observed = session.observe()?;
    let mut ownership = session.ownership(&observed)?;
    // Flush deletes immediately, without draining.
    ownership.waive_drains();
    let desired = Desired::default();
    let now = session.kernel.now();
    let prepared = Prepared::new(&desired, &observed, ownership, now);
    print(&prepared.plan.render(now, style(args)))?;
    if prepared.plan.is_empty() {
        session.remove_leftovers();
        return Ok(Exit::Done);
    }
    if !consent(verb.yes, "Delete these services?")? {
        say!("Nothing was done.");
        return Ok(Exit::Failed);
    }
    let flushed = session
        .converge(&desired, prepared, &mut |_| {})
        .map_err(explain)?;
    session.remove_leftovers();
    Ok(session.ended(&flushed))
}

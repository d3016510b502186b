//! `director apply`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::args::{Apply, Args};
use super::beside;
use super::confirm::{self, refuse_while_unconfirmed};
use super::exit::Exit;
use super::load::load_as;
use super::machine;
use super::output::{colour_on_stderr, consent, note_coloured, print, say, style};
use super::planfile::PlanFile;
use super::progress::Bar;
use super::report::Report;
use super::session::Session;
use crate::apply::{Applied, ApplyError, Lock, Pending, Platform, Prepared};
use crate::plan::{Change, Plan, Step, Style};
use crate::state::health::{MarkRange, ServiceWatch, Watch};
use crate::state::{Desired, DesiredService};
use crate::words::{chain, count, listed};

/// The interval between checks of a drain.
const DRAIN_PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Args, verb: &Apply) -> anyhow::Result<Exit> {
    let mut report = Report::default();
    let mut ended = apply(args, verb, &mut report);
    if verb.detailed_exitcode && report.applied > 0 && matches!(ended, Ok(Exit::Done)) {
        ended = Ok(Exit::Changes);
    }
    if verb.form.is_json() {
        report.print_apply(&ended)?;
    }
    ended
}

fn apply(args: &Args, verb: &Apply, report: &mut Report) -> anyhow::Result<Exit> {
    let saved = PlanFile::read(&verb.file)?;
    let (desired, private) = match &saved {
        Some(saved) => (saved.desired.clone(), MarkRange::DEFAULT),
        None => match load_as(
            args,
            verb.machine.as_deref(),
            &verb.file,
            verb.force,
            report,
        )? {
            Some(declared) => {
                beside::refuse(args, "use `director reload`")
                    .inspect_err(|_| report.kind = Some("director_running"))?;
                declared.say_needs_daemon();
                say_daemon_only(&declared.desired, &declared.watch);
                (declared.desired, declared.watch.run.marks)
            }
            None => return Ok(Exit::Failed),
        },
    };
    beside::refuse(args, "use `director reload`")
        .inspect_err(|_| report.kind = Some("director_running"))?;
    let mut session = Session::open(args)?;
    session.hide(private);
    let lock = session.lock(verb.lock_timeout)?;
    refuse_while_unconfirmed(&mut session)?;

    let prepared = session.plan(&desired)?;
    let plan = &prepared.plan;
    if let Some(saved) = &saved {
        saved
            .verify(&session.incarnation, plan)
            .inspect_err(|_| report.kind = Some("stale_plan"))?;
    }
    let warnings = machine::warnings(&desired, None);
    if verb.form.is_json() {
        report.plan(plan, prepared.now);
        report.warnings(&warnings);
    }
    show(args, verb, &prepared)?;
    machine::print(args, &warnings);
    if !plan.objections.is_empty() && !verb.force {
        report.kind = Some("guards");
        let reasons: Vec<_> = plan.objections.iter().map(ToString::to_string).collect();
        bail!(
            "refused: {}; use --force to override",
            reasons.join(", and ")
        );
    }
    let Some(prepared) = agreed(&mut session, verb, &desired, prepared)? else {
        say!("Nothing was done.");
        report.end("declined", "the changes were not confirmed".to_owned());
        return Ok(Exit::Failed);
    };
    let applied = match verb.confirm_within.filter(|_| !prepared.plan.is_empty()) {
        Some(time) => carry_out_guarded(args, &mut session, &desired, prepared, time)?,
        None => carry_out(args, &mut session, &desired, prepared)?,
    };
    session.remove_leftovers();
    tell(&applied);
    report.applied = applied.steps;
    report.draining(&applied.plan, session.kernel.now());
    let mut exit = session.ended(&applied);
    report.not_saved = exit == Exit::NotKept;
    if let Some(time) = verb.confirm_within.filter(|_| applied.steps > 0) {
        report.rollback_in_ms = u64::try_from(time.as_millis()).ok();
        say!(
            "Rolled back in {}s unless you run: director confirm",
            time.as_secs()
        );
    }
    if verb.drain_wait {
        let drained = wait_for_drains(&mut session, &desired, applied, &lock, report)?;
        report.draining(&drained.plan, session.kernel.now());
        exit = session.ended(&drained);
        report.not_saved = exit == Exit::NotKept;
    }
    Ok(exit)
}

/// Names what a file declares and only a running director carries out.
pub(super) fn say_daemon_only(desired: &Desired, watch: &Watch) {
    let of = |has: &dyn Fn(&DesiredService, &ServiceWatch) -> bool| {
        let services = desired.services.iter();
        let found = services.filter_map(|(key, service)| {
            let watch = watch.services.get(key)?;
            has(service, watch).then_some(&*service.name)
        });
        found.collect::<BTreeSet<&str>>()
    };
    let kinds = [
        (
            "health checks",
            of(&|service, watch| watch.has_checks(&service.servers)),
        ),
        ("backup servers", of(&|_, watch| !watch.backup.is_empty())),
        ("sorry servers", of(&|_, watch| !watch.sorry.is_empty())),
        (
            "commands of `notify`",
            of(&|_, watch| !watch.notify.is_empty()),
        ),
    ];
    let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let kinds: Vec<_> = kinds
        .map(|(what, names)| {
            let services = count(names.len(), "service", "services");
            format!("{what} of {services} ({})", listed(names.iter()))
        })
        .collect();
    if !kinds.is_empty() {
        say!(
            "director: `apply` leaves out what needs `director run`: {}",
            kinds.join(", ")
        );
    }
}

/// The full plan for a person who decides, the summary for a log. Where stdout is for a program, a
/// person reads stderr.
fn show(args: &Args, verb: &Apply, prepared: &Prepared) -> io::Result<()> {
    if verb.form.is_json() {
        if !verb.yes {
            let colour = colour_on_stderr(args);
            let style = Style {
                colour,
                forced: verb.force,
            };
            note_coloured(&prepared.plan.render(prepared.now, style));
        }
        return Ok(());
    }
    let style = Style {
        forced: verb.force,
        ..style(args)
    };
    let somebody_reads = !verb.yes || io::stdout().is_terminal();
    print(&if somebody_reads {
        prepared.plan.render(prepared.now, style)
    } else {
        prepared.plan.render_sum(prepared.now, style)
    })
}

/// Asks for consent where needed. The tables may change while the person thinks; then the plan
/// would no longer be the one agreed to.
fn agreed(
    session: &mut Session,
    verb: &Apply,
    desired: &Desired,
    shown: Prepared,
) -> anyhow::Result<Option<Prepared>> {
    if verb.yes || shown.plan.is_empty() {
        return Ok(Some(shown));
    }
    if !consent(false, "Apply these changes?")? {
        return Ok(None);
    }
    let now = session.plan(desired)?;
    if !same_changes(&now.plan, &shown.plan) {
        bail!("the tables changed while you looked at the plan; nothing was done");
    }
    Ok(Some(now))
}

fn same_changes(plan: &Plan, shown: &Plan) -> bool {
    let change = |step: Cow<'_, Step>| step.into_owned().change;
    let changes = plan.steps.iter().map(change);
    changes.eq(shown.steps.iter().map(change))
}

/// Applies the plan under a guard that rolls it back. The guard runs, and its data is on disk,
/// before the first change, so the rollback happens however this process ends.
fn carry_out_guarded(
    args: &Args,
    session: &mut Session,
    desired: &Desired,
    prepared: Prepared,
    time: Duration,
) -> anyhow::Result<Applied> {
    let before = prepared.before.clone();
    let pending = |session: &Session, undo: &[Change]| {
        let until = session.kernel.now().after(time);
        Pending::new(&session.incarnation, until, undo, &before).write(&session.store)
    };
    pending(session, &prepared.plan.undo())?;
    let applied =
        confirm::start_guard(args).and_then(|()| carry_out(args, session, desired, prepared));
    // The rollback on disk is that of the plan, which usually equals what was done.
    let written = match &applied {
        Ok(applied) => pending(session, &applied.undo()),
        Err(_) => Pending::confirm(&session.store),
    };
    if let Err(error) = written {
        say!(
            "director: the rollback on disk is not up to date ({}); without `director confirm` \
             director rolls back the planned changes",
            chain(&error)
        );
    }
    applied
}

fn carry_out(
    args: &Args,
    session: &mut Session,
    desired: &Desired,
    prepared: Prepared,
) -> anyhow::Result<Applied> {
    let bar = Bar::new(prepared.plan.steps.len(), colour_on_stderr(args));
    let result = session.converge(desired, prepared, &mut |progress| bar.show(progress));
    // Clear the bar before other output.
    drop(bar);
    result.map_err(explain)
}

/// Lists all failures if there is more than one.
pub(super) fn explain(error: ApplyError) -> anyhow::Error {
    if let ApplyError::Failed { failed, unrestored } = &error {
        for failed in failed.iter().skip(1) {
            say!("director: also: {failed}");
        }
        for unrestored in unrestored {
            say!("director: {unrestored}");
        }
    }
    error.into()
}

fn tell(applied: &Applied) {
    if applied.steps > 0 {
        say!("Applied: {}.", count(applied.steps, "change", "changes"));
    }
    if !applied.plan.draining.is_empty() {
        let draining = applied.plan.draining.iter();
        let draining = draining.map(|draining| draining.servers).sum::<usize>();
        let draining = count(draining, "server", "servers");
        say!("Draining: {draining}; the next `director apply` removes drained servers.");
    }
}

/// Polls until nothing drains. Each drain has a deadline, so this ends.
fn wait_for_drains(
    session: &mut Session,
    desired: &Desired,
    mut applied: Applied,
    _lock: &Lock,
    report: &mut Report,
) -> anyhow::Result<Applied> {
    let longest = applied
        .plan
        .draining
        .iter()
        .map(|draining| draining.until)
        .max();
    let left = longest
        .map(|until| session.kernel.now().until(until))
        .unwrap_or_default();
    // After the last deadline the plan deletes the server, whatever connections it has.
    let end = Instant::now() + left + Duration::from_secs(10);
    while !applied.plan.draining.is_empty() {
        if Instant::now() > end {
            bail!("servers are still draining past their deadline; see `director plan`");
        }
        thread::sleep(DRAIN_PAUSE);
        let prepared = session.plan(desired)?;
        applied = session
            .converge(desired, prepared, &mut |_| {})
            .map_err(explain)?;
        report.applied += applied.steps;
    }
    say!("Drained.");
    Ok(applied)
}

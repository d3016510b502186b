//! `director confirm`, and the guard that rolls back unconfirmed changes.
//!
//! The guard is a process in a session of its own, so that it survives the operator's terminal: it
//! exists for operators who cut themselves off.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use super::args::Args;
use super::exit::Exit;
use super::output::{print, say};
use super::session::Session;
use super::syslog;
use crate::apply::{Pending, Platform, Remains, Undone};
use crate::words::chain;

/// How often the guard checks for a confirmation.
const PAUSE: Duration = Duration::from_millis(200);
/// The guard's message once it is detached.
const READY: &str = "ready\n";
/// How long a confirmation waits for the lock.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the guard waits for the lock: the duration of the largest apply.
const GUARDS_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    if Pending::read(&session.store, &session.incarnation)?.is_none() {
        session.tell_warnings();
        bail!("nothing to confirm: no `apply --confirm-within` is waiting, or its time is over");
    }
    Pending::confirm(&session.store).context("not confirmed; it will be rolled back")?;
    say!("Confirmed.");
    Ok(Exit::Done)
}

/// Refuses to run while an apply awaits confirmation: a second one could not be rolled back with
/// it. If the time is over and the guard has not acted, because it was killed, this does the
/// guard's work.
///
/// The caller holds the lock.
pub(crate) fn refuse_while_unconfirmed(session: &mut Session) -> anyhow::Result<()> {
    let Some(pending) = Pending::read(&session.store, &session.incarnation)? else {
        return Ok(());
    };
    let left = session.kernel.now().until(pending.until());
    if left.is_zero() {
        say!("director: the last apply was not confirmed in time; rolling it back");
        return undo(session, pending);
    }
    bail!(
        "the last apply is waiting for `director confirm` ({}s left); confirm it, or wait until it \
         is rolled back",
        left.as_secs()
    );
}

/// Rolls back. Reports failures, logs them, and stores them for the next run to report.
fn undo(session: &mut Session, pending: Pending) -> anyhow::Result<()> {
    let Undone { unrestored, unkept } = pending.undo(&mut session.kernel, &session.store);
    let mut failures: Vec<_> = unrestored.iter().map(ToString::to_string).collect();
    failures.extend(unkept.map(|error| {
        let why = chain(&error);
        format!("rolled back, but the rollback is not on disk: {why}")
    }));
    if failures.is_empty() {
        return Ok(());
    }
    for failure in &failures {
        say!("director: {failure}");
        syslog::error(failure);
    }
    let now = session.kernel.now();
    Remains::new(&session.incarnation, now, failures)
        .write(&session.store)
        .context("an apply was rolled back, but the rollback is not on disk")
}

/// Starts the guard for the namespace and state directory of this run, and waits until it is
/// detached from the terminal.
pub(crate) fn start_guard(args: &Args) -> anyhow::Result<()> {
    // Works even if a newer version has replaced the file.
    let mut guard = Command::new("/proc/self/exe");
    guard
        .arg0("director")
        .arg("--state-dir")
        .arg(std::path::absolute(&args.state_dir)?);
    // The child inherits the namespace.
    guard
        .arg("guard")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let trouble = "cannot start the guard that would roll it back; nothing was done";
    let mut guard = guard.spawn().context(trouble)?;
    let mut ready = [0; READY.len()];
    match guard.stdout.take() {
        Some(mut pipe) => pipe.read_exact(&mut ready).context(trouble),
        None => bail!(trouble),
    }
}

/// Waits, then rolls back. The guard's stderr is invisible, so failures go to the system log.
pub(crate) fn guard(args: &Args) -> anyhow::Result<Exit> {
    let done = watch(args);
    if let Err(error) = &done {
        syslog::error(&format!(
            "cannot roll back an unconfirmed apply: {error:#}; the next `director apply` tries \
             again"
        ));
    }
    done
}

fn watch(args: &Args) -> anyhow::Result<Exit> {
    // Detach from the terminal. This fails only for the leader of a process group.
    let _ = nix::unistd::setsid();
    let mut session = Session::open(args)?;
    print(READY)?;
    loop {
        let Some(pending) = Pending::read(&session.store, &session.incarnation)? else {
            return Ok(Exit::Done);
        };
        let left = session.kernel.now().until(pending.until());
        if !left.is_zero() {
            thread::sleep(left.min(PAUSE));
            continue;
        }
        let _lock = session.lock(GUARDS_PATIENCE)?;
        // The operator may have confirmed at the last moment, or `apply` may have just finished, so
        // that its time starts now.
        if let Some(pending) = Pending::read(&session.store, &session.incarnation)?
            && session.kernel.now().until(pending.until()).is_zero()
        {
            undo(&mut session, pending)?;
        }
    }
}

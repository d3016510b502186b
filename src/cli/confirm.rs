//! `director confirm`, and the guard that undoes what nobody confirmed.
//!
//! The guard is a process of its own in a session of its own, so that it lives on when the
//! terminal of whoever applied is gone: that he cut himself off is what it is for.

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

/// How often the guard looks whether it was confirmed.
const PAUSE: Duration = Duration::from_millis(200);
/// What the guard says when it is on its own.
const READY: &str = "ready\n";
/// How long a confirmation waits for whoever is at work.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the guard does: as long as the largest application may take.
const GUARDS_PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    if Pending::read(&session.store, &session.incarnation)?.is_none() {
        session.tell_warnings();
        bail!(
            "there is nothing to confirm: no `apply --confirm-within` waits, or its time is over"
        );
    }
    Pending::confirm(&session.store).context("not confirmed, and so it will be undone")?;
    say!("Confirmed.");
    Ok(Exit::Done)
}

/// Refuses while an application waits: one on top of it could not be undone with it. Where the
/// time is over and the guard has not come, as it was killed, its work is done here.
///
/// Whoever calls this holds the lock.
pub(crate) fn refuse_while_unconfirmed(session: &mut Session) -> anyhow::Result<()> {
    let Some(pending) = Pending::read(&session.store, &session.incarnation)? else {
        return Ok(());
    };
    let left = session.kernel.now().until(pending.until());
    if left.is_zero() {
        say!("director: the last apply was not confirmed in time: it is undone");
        return undo(session, pending);
    }
    bail!(
        "the last apply waits for `director confirm` ({}s left); confirm it, or wait until it is \
         undone",
        left.as_secs()
    );
}

/// Undoes it. What fails is said, logged, and kept for the next run to say.
fn undo(session: &mut Session, pending: Pending) -> anyhow::Result<()> {
    let Undone { unrestored, unkept } = pending.undo(&mut session.kernel, &session.store);
    let mut failures: Vec<_> = unrestored.iter().map(ToString::to_string).collect();
    failures.extend(unkept.map(|error| {
        let why = chain(&error);
        format!("it was undone, but that is not on disk: {why}")
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
        .context("an apply was undone, which is not on disk")
}

/// Starts the guard for the namespace and state directory of this run, and waits until it is out
/// of the terminal's reach.
pub(crate) fn start_guard(args: &Args) -> anyhow::Result<()> {
    // Also when the file was replaced by a newer version since.
    let mut guard = Command::new("/proc/self/exe");
    guard
        .arg0("director")
        .arg("--state-dir")
        .arg(std::path::absolute(&args.state_dir)?);
    // Already in the namespace: the child inherits it.
    guard
        .arg("guard")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let trouble = "cannot start the guard that would undo it; nothing was done";
    let mut guard = guard.spawn().context(trouble)?;
    let mut ready = [0; READY.len()];
    match guard.stdout.take() {
        Some(mut pipe) => pipe.read_exact(&mut ready).context(trouble),
        None => bail!(trouble),
    }
}

/// Waits, and undoes. Nobody sees its stderr: what it cannot do goes to the system's log.
pub(crate) fn guard(args: &Args) -> anyhow::Result<Exit> {
    let done = watch(args);
    if let Err(error) = &done {
        syslog::error(&format!(
            "an unconfirmed apply could not be undone: {error:#}; the next `director apply` \
             tries again"
        ));
    }
    done
}

fn watch(args: &Args) -> anyhow::Result<Exit> {
    // Out of the terminal's reach. It fails only for a process that leads a group already.
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
        // Confirmed at the last moment? Or was it at work until now, so that its time begins?
        if let Some(pending) = Pending::read(&session.store, &session.incarnation)?
            && session.kernel.now().until(pending.until()).is_zero()
        {
            undo(&mut session, pending)?;
        }
    }
}

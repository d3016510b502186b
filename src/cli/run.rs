//! `director run`.

use std::time::Duration;

use anyhow::Context;

use super::args::{Args, OnStop, Run};
use super::confirm::refuse_while_unconfirmed;
use super::exit::Exit;
use super::session::Session;
use crate::daemon::run::{self, Options};

/// How long another director is waited for: one that is just being stopped, say.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args, verb: &Run) -> anyhow::Result<Exit> {
    let mut session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    refuse_while_unconfirmed(&mut session)?;
    let Session {
        store, incarnation, ..
    } = session;
    // Whoever reads the log should not have to know where it was started.
    let file = std::path::absolute(&verb.file).context("cannot find the current directory")?;
    run::run(&Options {
        file,
        force: verb.force,
        on_stop: match verb.on_stop {
            OnStop::Keep => run::OnStop::Keep,
            OnStop::Drain => run::OnStop::Drain,
            OnStop::Flush => run::OnStop::Flush,
        },
        store,
        incarnation,
        socket: args.socket()?,
    })?;
    Ok(Exit::Done)
}

//! `director run`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::args::{Args, OnStop, Run, TextOrJson, view_of};
use super::confirm::refuse_while_unconfirmed;
use super::exit::Exit;
use super::output::colour_on_stderr;
use super::preview::Preview;
use super::session::Session;
use crate::daemon::log::{self, LogForm, LogGuard, LogOptions};
use crate::daemon::run::{self, Options};
use crate::http;
use crate::words::path as shown;

/// How long to wait for another director, such as one that is stopping.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &Args, verb: &Run) -> anyhow::Result<Exit> {
    // Held to the end: dropping it writes the remaining lines.
    let _log = start_log(args, verb)?;
    let mut session = Session::open(args)?;
    let _lock = session.lock(PATIENCE)?;
    refuse_while_unconfirmed(&mut session)?;
    let Session {
        store, incarnation, ..
    } = session;
    // Log an absolute path, so that readers need not know the working directory.
    let file = std::path::absolute(&verb.file).context("cannot find the current directory")?;
    let planner = Arc::new(Preview {
        file: file.clone(),
        machine: verb.machine.clone(),
        state_dir: args.state_dir.clone(),
        incarnation: incarnation.clone(),
    });
    let place = http::Options {
        path: args.socket()?,
        group: verb.socket_group.clone(),
        // If a director in another namespace has the socket named after this one, it started before
        // the name was given to this namespace.
        of: (args.netns.is_some() && args.socket.is_none()).then_some(incarnation.namespace),
        planner: planner.clone(),
    };
    let view = http::Options {
        path: match &verb.view_socket {
            Some(path) => path.clone(),
            None => view_of(&place.path),
        },
        group: verb.view_group.clone(),
        of: place.of.filter(|_| verb.view_socket.is_none()),
        planner,
    };
    let options = Options {
        file,
        machine: verb.machine.clone(),
        force: verb.force,
        on_stop: match verb.on_stop {
            OnStop::Keep => run::OnStop::Keep,
            OnStop::Drain => run::OnStop::Drain,
            OnStop::Flush => run::OnStop::Flush,
        },
        store,
        incarnation,
        netns: args.netns.clone(),
    };
    run::run(&options, |director| {
        let control = http::serve(&place, Arc::clone(&director)).with_context(|| {
            format!("cannot create the control socket `{}`", shown(&place.path))
        })?;
        let view = http::serve_view(&view, director)
            .with_context(|| format!("cannot create the view socket `{}`", shown(&view.path)))?;
        Ok((control, view))
    })?;
    Ok(Exit::Done)
}

fn start_log(args: &Args, verb: &Run) -> anyhow::Result<LogGuard> {
    let options = LogOptions {
        filter: verb.log_level.clone(),
        form: match verb.log_format {
            TextOrJson::Text => LogForm::Text,
            TextOrJson::Json => LogForm::Json,
        },
    };
    log::start(&options, colour_on_stderr(args))
}

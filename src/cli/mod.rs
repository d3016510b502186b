//! The program `director`: one file per verb.
//!
//! ```text
//!   args.rs (what was typed) ─► one verb ─► exit.rs
//!               │                  │
//!               └─ session.rs: state directory, lock, kernel, in the chosen namespace
//! ```
//!
//! Data goes to stdout, everything else to stderr. Colours are used on a terminal only, and not
//! with `NO_COLOR`.

mod adopt;
mod announce;
mod apply;
mod args;
mod beside;
mod check;
mod clock;
mod command;
mod complete;
mod completions;
mod confirm;
mod connections;
mod discover;
mod earlier;
mod events;
mod exit;
mod export;
mod failover;
mod flush;
mod hand;
mod history;
mod ipvsadm;
mod joining;
mod load;
mod machine;
mod man;
mod memory;
mod metrics;
mod next;
mod output;
mod past;
mod pipe;
mod plan;
mod planfile;
mod preview;
mod progress;
mod report;
mod run;
mod schema;
mod session;
mod status;
mod syslog;
mod top;
mod waiting;
mod web;
mod why;

use std::process::ExitCode;

use clap::error::ErrorKind;

pub use args::Args;
use args::Verb;
use exit::Exit;

use crate::http::ClientError;

/// Runs the program and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let args = match command::parse(std::env::args_os()) {
        Ok(args) => args,
        // clap's exit code for a mistake is 2, which means "changes" for `plan`.
        Err(error) => {
            let asked = !error.use_stderr();
            let text = error.render();
            if asked {
                let _ = output::print(&text.to_string());
            } else {
                output::note(format_args!("{text}"));
            }
            if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                next::say_first();
            }
            return if asked { Exit::Done } else { Exit::Failed }.into();
        }
    };
    match run(&args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::say!("director: {error:#}");
            next::say_next(&args, &error);
            match error.downcast_ref() {
                Some(ClientError::NotRunning { .. } | ClientError::Elsewhere(_)) => {
                    Exit::NotRunning.into()
                }
                _ => Exit::Failed.into(),
            }
        }
    }
}

fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Verb::Check(_) | Verb::Plan(_) | Verb::Apply(_) | Verb::Export(_) = args.verb {
        memory::keep();
    }
    match &args.verb {
        Verb::Run(verb) => run::run(args, verb),
        Verb::Check(verb) => check::run(args, verb),
        Verb::Plan(verb) => plan::run(args, verb),
        Verb::Apply(verb) => apply::run(args, verb),
        Verb::Confirm => confirm::run(args),
        Verb::Guard => confirm::guard(args),
        Verb::Export(verb) => export::run(args, verb),
        Verb::Flush(verb) => flush::run(args, verb),
        Verb::Adopt(verb) => adopt::adopt(args, verb),
        Verb::Disown(verb) => adopt::disown(args, verb),
        Verb::Status(verb) => status::run(args, verb),
        Verb::Top(verb) => top::run(args, verb),
        Verb::Web(verb) => web::run(args, verb),
        Verb::Events(verb) => events::run(args, verb),
        Verb::History(verb) => history::history(args, verb),
        Verb::Diff(verb) => history::diff(args, verb),
        Verb::Connections(verb) => connections::run(args, verb),
        Verb::Why(verb) => why::run(args, verb),
        Verb::Discover(verb) => discover::run(args, verb),
        Verb::Metrics(verb) => metrics::run(args, verb),
        Verb::Drain(verb) => hand::drain(args, verb),
        Verb::Undrain(verb) => hand::undrain(args, verb),
        Verb::Weight(verb) => hand::weight(args, verb),
        Verb::Disable(verb) => hand::disable(args, verb),
        Verb::Enable(verb) => hand::enable(args, verb),
        Verb::Failover(verb) => failover::run(args, verb),
        Verb::Announce(verb) => announce::run(args, verb),
        Verb::Reload(verb) => hand::reload(args, verb),
        Verb::Schema(verb) => schema::run(verb),
        Verb::Completions(verb) => completions::run(verb),
        Verb::Man(verb) => man::run(verb),
        Verb::Complete(verb) => Ok(complete::run(verb)),
    }
}

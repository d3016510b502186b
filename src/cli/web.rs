//! `director web`.

use super::args::{Args, Web, view_of};
use super::exit::Exit;
use super::output::{colour_on_stderr, say};
use crate::daemon::log::{self, LogForm, LogOptions};
use crate::http::Asker;
use crate::web::{self, Options};

pub(crate) fn run(args: &Args, verb: &Web) -> anyhow::Result<Exit> {
    let log = LogOptions {
        filter: "info".to_owned(),
        form: LogForm::Text,
    };
    // Held to the end: dropping it writes the remaining lines.
    let _log = log::start(&log, colour_on_stderr(args))?;
    let view = match &verb.view_socket {
        Some(path) => path.clone(),
        None => view_of(&args.socket()?),
    };
    let options = Options {
        listen: verb.listen,
        hosts: verb.host.clone(),
        tls: verb.tls_cert.clone().zip(verb.tls_key.clone()),
        token: verb.token_file.clone(),
    };
    // The socket decides which director it is: this process may be in another namespace.
    web::run(&options, Asker::of(&view, None), |address| {
        say!("director: the page is at {address}");
    })?;
    Ok(Exit::Done)
}

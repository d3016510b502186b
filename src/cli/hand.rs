//! `director drain`, `undrain`, `weight`, `disable`, `enable`, `reload`: requests to the running
//! director.

use std::time::Duration;

use serde::Serialize;

use super::args::{Args, Disable, Drain, Enable, Reload, Undrain, Weight, Weighting};
use super::clock::localised;
use super::exit::Exit;
use super::output::{print, say};
use super::waiting::{self, Connections, Named};
use crate::http::Client;
use crate::http::api::{HostBody, ReloadBody, ServerBody, WeightBody};
use crate::words::printable;

pub(crate) fn drain(args: &Args, verb: &Drain) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let body = ServerBody {
        service: verb.of.service.clone(),
        server: verb.of.server.clone(),
        force: verb.force,
        reason: verb.why.reason.clone(),
        for_seconds: verb.why.seconds(),
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/drain", &body)?;
    then(asked, verb.until.time(), |patience| {
        let named = Named::of(&verb.of);
        let kinds = Connections::of(verb.until.active);
        waiting::for_connections(&client, &named, "drain", kinds, patience)
    })
}

pub(crate) fn undrain(args: &Args, verb: &Undrain) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let body = ServerBody {
        service: verb.of.service.clone(),
        server: verb.of.server.clone(),
        force: false,
        reason: None,
        for_seconds: None,
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/undrain", &body)?;
    then(asked, verb.until.time(), |patience| {
        waiting::for_checks(&client, &Named::of(&verb.of), patience)
    })
}

pub(crate) fn weight(args: &Args, verb: &Weight) -> anyhow::Result<Exit> {
    let body = WeightBody {
        service: verb.service.clone(),
        server: verb.server.clone(),
        weight: match verb.weight {
            Weighting::Declared => None,
            Weighting::Set(weight) => Some(weight.get()),
        },
        force: verb.force,
        reason: verb.why.reason.clone(),
        for_seconds: verb.why.seconds(),
        on_behalf_of: on_behalf_of(),
    };
    ask(&args.client()?, "/v1/weight", &body)
}

pub(crate) fn disable(args: &Args, verb: &Disable) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let body = HostBody {
        server: verb.server.clone(),
        force: verb.force,
        reason: verb.why.reason.clone(),
        for_seconds: verb.why.seconds(),
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/disable", &body)?;
    then(asked, verb.until.time(), |patience| {
        let named = Named::machine(&verb.server);
        let kinds = Connections::of(verb.until.active);
        waiting::for_connections(&client, &named, "maintenance", kinds, patience)
    })
}

pub(crate) fn enable(args: &Args, verb: &Enable) -> anyhow::Result<Exit> {
    let client = args.client()?;
    let body = HostBody {
        server: verb.server.clone(),
        force: false,
        reason: None,
        for_seconds: None,
        on_behalf_of: on_behalf_of(),
    };
    let asked = ask(&client, "/v1/enable", &body)?;
    then(asked, verb.until.time(), |patience| {
        waiting::for_checks(&client, &Named::machine(&verb.server), patience)
    })
}

pub(crate) fn reload(args: &Args, verb: &Reload) -> anyhow::Result<Exit> {
    let body = ReloadBody { force: verb.force };
    ask(&args.client()?, "/v1/reload", &body)
}

/// Waits, if asked to. A setting that is not on disk matters more than a wait that succeeded: a
/// crash loses it.
fn then(
    asked: Exit,
    patience: Option<Duration>,
    wait: impl FnOnce(Duration) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let Some(patience) = patience else {
        return Ok(asked);
    };
    let waited = wait(patience)?;
    Ok(if waited == Exit::Done { asked } else { waited })
}

pub(super) fn ask(client: &Client, path: &str, body: &impl Serialize) -> anyhow::Result<Exit> {
    let answer = client.post(path, body)?;
    for done in answer.done {
        print(&format!("{}\n", localised(&done)))?;
    }
    if let Some(why) = answer.not_kept {
        say!(
            "director: in force, but not on disk: {}; it is lost if the director stops before it \
             is written; director keeps retrying",
            printable(&why)
        );
        return Ok(Exit::NotKept);
    }
    Ok(Exit::Done)
}

/// The user who became root for this. The director verifies that the request comes from root, and
/// keeps the two apart.
pub(super) fn on_behalf_of() -> Option<String> {
    let user = std::env::var("SUDO_USER").ok()?;
    let named = !user.is_empty() && user.len() <= 64 && !user.chars().any(char::is_control);
    (nix::unistd::geteuid().is_root() && named).then_some(user)
}

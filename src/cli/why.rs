//! `director why`: from the kernel's tables if this user may read them, otherwise through the running
//! director.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use ipvs::{Client, Connections, Errno, ServerEntry, ServerKey, Service, ServiceKey};
use serde::Deserialize;
use serde_json::Value;

use super::args::{Args, Explain, TextOrJson};
use super::connections::names;
use super::exit::Exit;
use super::output::{print_either, say};
use crate::connections::{Names, Question, explain, quiescent};
use crate::control::snapshot::ServerState;
use crate::http::{ClientError, query};
use crate::net;
use crate::words::{chain, count, printable};

pub(crate) fn run(args: &Args, verb: &Explain) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let (names, why) = names(args);
    let answer = match from_kernel(verb, &names, why) {
        Err(error) if is_denied(&error) => from_director(args, verb, error)?,
        answer => answer?,
    };
    let found = Vec::<Found>::deserialize(&answer)?;
    let text = match verb.form.get() {
        TextOrJson::Text => found.iter().map(|one| for_people(one, &names)).collect(),
        TextOrJson::Json => format!("{answer:#}\n"),
    };
    for server in found.iter().flat_map(|one| &one.weight_assumed) {
        say!(
            "director: the kernel does not show the weight that {server} had before 0; assuming 1"
        );
    }
    print_either(verb.form.get(), text)?;
    Ok(Exit::Done)
}

/// The answer, an object for each listen address.
fn from_kernel(verb: &Explain, names: &Names, why: Option<String>) -> anyhow::Result<Value> {
    let mut kernel = Client::connect()?;
    let mut services: Vec<(Service, Vec<ServerEntry>)> = Vec::new();
    for key in keys(verb, names, why)? {
        let Some(entry) = kernel.service(&key)? else {
            bail!("the kernel has no service {key}");
        };
        services.push((entry.service, kernel.consistent_servers(&key)?));
    }
    let question = Question {
        client: verb.client,
        to: verb.to,
        quiescent: quiescent().unwrap_or_else(|error| {
            say!(
                "director: cannot read expire_quiescent_template: {}",
                chain(&error)
            );
            false
        }),
    };
    let tables = services
        .iter()
        .map(|(service, servers)| (service, &servers[..]));
    let explained = explain(question, tables, Connections::open()?, names)?;
    Ok(explained.iter().map(|one| one.object(names)).collect())
}

/// Whether this user may not read the kernel's tables.
fn is_denied(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<ipvs::Error>();
    error.is_some_and(|error| match error {
        ipvs::Error::Connections { source, .. } => {
            source.kind() == std::io::ErrorKind::PermissionDenied
        }
        error => error.errno() == Some(Errno::EPERM),
    })
}

/// The same as the running director answers it; `denied`: what the kernel said.
fn from_director(args: &Args, verb: &Explain, denied: anyhow::Error) -> anyhow::Result<Value> {
    let client = match (verb.client.ip(), verb.client.port()) {
        (address, Some(port)) => SocketAddr::new(address, port).to_string(),
        (address, None) => address.to_string(),
    };
    let to = verb.to.map(|to| to.to_string());
    let mut asked = vec![("service", verb.service.as_str()), ("client", &client)];
    asked.extend(to.as_deref().map(|to| ("to", to)));
    match args.viewer()?.get(&format!("/v1/why{}", query(&asked))) {
        Err(ClientError::NotRunning { .. }) => Err(denied),
        answer => Ok(answer?),
    }
}

/// An answer as `Explained::object` writes it.
#[derive(Debug, Deserialize)]
struct Found {
    listen: ServiceKey,
    service: Option<String>,
    client: IpAddr,
    client_port: Option<u16>,
    scheduler: String,
    chosen: Option<Named>,
    because: String,
    text: String,
    open: Vec<Open>,
    open_left_out: u64,
    others: Vec<Other>,
    weight_assumed: Vec<ServerKey>,
}

#[derive(Debug, Deserialize)]
struct Named {
    server: ServerKey,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Open {
    client: SocketAddr,
    server: ServerKey,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Other {
    #[serde(flatten)]
    named: Named,
    state: Option<ServerState>,
    reason: Option<String>,
    not: String,
}

/// The listen addresses that the verb's word means, of the client's family.
fn keys(verb: &Explain, names: &Names, why: Option<String>) -> anyhow::Result<Vec<ServiceKey>> {
    let mut keys: Vec<ServiceKey> = names.services(&verb.service).collect();
    if keys.is_empty() {
        match (verb.service.parse::<ServiceKey>(), why) {
            (Ok(key), _) => keys.push(key),
            (Err(_), Some(why)) => bail!(
                "`{}` is no listen address, and there are no names: {why}",
                verb.service
            ),
            (Err(_), None) => bail!(
                "no service `{}`; `director status` lists them",
                verb.service
            ),
        }
    }
    let client = verb.client.ip();
    keys.retain(|key| ipvs::Family::of(client) == key.family());
    if keys.is_empty() {
        bail!(
            "`{}` has no listen address of the family of {client}",
            verb.service
        );
    }
    Ok(keys)
}

/// The answer in words.
fn for_people(found: &Found, names: &Names) -> String {
    let mut text = String::new();
    let of_client = |server: ServerKey| {
        let name = names.of(&found.listen, server).and_then(|(name, ..)| name);
        named(name, server)
    };
    let client = match found.client_port {
        None => found.client.to_string(),
        Some(port) => SocketAddr::new(found.client, port).to_string(),
    };
    let to = match &found.chosen {
        Some(chosen) => chosen.shown(),
        None => "no server that can be named".to_owned(),
    };
    let service = match &found.service {
        Some(name) => format!("{} {}", printable(name), found.listen),
        None => found.listen.to_string(),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{client} -> {service} -> {to}");
    let by = match &*found.because {
        "connection" | "template" => String::new(),
        _ => format!("scheduler {}: ", printable(&found.scheduler)),
    };
    let _ = writeln!(text, "  because: {by}{}", printable(&found.text));
    for open in &found.open {
        let (to, state) = (of_client(open.server), printable(&open.state));
        let _ = writeln!(text, "  open: {} -> {to} {state}", open.client);
    }
    if found.open_left_out > 0 {
        let more = count(found.open_left_out, "connection", "connections");
        let _ = writeln!(text, "  open: {more} more");
    }
    for other in &found.others {
        let state = match (other.state, &other.reason) {
            (Some(state), Some(reason)) => format!("; {}: {}", state.word(), printable(reason)),
            _ => String::new(),
        };
        let (server, not) = (other.named.shown(), printable(&other.not));
        let _ = writeln!(text, "  not {server}: {not}{state}");
    }
    text
}

impl Named {
    fn shown(&self) -> String {
        named(self.name.as_deref(), self.server)
    }
}

fn named(name: Option<&str>, server: ServerKey) -> String {
    match name {
        Some(name) => format!("{} {server}", printable(name)),
        None => server.to_string(),
    }
}

//! `director why`.

use std::fmt::Write;

use anyhow::bail;
use ipvs::{Client, Connections, ServerEntry, ServerKey, Service, ServiceKey};
use serde_json::Value;

use super::args::{Args, Explain, TextOrJson};
use super::connections::names;
use super::exit::Exit;
use super::output::{print_either, say};
use crate::connections::{Explained, Names, Question, Who, explain, quiescent};
use crate::net;
use crate::why::Because;
use crate::words::{chain, count, printable};

pub(crate) fn run(args: &Args, verb: &Explain) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let (names, why) = names(args);
    let mut kernel = Client::connect()?;
    let mut services: Vec<(Service, Vec<ServerEntry>)> = Vec::new();
    for key in keys(verb, &names, why)? {
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
    let explained = explain(question, tables, Connections::open()?, &names)?;
    let text = match verb.form.get() {
        TextOrJson::Text => explained
            .iter()
            .map(|one| for_people(one, &names))
            .collect(),
        TextOrJson::Json => {
            let objects = explained.iter().map(|one| one.object(&names));
            format!("{:#}\n", Value::from_iter(objects))
        }
    };
    for server in explained.iter().flat_map(|one| &one.assumed) {
        say!(
            "director: the kernel does not show the weight that {server} had before 0; assuming 1"
        );
    }
    print_either(verb.form.get(), text)?;
    Ok(Exit::Done)
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
fn for_people(found: &Explained, names: &Names) -> String {
    let mut text = String::new();
    let named = |server: ServerKey| match names.of(&found.key, server) {
        Some((Some(name), ..)) => format!("{} {server}", printable(name)),
        _ => server.to_string(),
    };
    let client = match found.client {
        Who::Address(address) => address.to_string(),
        Who::Connection(address) => address.to_string(),
    };
    let to = match found.answer.because.server() {
        Some(server) => named(server),
        None => "no server that can be named".to_owned(),
    };
    let service = match names.services_name(&found.key) {
        Some(name) => format!("{} {}", printable(name), found.key),
        None => found.key.to_string(),
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{client} -> {service} -> {to}");
    let by = match &found.answer.because {
        Because::Scheduler(_) => format!("scheduler {}: ", found.scheduler),
        _ => String::new(),
    };
    let _ = writeln!(text, "  because: {by}{}", found.answer.because);
    for (from, server, state) in &found.answer.entries {
        let _ = writeln!(text, "  open: {from} -> {} {state}", named(*server));
    }
    if found.left_out > 0 {
        let more = count(found.left_out, "connection", "connections");
        let _ = writeln!(text, "  open: {more} more");
    }
    for (server, not) in &found.others {
        let state = match names.of(&found.key, *server) {
            Some((_, state, reason)) => {
                format!("; {}: {}", state.word(), printable(reason))
            }
            None => String::new(),
        };
        let _ = writeln!(text, "  not {}: {not}{state}", named(*server));
    }
    text
}

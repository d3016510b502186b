//! `director discover`: asks the source of a pool once, and prints what it lists.

use std::fmt::Write as _;

use anyhow::bail;
use serde_json::{Value, json};

use super::args::{Args, Discover, TextOrJson};
use super::exit::Exit;
use super::load::{print, read_on};
use super::output::print_either;
use crate::discovery::{Answer, Listed, asker, shown};
use crate::net;
use crate::words::{count, printable};

pub(crate) fn run(args: &Args, verb: &Discover) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let outcome = read_on(None, &verb.file, false)?;
    print(args, "", &outcome);
    let Some(watch) = outcome.watch else {
        return Ok(Exit::Failed);
    };
    let mut pools = watch.run.discoveries.iter();
    let Some(pool) = pools.find(|pool| *pool.pool == *verb.pool) else {
        let names = watch.run.discoveries.iter();
        let names: Vec<_> = names.map(|pool| format!("`{}`", pool.pool)).collect();
        let there = match names.as_slice() {
            [] => "the file has none".to_owned(),
            names => format!("those are {}", names.join(", ")),
        };
        let pool = printable(&verb.pool);
        bail!("`{pool}` is no pool that finds its servers; {there}");
    };
    let servers = match asker(&pool.source).ask().answer {
        Answer::Servers(servers) => servers,
        Answer::Failed(why) => bail!("{why}"),
    };
    let text = match verb.form.get() {
        TextOrJson::Json => format!("{:#}\n", Value::from_iter(servers.iter().map(object))),
        TextOrJson::Text => {
            let mut text = String::new();
            for (place, listed) in &servers {
                let _ = writeln!(text, "{}{}", shown(*place), about(listed));
            }
            let _ = writeln!(text, "{}", count(servers.len(), "server", "servers"));
            text
        }
    };
    print_either(verb.form.get(), text)?;
    Ok(Exit::Done)
}

fn about(listed: &Listed) -> String {
    let weight = listed.weight.map(|weight| format!(" weight {weight}"));
    let name = listed.name.as_deref();
    let name = name.map(|name| format!(" name {}", printable(name)));
    let backup = listed.is_backup.then(|| " backup".to_owned());
    [weight, name, backup].into_iter().flatten().collect()
}

fn object(((address, port), listed): &((std::net::IpAddr, Option<u16>), Listed)) -> Value {
    json!({
        "address": address.to_string(),
        "port": port,
        "weight": listed.weight,
        "name": listed.name,
        "backup": listed.is_backup,
    })
}

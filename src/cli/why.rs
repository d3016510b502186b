//! `director why`.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use anyhow::bail;
use ipvs::{Client, Connection, Connections, ServerEntry, ServerKey, Service, ServiceKey};
use serde_json::{Value, json};

use super::args::{Args, Explain, TextOrJson};
use super::connections::Names;
use super::exit::Exit;
use super::output::{print_either, say};
use crate::net;
use crate::why::{Answer, Because, Choice, Not, Situation};
use crate::words::{chain, printable};

pub(crate) fn run(args: &Args, verb: &Explain) -> anyhow::Result<Exit> {
    if let Some(name) = &args.netns {
        net::enter(name)?;
    }
    let (names, why) = Names::ask(args);
    let mut kernel = Client::connect()?;
    let mut keys: Vec<ServiceKey> = names.services(&verb.service).map(|it| it.listen).collect();
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
    let mut text = String::new();
    let mut objects = Vec::new();
    for key in keys {
        let found = Found::read(&mut kernel, key, verb, &names)?;
        match verb.form.get() {
            TextOrJson::Text => found.for_people(&mut text, &names),
            TextOrJson::Json => objects.push(found.object(&names)),
        }
    }
    if verb.form.get() == TextOrJson::Json {
        text = format!("{:#}\n", Value::from(objects));
    }
    print_either(verb.form.get(), text)?;
    Ok(Exit::Done)
}

/// A client of `why`: with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Address(IpAddr),
    Connection(SocketAddr),
}

impl Who {
    fn ip(self) -> IpAddr {
        match self {
            Self::Address(address) => address,
            Self::Connection(address) => address.ip(),
        }
    }

    fn port(self) -> Option<u16> {
        match self {
            Self::Address(_) => None,
            Self::Connection(address) => Some(address.port()),
        }
    }
}

impl std::str::FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map(Self::Address).ok();
        let connection = || text.parse().map(Self::Connection).ok();
        address.or_else(connection).ok_or_else(|| {
            format!(
                "`{text}` is no client; one is 192.0.2.7, 192.0.2.7:50000 or [2001:db8::7]:50000"
            )
        })
    }
}

/// The answer for one listen address, and what it was made of.
struct Found {
    key: ServiceKey,
    client: Who,
    answer: Answer,
    /// The other servers, and why they do not get the client.
    others: Vec<(ServerKey, Not)>,
    scheduler: String,
}

impl Found {
    fn read(
        kernel: &mut Client,
        key: ServiceKey,
        verb: &Explain,
        names: &Names,
    ) -> anyhow::Result<Self> {
        let Some(entry) = kernel.service(&key)? else {
            bail!("the kernel has no service {key}");
        };
        let servers = kernel.consistent_servers(&key)?;
        let client = verb.client.ip();
        let mut entries: Vec<Connection> = Vec::new();
        for connection in Connections::open()? {
            let connection = connection?;
            // Templates have the address under a mask; there are few of them.
            if connection.client.ip() == client || connection.client.port() == 0 {
                entries.push(connection);
            }
        }
        let last_weights = last_weights(&key, &entry.service, &servers, names);
        let quiescent = std::fs::read_to_string("/proc/sys/net/ipv4/vs/expire_quiescent_template");
        let quiescent = match quiescent {
            Ok(value) => value.trim() != "0",
            Err(error) => {
                say!(
                    "director: cannot read expire_quiescent_template: {}",
                    chain(&error)
                );
                false
            }
        };
        let situation = Situation {
            service: &entry.service,
            servers: &servers,
            last_weights: &last_weights,
            client,
            port: verb.client.port(),
            entries: &entries,
            destination: destination(&key, verb.to),
            quiescent,
        };
        let answer = situation.answer();
        let chosen = answer.because.server();
        let others = servers
            .iter()
            .filter(|server| Some(server.server.key) != chosen)
            .map(|server| (server.server.key, situation.why_not(server)))
            .collect();
        Ok(Self {
            key,
            client: verb.client,
            answer,
            others,
            scheduler: entry.service.scheduler.to_string(),
        })
    }

    fn for_people(&self, text: &mut String, names: &Names) {
        let named = |server: ServerKey| match names.of(&self.key, server) {
            Some((Some(name), ..)) => format!("{} {server}", printable(name)),
            _ => server.to_string(),
        };
        let client = match self.client {
            Who::Address(address) => address.to_string(),
            Who::Connection(address) => address.to_string(),
        };
        let to = match self.answer.because.server() {
            Some(server) => named(server),
            None => "no server that can be named".to_owned(),
        };
        let service = match names.services_name(&self.key) {
            Some(name) => format!("{} {}", printable(name), self.key),
            None => self.key.to_string(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{client} -> {service} -> {to}");
        let by = match &self.answer.because {
            Because::Scheduler(_) => format!("scheduler {}: ", self.scheduler),
            _ => String::new(),
        };
        let _ = writeln!(text, "  because: {by}{}", self.answer.because);
        for (from, server, state) in &self.answer.entries {
            let _ = writeln!(text, "  open: {from} -> {} {state}", named(*server));
        }
        for (server, not) in &self.others {
            let state = match names.of(&self.key, *server) {
                Some((_, state, reason)) => {
                    format!("; {}: {}", state.word(), printable(reason))
                }
                None => String::new(),
            };
            let _ = writeln!(text, "  not {}: {not}{state}", named(*server));
        }
    }

    fn object(&self, names: &Names) -> Value {
        let of = |server: ServerKey| {
            let found = names.of(&self.key, server);
            json!({
                "server": server,
                "name": found.and_then(|(name, ..)| name),
                "state": found.map(|(_, state, _)| state),
                "reason": found.map(|(_, _, reason)| reason),
            })
        };
        let among = match &self.answer.because {
            Because::Scheduler(Choice::Open { among, .. }) => Some(among.clone()),
            _ => None,
        };
        let others = self.others.iter().map(|(server, not)| {
            let mut object = of(*server);
            object["not"] = not.to_string().into();
            object
        });
        let entries = self.answer.entries.iter().map(|(client, server, state)| {
            json!({ "client": client.to_string(), "server": server, "state": state })
        });
        json!({
            "listen": self.key,
            "service": names.services_name(&self.key),
            "client": self.client.ip(),
            "client_port": self.client.port(),
            "scheduler": self.scheduler,
            "chosen": self.answer.because.server().map(of),
            "because": self.answer.because.kind(),
            "text": self.answer.because.to_string(),
            "among": among,
            "open": entries.collect::<Vec<_>>(),
            "others": others.collect::<Vec<_>>(),
        })
    }
}

/// The last weight of each server that was not 0: under `mh` a server keeps its places by it
/// (`__ip_vs_update_dest`). The kernel does not show it; the service file has it.
fn last_weights(
    key: &ServiceKey,
    service: &Service,
    servers: &[ServerEntry],
    names: &Names,
) -> Vec<u32> {
    let last = |entry: &ServerEntry| {
        let server = entry.server.key;
        let weight = match entry.server.weight.get() {
            0 => names.declared_weight(key, server),
            weight => Some(weight),
        };
        weight.unwrap_or_else(|| {
            if service.scheduler == "mh" {
                say!(
                    "director: the kernel does not show the weight that {server} had before 0; \
                     assuming 1"
                );
            }
            1
        })
    };
    servers.iter().map(last).collect()
}

/// What the client connects to.
fn destination(key: &ServiceKey, to: Option<SocketAddr>) -> Option<SocketAddr> {
    match *key {
        ServiceKey::Address { address, port, .. } => Some(SocketAddr::new(address, port)),
        ServiceKey::Fwmark { .. } => to,
    }
}

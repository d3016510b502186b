//! Prints changes of the tables each second until interrupted.
//!
//!     cargo run --example watch
//!
//! IPVS sends no notifications, so this program polls. It compares consistent tables: a difference
//! between two of them is a change, not a faulty dump.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use ipvs::{Client, Server, ServerKey, Service, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect()?;
    let mut before = read(&mut client)?;
    loop {
        sleep(Duration::from_secs(1));
        let now = read(&mut client)?;
        report(&before, &now, &mut io::stdout().lock())?;
        before = now;
    }
}

/// All configuration by key, without counters.
#[derive(Default)]
pub(crate) struct Tables {
    services: BTreeMap<String, Service>,
    servers: BTreeMap<String, Server>,
}

pub(crate) fn read(client: &mut Client) -> ipvs::Result<Tables> {
    let mut tables = Tables::default();
    for service in client.table()?.services {
        let key: ServiceKey = service.entry.service.key;
        tables
            .services
            .insert(key.to_string(), service.entry.service);
        for entry in service.servers {
            let server: ServerKey = entry.server.key;
            tables
                .servers
                .insert(format!("{key} -> {server}"), entry.server);
        }
    }
    Ok(tables)
}

pub(crate) fn report(before: &Tables, now: &Tables, out: &mut impl Write) -> io::Result<()> {
    differences(&before.services, &now.services, out)?;
    differences(&before.servers, &now.servers, out)
}

fn differences<T: PartialEq + Debug>(
    before: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    out: &mut impl Write,
) -> io::Result<()> {
    for (name, old) in before {
        match now.get(name) {
            None => writeln!(out, "- {name}")?,
            Some(new) if new != old => writeln!(out, "~ {name}\n    {old:?}\n    {new:?}")?,
            Some(_) => {}
        }
    }
    for name in now.keys().filter(|name| !before.contains_key(*name)) {
        writeln!(out, "+ {name}")?;
    }
    Ok(())
}

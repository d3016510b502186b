//! Sets up a farm behind NAT: a TCP service, and a real server for each further argument.
//!
//!     cargo run --example balance -- 192.0.2.10:80 10.0.0.11:8080 10.0.0.12:8080
//!
//! Everything goes to the kernel in one datagram. The program updates an existing service, so it
//! can run again with another list; it removes servers that are not in the list.

use std::error::Error;
use std::net::SocketAddr;

use ipvs::{Client, ForwardMethod, Operation, Server, ServerKey, Service, ServiceKey};

fn main() -> Result<(), Box<dyn Error>> {
    run(std::env::args().skip(1))
}

pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let usage = "usage: balance ADDRESS:PORT SERVER:PORT...";
    let address: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let key = ServiceKey::tcp(address.ip(), address.port());
    let mut wanted = Vec::new();
    for argument in arguments {
        let server: SocketAddr = argument.parse()?;
        let server = ServerKey::new(server.ip(), server.port());
        wanted.push(Server::new(server, ForwardMethod::Masquerade));
    }

    let mut client = Client::connect()?;
    let there: Vec<ServerKey> = client
        .consistent_servers(&key)?
        .iter()
        .map(|entry| entry.server.key)
        .collect();
    let service = Service::new(key, Service::WLC);
    let mut operations = vec![match client.service(&key)? {
        Some(_) => Operation::UpdateService(service),
        None => Operation::AddService(service),
    }];
    operations.extend(wanted.iter().map(|server| {
        if there.contains(&server.key) {
            Operation::UpdateServer(key, *server)
        } else {
            Operation::AddServer(key, *server)
        }
    }));
    // Delete last, so that there are never fewer servers than before or after.
    let unwanted = |old: &&ServerKey| !wanted.iter().any(|server| server.key == **old);
    let deletions = there.iter().filter(unwanted);
    operations.extend(deletions.map(|old| Operation::DeleteServer(key, *old)));

    let report = client.execute(&operations);
    for failure in report.failures() {
        eprintln!("{}", failure.error);
    }
    println!("{} of {} done", report.applied(), report.total());
    Ok(report.into_result()?)
}

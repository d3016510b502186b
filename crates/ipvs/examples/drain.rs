//! Takes a real server out without cutting connections: weight 0, a wait, then deletion.
//!
//!     cargo run --example drain -- 192.0.2.10:80 10.0.0.11:8080
//!
//! Weight 0 keeps new clients away under most schedulers. Persistent clients, UDP flows and the
//! hash schedulers need more thought: see the documentation of [`Server::weight`].

use std::error::Error;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipvs::{Client, Server, ServerEntry, ServerKey, ServiceKey, Weight};

/// Deletion cuts the connections that are left after this time.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> Result<(), Box<dyn Error>> {
    run(std::env::args().skip(1), Duration::from_secs(1))
}

pub(crate) fn run(
    mut arguments: impl Iterator<Item = String>,
    pause: Duration,
) -> Result<(), Box<dyn Error>> {
    let usage = "usage: drain ADDRESS:PORT SERVER:PORT";
    let service: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let server: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let service = ServiceKey::tcp(service.ip(), service.port());
    let server = ServerKey::new(server.ip(), server.port());

    let mut client = Client::connect()?;
    let entry = find(&mut client, &service, &server)?.ok_or("the service has no such server")?;
    // Read, modify, write back: an update sets everything but the key.
    let drained: Server = entry.server.weight(Weight::ZERO);
    client.update_server(&service, &drained)?;

    let end = Instant::now() + PATIENCE;
    while let Some(entry) = find(&mut client, &service, &server)? {
        println!("{} active, {} inactive", entry.active, entry.inactive);
        if entry.active + entry.inactive == 0 || Instant::now() > end {
            client.delete_server(&service, &server)?;
            println!("{server} is out");
            break;
        }
        sleep(pause);
    }
    Ok(())
}

fn find(
    client: &mut Client,
    service: &ServiceKey,
    server: &ServerKey,
) -> ipvs::Result<Option<ServerEntry>> {
    let entries = client.consistent_servers(service)?;
    Ok(entries
        .into_iter()
        .find(|entry| entry.server.key == *server))
}

//! Lists the virtual services and their real servers, as `ipvsadm -Ln` does.
//!
//!     cargo run --example list
//!
//! It reads with [`Client::table`], so each list is one that the kernel really had.

use std::error::Error;
use std::io::{self, Write};

use ipvs::{Client, ForwardMethod, ServiceFlags};

fn main() -> Result<(), Box<dyn Error>> {
    run(&mut io::stdout().lock())
}

pub(crate) fn run(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut client = Client::connect()?;
    writeln!(out, "IPVS {}", client.info()?.version)?;
    for service in client.table()?.services {
        let configured = service.entry.service;
        write!(out, "{} {}", configured.key, configured.scheduler)?;
        if configured.flags.contains(ServiceFlags::PERSISTENT) {
            write!(out, " persistent {} s", configured.timeout)?;
        }
        writeln!(
            out,
            ", {} connections",
            service.entry.stats.total.connections
        )?;
        // The kernel lists the newest server first; show the oldest first.
        for entry in service.servers.iter().rev() {
            let server = entry.server;
            let method = match server.forward {
                ForwardMethod::Masquerade => "nat",
                ForwardMethod::DirectRoute => "dr",
                ForwardMethod::Tunnel => "tun",
                _ => "local",
            };
            writeln!(
                out,
                "  -> {:<24} {method:<5} weight {:<5} active {:<6} inactive {}",
                // A key ignores width, so pad a string.
                server.key.to_string(),
                server.weight,
                entry.active,
                entry.inactive
            )?;
        }
    }
    Ok(())
}

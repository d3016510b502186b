//! `-L -c`: the connection table, line by line.

use std::io::{self, Write};

use ipvs::{Connection, Connections, Error, Protocol};

use super::endpoint::{Endpoints, put};
use crate::errors::Stop;

/// Writes the connection table of the calling thread's network namespace in the kernel's order.
pub(super) fn list(
    engines: bool,
    endpoints: &mut Endpoints<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let table = Connections::open()
        .map_err(|_| Stop::list_failed("cannot open file /proc/net/ip_vs_conn"))?;
    let write = |error| Stop::write(&error);
    title(engines, out).map_err(write)?;
    let mut text = Vec::with_capacity(160);
    for connection in table {
        match connection {
            Ok(connection) => {
                text.clear();
                row(&connection, engines, endpoints, &mut text);
                out.write_all(&text).map_err(write)?;
            }
            // Skip a line that cannot be parsed, and show the others.
            Err(Error::BadConnection { .. }) => {}
            Err(error) => return Err(Stop::list_failed(error.to_string())),
        }
    }
    Ok(())
}

fn title(engines: bool, out: &mut dyn Write) -> io::Result<()> {
    let (state, source, target, server) = ("state", "source", "virtual", "destination");
    writeln!(out, "IPVS connection entries")?;
    write!(out, "pro expire {state:<11} {source:<18} {target:<18} ")?;
    if engines {
        writeln!(out, "{server:<18} {:<16} pe_data", "pe name")
    } else {
        writeln!(out, "{server}")
    }
}

fn row(connection: &Connection, engines: bool, endpoints: &mut Endpoints<'_>, text: &mut Vec<u8>) {
    let protocols = [
        ("TCP", Protocol::Tcp),
        ("UDP", Protocol::Udp),
        ("SCTP", Protocol::Sctp),
    ];
    // Templates of firewall marks have no protocol, so their ports have no names.
    let protocol = protocols
        .into_iter()
        .find(|(name, _)| connection.protocol == *name)
        .map(|(_, protocol)| protocol);
    let seconds = connection.expires.as_secs();
    put(
        text,
        format_args!(
            "{:<3} {:<6} {:<11} ",
            connection.protocol,
            format!("{:02}:{:02}", seconds / 60, seconds % 60),
            connection.state
        ),
    );
    for side in [connection.client, connection.virtual_service] {
        let start = text.len();
        endpoints.append(side.ip(), side.port(), protocol, text);
        pad(text, start, 18);
        text.push(b' ');
    }
    let start = text.len();
    let server = connection.server;
    endpoints.append(server.ip(), server.port(), protocol, text);
    if let Some(engine) = connection.engine.as_ref().filter(|_| engines) {
        // 1.31 does not use the title's widths either.
        pad(text, start, 16);
        put(text, format_args!(" {:<18} ", engine.name));
        // 1.31 shows only the first word of the data.
        let word = engine.data.split(u8::is_ascii_whitespace).next();
        text.extend_from_slice(word.unwrap_or_default());
    }
    text.push(b'\n');
}

/// Pads a field that starts at `start` to `width`.
fn pad(text: &mut Vec<u8>, start: usize, width: usize) {
    text.resize(text.len().max(start + width), b' ');
}

//! The basis of the library's tests: a namespace with one interface, and a second opinion.
#![allow(
    clippy::panic,
    reason = "a test that cannot be set up fails there and then"
)]

use std::{io::Write as _, net::IpAddr, process::Command, process::Stdio};

use ipvs::{Client, Server, ServerKey, Service, ServiceKey, Table};

use crate::lab::Netns;

/// Runs `work` in a fresh namespace that has `10.0.0.1/16` and `2001:db8:1::1/64` on `d0`, its
/// loopback up.
pub(crate) fn inside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let netns = Netns::new("library");
    netns.enter(|| {
        let lines = "link set lo up\n\
                     link add d0 type dummy\n\
                     addr add 10.0.0.1/16 dev d0\n\
                     addr add 2001:db8:1::1/64 dev d0 nodad\n\
                     link set d0 up\n";
        run("ip -batch -", lines);
        work()
    })
}

/// Runs a command line in the calling thread's namespace and returns its stdout.
#[track_caller]
pub(crate) fn run(line: &str, input: &str) -> String {
    let mut words = line.split_whitespace();
    let mut child = Command::new(words.next().expect("a command line has a first word"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("its output can be read");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{line}: {stderr}{input}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A client in the calling thread's namespace.
#[track_caller]
pub(crate) fn connect() -> Client {
    Client::connect().unwrap_or_else(|error| panic!("{error} (run the test in scripts/lab)"))
}

pub(crate) fn web() -> ServiceKey {
    ServiceKey::tcp([192, 0, 2, 10], 80)
}

/// The key of a server with this address and port 80.
pub(crate) fn at(address: &str) -> ServerKey {
    let address: IpAddr = address.parse().expect("an IP address");
    ServerKey::new(address, 80)
}

/// The configuration of a table, without counters.
pub(crate) fn configured(table: &Table) -> Vec<(Service, Vec<Server>)> {
    table
        .services
        .iter()
        .map(|service| {
            let servers = service.servers.iter().map(|entry| entry.server).collect();
            (service.entry.service, servers)
        })
        .collect()
}
